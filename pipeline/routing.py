"""What the folds put out, on its way on: shared by the live stream and replay."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from operator import itemgetter
from typing import Any, Final, NamedTuple

from detectors.retries.attempts import row_of
from pipeline import wire
from pipeline.detect import MOVED
from pipeline.minutes import SeriesMinute, Told
from pipeline.resolver import Moved, Output, Resolved
from pipeline.stages.derived import Event
from schemas.facts import Attempt, SeriesVerdict, SessionFact, ToolCall
from schemas.finding import Finding
from sinks.contract import Mend

_end: Final = itemgetter(Attempt._fields.index("end_time_unix_nano"))
MAX_SILENCE_NS: Final = 60_000_000_000


class Settled(NamedTuple):
    """What the resolver put out: events for `telltale.calls`, rows to show under another session, attempts."""

    events: list[Event]
    mends: list[Mend]
    attempts: list[Event]
    """For `telltale.attempts`."""


def attempt_events(calls: Iterable[SessionFact], offset: int | None) -> list[Event]:
    """The tool calls among these facts, all of known sessions, as one event for each service, in order of time.

    Several events where nothing came for a while: time passes before an event is folded, up to the event's own, and a
    recording may hold a job's nights in one batch.
    """
    found: dict[str, list[list[Any]]] = {}
    for call in calls:
        if isinstance(call, ToolCall):
            row = row_of(call)
            if row is not None:
                found.setdefault(call.service_name, []).append(row)
    events = []
    for service, rows in found.items():
        rows.sort(key=_end)
        events += [Event(service, offset, wire.ATTEMPTS, some, _end(some[-1])) for some in _together(rows)]
    return events


def _together(rows: list[list[Any]]) -> list[list[list[Any]]]:
    """Rows in order of time, taken apart where nothing came for longer than `MAX_SILENCE_NS`: nearly always one."""
    if _end(rows[-1]) - _end(rows[0]) <= MAX_SILENCE_NS:
        return [rows]
    pieces = [[rows[0]]]
    for before, row in pairwise(rows):
        if _end(row) - _end(before) > MAX_SILENCE_NS:
            pieces.append([])
        pieces[-1].append(row)
    return pieces


def settled(outputs: Iterable[Output]) -> Settled:
    """Take the resolver's outputs apart, in order.

    The events carry no source offset: some come from time passing and not from a message; detectors know calls
    that they have seen by their ids.
    """
    out = Settled([], [], [])
    resolved: list[SessionFact] = []
    for one in outputs:
        if isinstance(one, Resolved):
            fact = one.fact
            resolved.append(fact)
            kind = wire.KINDS[type(fact)]
            out.events.append(Event(wire.session_key(fact), None, kind, fact, wire.end_of(fact)))
        elif isinstance(one, Moved):
            out.events.append(Event(f"{one.service_name}{wire.SEPARATOR}{one.trace_id}", None, MOVED, []))
        else:
            out.mends.append(one)
    out.attempts.extend(attempt_events(resolved, None))
    return out


class Judged(NamedTuple):
    """What the series stage put out."""

    findings: list[Finding]
    minutes: list[SeriesMinute]
    """The last telling of each minute."""
    verdicts: list[SeriesVerdict]


def judged(outputs: Iterable[Told]) -> Judged:
    """Take the series stage's outputs apart; of each minute only its largest telling is kept."""
    findings: list[Finding] = []
    verdicts: list[SeriesVerdict] = []
    minutes: dict[tuple[str, str, int, int], SeriesMinute] = {}
    for one in outputs:
        if isinstance(one, Finding):
            findings.append(one)
        elif isinstance(one, SeriesVerdict):
            verdicts.append(one)
        else:
            total = one.total
            minutes[wire.series_key(total), total.service_version, total.minute_unix_s, one.part] = one
    return Judged(findings, list(minutes.values()), verdicts)
