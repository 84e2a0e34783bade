"""What the live stream does between log and store: the processors of planned stages, the publishers of keyed ones.

Contracts: `pipeline.stages.planned.Processor`, `pipeline.stages.keyed.Publish`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import pyarrow as pa

from pipeline import routing, wire
from pipeline.dead_letter_limit import DeadLetterLimit
from pipeline.message import DeadLetter, Message
from pipeline.minutes import Told
from pipeline.normalize import Normalized, Normalizer
from pipeline.resolver import Output
from pipeline.stages import derived
from pipeline.stages.keyed import Origin
from pipeline.stages.planned import Outgoing
from schemas.facts import Slice
from schemas.finding import Finding
from schemas.rows import finding_rows, series_rows, verdict_rows
from schemas.topics import ATTEMPTS, CALLS, FINDINGS
from sinks.contract import Batch, Mend, Sink


class Store(Sink[Batch], Protocol):
    """The sink of the stream, with what replaces rows."""

    async def mend(self, mends: Sequence[Mend]) -> None:
        """Show calls under another session."""
        ...

    async def dead_letters(self, topic: str, partition: int, first: int, last: int) -> Collection[int]:
        """Offsets, among those from first to last, that have a dead letter; raises SinkError."""
        ...


class Observer(Protocol):
    """Counts what happens, for Prometheus."""

    def observe_slices(self, slices: Iterable[Slice]) -> None: ...  # noqa: D102 - see sinks.prometheus
    def observe_metrics(self, table: pa.Table) -> None: ...  # noqa: D102
    def observe_findings(self, findings: Iterable[Finding]) -> None: ...  # noqa: D102
    def stored(self, table: str, rows: int) -> None: ...  # noqa: D102
    def inserted(self, duration_s: float) -> None: ...  # noqa: D102
    def dead_lettered(self, topic: str, messages: int = 1) -> None: ...  # noqa: D102


AGENT_METRICS = ("otel_metrics_sum", "otel_metrics_histogram")


class Normalize:
    """Raw topics to storage and to the keyed stages. Batches of several partitions take turns in one thread."""

    def __init__(
        self, normalizer: Normalizer, store: Store, observer: Observer, partitions: int, dead_letter_limit: int = 0
    ) -> None:
        self._normalizer = normalizer
        self._store = store
        self._observer = observer
        self._partitions = partitions
        self._limit = DeadLetterLimit(dead_letter_limit, store, normalizer.redacted)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="normalize")

    async def process(
        self, topic: str, partition: int, messages: Sequence[Message], replay: bool
    ) -> Sequence[Outgoing]:
        """Decode, store, count; what goes on is a function of the messages alone."""
        loop = asyncio.get_running_loop()
        done, outgoing = await loop.run_in_executor(self._worker, self._prepare, messages)
        await self._limit.check(done.dead_letters)
        began = time.perf_counter()
        await self._store.write(
            Batch(topic, partition, messages[0].offset, messages[-1].offset, done.tables, replay=replay)
        )
        # of a replay too: what this process wrote in part, or another one before it died, was not counted yet
        self._count(topic, done, time.perf_counter() - began)
        return outgoing

    def _prepare(self, messages: Sequence[Message]) -> tuple[Normalized, list[Outgoing]]:
        done = self._normalizer.batch(messages)
        outgoing = [
            Outgoing(topic, derived.encode(part), None, partition)
            for topic, message in done.derived.items()
            for partition, part in derived.split(message, self._partitions)
        ]
        return done, outgoing

    def _count(self, topic: str, done: Normalized, insert_s: float) -> None:
        self._observer.inserted(insert_s)
        self._observer.observe_slices(done.slices)
        for table, rows in done.tables.items():
            self._observer.stored(table, rows.num_rows)
            if table in AGENT_METRICS:
                self._observer.observe_metrics(rows)
        if done.dead_letters:
            self._observer.dead_lettered(topic, len(done.dead_letters))

    async def bury(self, message: Message, reason: str) -> None:
        """A message that the store will never take."""
        letter = DeadLetter(
            message.topic, message.partition, message.offset, message.timestamp_unix_nano, reason, message.value
        )
        await self._limit.check([letter])
        rows = self._normalizer.buried([letter])
        await self._store.write(
            Batch(message.topic, message.partition, message.offset, message.offset, rows, replay=True)
        )
        self._observer.dead_lettered(message.topic)

    def close(self) -> None:
        """End the thread."""
        self._worker.shutdown(wait=True)


class KeepFindings:
    """`telltale.findings` to storage, to Prometheus and to whoever listens."""

    def __init__(self, store: Store, observer: Observer, tell: Callable[[Finding], None]) -> None:
        self._store = store
        self._observer = observer
        self._tell = tell

    async def process(
        self, topic: str, partition: int, messages: Sequence[Message], replay: bool
    ) -> Sequence[Outgoing]:
        """Store the revisions; a revision that is stored already is replaced by itself."""
        findings = [wire.finding_from_bytes(message.value) for message in messages]
        offsets = [message.offset for message in messages]
        rows = {"findings": finding_rows(findings, topic, partition, offsets)}
        await self._store.write(Batch(topic, partition, offsets[0], offsets[-1], rows, upsert=True))
        self._observer.observe_findings(finding for finding in findings if not finding.shadow)
        for finding in findings:
            self._tell(finding)
        del replay
        return []

    async def bury(self, message: Message, reason: str) -> None:
        """We wrote it ourselves: nothing but a fault of ours can refuse it."""
        raise AssertionError(f"a finding could not be stored: {reason}: {message.value[:2000]!r}")


class Publishers:
    """What the keyed stages put out, on its way on."""

    def __init__(self, producer: Callable[[], Any], store: Store, partitions: int) -> None:
        self._producer = producer
        self._store = store
        self._partitions = partitions

    async def links(self, outputs: Sequence[Output], origin: Origin) -> None:
        """Calls that found their session go to detection; storage shows them under it."""
        settled = routing.settled(outputs)
        if settled.mends:
            await self._store.mend(settled.mends)
        outgoing = []
        for topic, events in ((CALLS.name, settled.events), (ATTEMPTS.name, settled.attempts)):
            message = derived.Derived(
                origin.topic, origin.partition, origin.first, origin.last, origin.watermark_unix_nano, events
            )
            outgoing += [
                Outgoing(topic, derived.encode(part), None, partition)
                for partition, part in derived.split(message, self._partitions)
                if part.events
            ]
        await self._send(outgoing)

    async def calls(self, outputs: Sequence[Finding], origin: Origin) -> None:
        """Findings go on."""
        del origin
        await self._findings(outputs)

    async def attempts(self, outputs: Sequence[Finding], origin: Origin) -> None:
        """Findings go on."""
        del origin
        await self._findings(outputs)

    async def slices(self, outputs: Sequence[Told], origin: Origin) -> None:
        """Minutes and verdicts are stored, findings go on."""
        judged = routing.judged(outputs)
        last = max(0, origin.last)
        place = (origin.topic, origin.partition)
        rows: dict[str, pa.Table] = {}
        if judged.minutes:
            rows["series_1m"] = series_rows(judged.minutes, *place, [last] * len(judged.minutes))
        if judged.verdicts:
            rows["series_verdicts"] = verdict_rows(judged.verdicts, *place, [last] * len(judged.verdicts))
        if rows:
            await self._store.write(Batch(*place, last, last, rows, upsert=True))
        await self._findings(judged.findings)

    async def _findings(self, findings: Sequence[Finding]) -> None:
        await self._send([Outgoing(FINDINGS.name, wire.finding_to_bytes(one), one.id.encode()) for one in findings])

    async def _send(self, outgoing: Sequence[Outgoing]) -> None:
        producer = self._producer()
        sent = [await producer.send(o.topic, o.key, o.value, o.partition, None, None) for o in outgoing]
        await asyncio.gather(*sent)
