"""Recorded telemetry through the same stages in event time: no servers, no log, no store.

    lines of OTLP/JSON -> decode -> normalize -> resolver -> detectors -> findings

The clock is read once, when the run begins, only to know which event times lie in the future. Memory is bounded by
the stages' own bounds; of findings only their last telling is kept, on disk beyond `SPOOL_BYTES`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from detectors.catalog import Detectors
from pipeline import routing, wire
from pipeline.decode.replay import decode_json
from pipeline.folds import bounds, folds
from pipeline.message import Message
from pipeline.normalize import Normalizer
from pipeline.resolver import Output
from pipeline.settings import Settings
from pipeline.stages.derived import Derived, split
from pipeline.stages.inline import InlineStage
from schemas.finding import Finding
from schemas.topics import ATTEMPTS, CALLS, LINKS, LOGS, SLICES, SPANS, Signal

SIGNAL_TABLES: Final[tuple[tuple[Signal, str, str], ...]] = (
    ("traces", SPANS.name, "otel_traces"),
    ("logs", LOGS.name, "otel_logs"),
)
BATCH_LINES: Final = 40
BATCH_BYTES: Final = 8 * 1024 * 1024
SPOOL_BYTES: Final = 32 * 1024 * 1024
MINUTES_END_NS: Final = 150_000_000_000
"""After the last line so much time passes for series: open minutes are judged. For calls that wait for their session
the resolver's wait passes. For sessions none does: a recording that stops is not a session that went quiet."""

OnBadLine = Callable[[int, str], None]
"""Told (number of the line over all input, from 0; reason)."""


def sent(message: Derived) -> Iterator[Derived]:
    """The message as the live stream sends it, events in order of time.

    Else one series' later minute would move the clock on before the rest of another's minute is folded.
    """
    return (part for _, part in split(message, partitions=1))


class LastTellings:
    """The last telling of each finding, in order of the first."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115 - closed by close()
        self._at: dict[str, tuple[int, int, int]] = {}
        self._end = 0

    def keep(self, finding: Finding) -> None:
        """Keep this telling unless a later one is kept."""
        held = self._at.get(finding.id)
        if held is not None and held[2] > finding.precedence:
            return
        data = wire.finding_to_bytes(finding)
        self._file.seek(self._end)
        self._file.write(data)
        self._at[finding.id] = (self._end, len(data), finding.precedence)
        self._end += len(data)

    def __iter__(self) -> Iterator[Finding]:
        for start, length, _ in self._at.values():
            self._file.seek(start)
            yield wire.finding_from_bytes(self._file.read(length))

    def __len__(self) -> int:
        return len(self._at)

    def close(self) -> None:
        """Forget everything."""
        self._file.close()


class Replay:
    """Feed lines in order, `finish`, then read `findings`."""

    def __init__(
        self,
        normalizer: Normalizer,
        detectors: Detectors,
        settings: Settings,
        on_bad_line: OnBadLine = lambda number, reason: None,
        on_finding: Callable[[Finding], None] = lambda finding: None,
    ) -> None:
        self._normalizer = normalizer
        self._on_bad_line = on_bad_line
        self._on_finding = on_finding
        self._started = time.time_ns()
        self._session_wait_ns = int(settings.resolver_wait_s * 1_000_000_000)
        made, within = folds(detectors, settings), bounds(settings)
        self._links = InlineStage(made.links, within.links, self._started)
        self._calls = InlineStage(made.calls, within.calls, self._started)
        self._attempts = InlineStage(made.attempts, within.attempts, self._started)
        self._slices = InlineStage(made.slices, within.slices, self._started)
        self._waiting: list[Message] = []
        self._waiting_bytes = 0
        self.lines = 0
        self.bad_lines = 0
        self.records = 0
        """Spans and log records read."""
        self.findings = LastTellings()

    def feed(self, line: bytes) -> None:
        """Take one line of OTLP/JSON."""
        self._waiting.append(Message("", 0, self.lines, self._started, line))
        self._waiting_bytes += len(line)
        self.lines += 1
        if len(self._waiting) >= BATCH_LINES or self._waiting_bytes >= BATCH_BYTES:
            self._read_waiting()

    def finish(self) -> None:
        """The input is over: judge everything that still waits."""
        self._read_waiting()
        self._settle(self._links.finish(self._session_wait_ns), self._links.watermark_unix_nano)
        self._found(routing.judged(self._slices.finish(MINUTES_END_NS)).findings)

    def _read_waiting(self) -> None:
        if not self._waiting:
            return
        messages, self._waiting, self._waiting_bytes = self._waiting, [], 0
        decoded = decode_json(messages)
        for bad in decoded.dead_letters:
            self.bad_lines += 1
            self._on_bad_line(bad.offset, bad.reason)
        for signal, topic, table in SIGNAL_TABLES:
            if table in decoded.tables:
                self.records += decoded.tables[table].num_rows
                here = [message._replace(topic=topic) for message in messages]
                done = self._normalizer.decoded(signal, decoded, here, store=False)
                self._fold(done.derived)

    def _fold(self, derived: dict[str, Derived]) -> None:
        for message in sent(derived[LINKS.name]):
            self._settle(self._links.feed(message), message.watermark_unix_nano)
        for message in sent(derived[CALLS.name]):
            self._found(self._calls.feed(message))
        for message in sent(derived[ATTEMPTS.name]):
            self._found(self._attempts.feed(message))
        for message in sent(derived[SLICES.name]):
            self._found(routing.judged(self._slices.feed(message)).findings)

    def _settle(self, outputs: Sequence[Output], watermark: int) -> None:
        """What the resolver put out goes on to the detectors; there is no storage to mend."""
        settled = routing.settled(outputs)
        for stage, events in ((self._calls, settled.events), (self._attempts, settled.attempts)):
            if events:
                for message in sent(Derived(LINKS.name, 0, self.lines, self.lines, watermark, events)):
                    self._found(stage.feed(message))

    def _found(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            self.findings.keep(finding)
            self._on_finding(finding)
