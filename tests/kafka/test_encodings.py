"""What other programs write to Kafka is read: both encodings, every compression, any key, transactions, compaction."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.spans import json_request, request, spans
from pipeline.assembly import normalizer
from pipeline.message import DeadLetter, Message
from pipeline.settings import Settings
from pipeline.stages.planned import Outgoing
from schemas.topics import SPANS
from testbed.kafka import Broker
from tests.kafka.rig import KafkaRig, everything, prepare, producer, settings_of
from tests.stages.rig import MemoryStore

SPANS_EACH = 3


class Normalizing(MemoryStore):
    """Normalizes as the live stage does and keeps the ids of spans by their offset."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._normalizer = normalizer(settings)
        self.spans: dict[int, list[str]] = {}
        self.letters: list[DeadLetter] = []

    async def process(self, topic: str, partition: int, messages: Sequence[Message], replay: bool) -> list[Outgoing]:
        done = self._normalizer.batch([message._replace(topic=SPANS.name) for message in messages])
        if "otel_traces" in done.tables:
            for row in done.tables["otel_traces"].select(["SourceOffset", "SpanId"]).to_pylist():
                self.spans.setdefault(row["SourceOffset"], []).append(row["SpanId"])
        self.letters += done.dead_letters
        return []


def encoded(number: int, encoding: str) -> bytes:
    """A request of three spans."""
    batch = list(spans(SPANS_EACH, seed=number))
    value = request(batch).SerializeToString() if encoding == "otlp_proto" else json.dumps(json_request(batch)).encode()
    return bytes(value)


async def read(settings: Settings) -> Normalizing:
    """Everything on the topic, as a worker takes it."""
    store = Normalizing(settings)
    async with KafkaRig(settings, partitions=1, store=store) as rig:
        await rig.settle()
    return store


@pytest.mark.parametrize("compression", [None, "gzip", "snappy", "lz4", "zstd"])
async def test_both_encodings_are_read_with_every_compression_and_any_key(
    broker: Broker, folder: Path, compression: str | None
) -> None:
    settings = settings_of(broker, folder, f"encoded-{compression}")
    await prepare(settings, 1)
    keys = [None, b"0af7651916cd43dd8448eb211c80319c", b"\xff\xfe\x00 no text", b""]
    values = [encoded(n, ("otlp_json", "otlp_proto")[n // 4 % 2]) for n in range(8)]
    values[6:6] = [b'{"resourceSpans": [', b"\xff\xff"]
    async with producer(settings, compression_type=compression) as sending:
        for number, value in enumerate(values):
            await sending.send_and_wait(f"{settings.group}.spans", value, key=keys[number % 4])
    found = await read(settings)
    assert {offset: len(ids) for offset, ids in found.spans.items()} == dict.fromkeys(
        [0, 1, 2, 3, 4, 5, 8, 9], SPANS_EACH
    )
    assert [(letter.offset, letter.value) for letter in found.letters] == [(6, values[6]), (7, values[7])]
    assert found.letters[0].reason.startswith("not JSON")


async def test_aborted_transactions_are_not_read_and_their_markers_stop_nothing(broker: Broker, folder: Path) -> None:
    settings = settings_of(broker, folder, "transactions")
    await prepare(settings, 1)
    topic, wanted, offsets = f"{settings.group}.spans", 0, set()
    async with producer(settings, transactional_id="a-collector") as sending:
        for turn in range(6):
            await sending.begin_transaction()
            sent = [await sending.send_and_wait(topic, encoded(10 * turn + n, "otlp_json")) for n in range(5)]
            if turn % 2:
                await sending.abort_transaction()
            else:
                await sending.commit_transaction()
                wanted += 5
                offsets |= {one.offset for one in sent}
    found = await read(settings)
    assert set(found.spans) == offsets
    assert max(offsets) > wanted, "there were markers and aborted records between"
    assert {len(ids) for ids in found.spans.values()} == {SPANS_EACH}


async def test_a_compacted_topic_is_read_over_its_gaps(broker: Broker, folder: Path) -> None:
    settings = settings_of(broker, folder, "compacted")
    compact: dict[str, Any] = {
        "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.0", "segment.ms": "100",
        "max.compaction.lag.ms": "100", "min.compaction.lag.ms": "0",
    }  # fmt: skip
    await prepare(settings, 1, compacted_spans=compact)
    topic = f"{settings.group}.spans"
    async with producer(settings) as sending:
        for number in range(60):
            await sending.send_and_wait(topic, encoded(number, "otlp_json"), key=b"k%d" % (number % 7))
        for number in range(400):
            await asyncio.sleep(0.1)  # a segment is compacted once another one is begun
            await sending.send_and_wait(topic, encoded(60 + number, "otlp_json"), key=b"other")
            left = [record.offset for record in await everything(settings, topic, 1)]
            if number % 5 == 0 and len([offset for offset in left if offset < 60]) == 7:
                break
    found = await read(settings)
    here = {record.offset for record in await everything(settings, topic, 1)}
    assert here <= set(found.spans)
    assert len([offset for offset in found.spans if offset < 60]) == 7, "the rest of them was compacted away"
