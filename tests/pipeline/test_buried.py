"""Dead letters hold no secret, whichever way a message came to be one."""

import asyncio
from collections.abc import Sequence

import pytest

from benchmarks import spans
from pipeline.assembly import normalizer
from pipeline.dead_letter_limit import WINDOW
from pipeline.message import Message
from pipeline.processing import Normalize
from pipeline.settings import Settings
from schemas.errors import DeadLetterLimitError, RetryableSinkError
from sinks.contract import Batch, Mend
from sinks.prometheus import PrometheusMetrics

SHOWN = 'telltale_pipeline_stored_rows_total{table="otel_traces"}'
SECRET = "sk-ant-api03-" + "A1b2C3d4" * 8


class Kept:
    """In place of ClickHouse: keeps batches. It shows what would be stored, not that it is."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.refusals = 0
        """So many writes are refused."""

    async def start(self) -> None: ...
    async def close(self) -> None: ...
    async def mend(self, mends: Sequence[Mend]) -> None: ...

    async def dead_letters(self, topic: str, partition: int, first: int, last: int) -> list[int]:
        del topic, partition
        rows = [row for batch in self.batches for row in batch.tables["dead_letters"].to_pylist()]
        return [row["SourceOffset"] for row in rows if first <= row["SourceOffset"] <= last]

    async def write(self, batch: Batch) -> None:
        if self.refusals:
            self.refusals -= 1
            raise RetryableSinkError("not now")
        self.batches.append(batch)


def test_a_message_that_the_store_refused_is_buried_without_its_secrets() -> None:
    store = Kept()
    stage = Normalize(normalizer(Settings()), store, PrometheusMetrics(), 1)
    message = Message("otlp_spans", 0, 7, 1, f"\xff {SECRET} \x00".encode("latin-1"))
    asyncio.run(stage.bury(message, f"the store says: {SECRET}"))
    stage.close()
    [batch] = store.batches
    [row] = batch.tables["dead_letters"].to_pylist()
    assert row["SourceOffset"] == 7
    assert SECRET not in row["Reason"]
    assert SECRET.encode() not in row["Bytes"]
    assert row["Bytes"].startswith(b"\xff ")
    assert row["Bytes"].endswith(b" \x00")


def test_beyond_the_limit_nothing_is_buried_and_what_the_store_holds_counts() -> None:
    store = Kept()
    for _ in range(3):  # each time as after a restart
        stage = Normalize(normalizer(Settings()), store, PrometheusMetrics(), 1, 2)
        for offset in range(3):
            message = Message("otlp_spans", 0, 7 + offset, 1, b"\xff")
            if offset < 2:
                asyncio.run(stage.bury(message, "no column"))
            else:
                with pytest.raises(DeadLetterLimitError, match="dead_letter_limit = 2"):
                    asyncio.run(stage.bury(message, "no column"))
        stage.close()
    assert {b.first_offset for b in store.batches} == {7, 8}


def test_letters_that_lie_far_back_do_not_count() -> None:
    store = Kept()
    stage = Normalize(normalizer(Settings()), store, PrometheusMetrics(), 1, 2)
    for number in range(6):
        asyncio.run(stage.bury(Message("otlp_spans", 0, WINDOW * number, 1, b"\xff"), "no column"))
    stage.close()
    assert len(store.batches) == 6


def test_what_the_store_took_at_the_second_try_is_counted_once() -> None:
    store, metrics = Kept(), PrometheusMetrics()
    stage = Normalize(normalizer(Settings()), store, metrics, 1)
    messages = [Message("otlp_spans", 0, 0, 1, next(spans.messages(1)))]
    store.refusals = 1
    with pytest.raises(RetryableSinkError):
        asyncio.run(stage.process("otlp_spans", 0, messages, replay=False))
    asyncio.run(stage.process("otlp_spans", 0, messages, replay=True))
    stage.close()
    [line] = [line for line in metrics.render().decode().splitlines() if line.startswith(SHOWN)]
    assert float(line.split()[-1]) == spans.SPANS_PER_MESSAGE
