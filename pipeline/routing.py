"""What the folds put out, on its way on: shared by the live stream and replay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pipeline import wire
from pipeline.detect import MOVED
from pipeline.minutes import SeriesMinute
from pipeline.resolver import Moved, Output, Resolved
from pipeline.stages.derived import Event
from schemas.finding import Finding
from sinks.contract import Mend


class Settled(NamedTuple):
    """What the resolver put out: events for `telltale.calls`, and rows to show under another session."""

    events: list[Event]
    mends: list[Mend]


def settled(outputs: Iterable[Output]) -> Settled:
    """Take the resolver's outputs apart, in order.

    The events carry no source offset: some come from time passing and not from a message; detectors know calls
    that they have seen by their ids.
    """
    out = Settled([], [])
    for one in outputs:
        if isinstance(one, Resolved):
            fact = one.fact
            kind = wire.KINDS[type(fact)]
            out.events.append(Event(wire.session_key(fact), None, kind, wire.to_fields(fact), wire.end_of(fact)))
        elif isinstance(one, Moved):
            out.events.append(Event(f"{one.service_name}{wire.SEPARATOR}{one.trace_id}", None, MOVED, []))
        else:
            out.mends.append(one)
    return out


class Judged(NamedTuple):
    """What the series stage put out."""

    findings: list[Finding]
    minutes: list[SeriesMinute]
    """The last telling of each minute."""


def judged(outputs: Iterable[Finding | SeriesMinute]) -> Judged:
    """Take the series stage's outputs apart; of each minute only its largest telling is kept."""
    findings: list[Finding] = []
    minutes: dict[tuple[str, str, int, int], SeriesMinute] = {}
    for one in outputs:
        if isinstance(one, Finding):
            findings.append(one)
        else:
            total = one.total
            minutes[wire.series_key(total), total.service_version, total.minute_unix_s, one.part] = one
    return Judged(findings, list(minutes.values()))
