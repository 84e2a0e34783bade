"""Dead letters hold no secret, whichever way a message came to be one."""

import asyncio
from collections.abc import Sequence

from pipeline.assembly import normalizer
from pipeline.message import Message
from pipeline.processing import Normalize
from pipeline.settings import Settings
from sinks.contract import Batch, Mend
from sinks.prometheus import PrometheusMetrics

SECRET = "sk-ant-api03-" + "A1b2C3d4" * 8


class Kept:
    """In place of ClickHouse: keeps batches. It shows what would be stored, not that it is."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    async def start(self) -> None: ...
    async def close(self) -> None: ...
    async def mend(self, mends: Sequence[Mend]) -> None: ...

    async def write(self, batch: Batch) -> None:
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
