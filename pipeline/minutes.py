"""The fold over `telltale.slices`: a series' minutes for storage beside its detectors.

A minute is told again, larger, whenever a slice adds to it; storage keeps the largest telling (`version` = count).
Only the newest `OPEN_MINUTES` are held. A slice that comes later than that opens a further `part` of its minute, so
that nothing told before is replaced; readers add the parts up.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import orjson

from pipeline import wire
from pipeline.detect import DetectorFold, Sides
from pipeline.series import smallest_hashes
from schemas.facts import Slice
from schemas.finding import Finding
from schemas.histogram import merge

OPEN_MINUTES: Final = 8
MAX_EXEMPLARS: Final = 6


class SeriesMinute(NamedTuple):
    """One row of `series_1m`: all that is known of a minute so far."""

    total: Slice
    part: int


class SeriesState:
    """Open minutes by (version, minute), and the detectors' states."""

    __slots__ = ("closed", "minutes", "sides")

    def __init__(self, sides: Sides) -> None:
        self.sides = sides
        self.minutes: dict[tuple[str, int], SeriesMinute] = {}
        self.closed = 0
        """Minutes no longer held: the number of the next part."""


class SeriesFold:
    """Contract: `pipeline.stages.keyed.Fold`."""

    def __init__(self, detectors: DetectorFold) -> None:
        self._detectors = detectors

    def initial(self, key: str) -> SeriesState:
        """No minute, fresh detectors."""
        return SeriesState(self._detectors.initial(key))

    def apply(self, state: SeriesState, kind: str, fields: list[Any]) -> list[Finding | SeriesMinute]:
        """Fold one slice: the minute as it stands now, and what the detectors say."""
        one = wire.slice_of(fields)
        minute = _add(state, one)
        return [minute, *self._detectors.apply(state.sides, kind, fields)]

    def advance(self, state: SeriesState, watermark_unix_nano: int) -> list[Finding | SeriesMinute]:
        """Let the detectors judge the silence."""
        return [*self._detectors.advance(state.sides, watermark_unix_nano)]

    def due(self, state: SeriesState) -> int | None:
        """When the detectors want to be asked."""
        return self._detectors.due(state.sides)

    def expired(self, state: SeriesState, watermark_unix_nano: int) -> bool:
        """Whether the series has been silent so long that it is over."""
        return self._detectors.expired(state.sides, watermark_unix_nano)

    def encode(self, state: SeriesState) -> bytes:
        """A line of JSON for the minutes, then the detectors' encoding."""
        minutes = [[wire.to_fields(m.total), m.part] for m in state.minutes.values()]
        return orjson.dumps([state.closed, minutes]) + b"\n" + self._detectors.encode(state.sides)

    def decode(self, data: bytes) -> SeriesState:
        """The inverse of `encode`."""
        head, _, rest = data.partition(b"\n")
        state = SeriesState(self._detectors.decode(rest))
        state.closed, minutes = orjson.loads(head)
        for fields, part in minutes:
            total = wire.slice_of(fields)
            state.minutes[total.service_version, total.minute_unix_s] = SeriesMinute(total, part)
        return state


def _add(state: SeriesState, one: Slice) -> SeriesMinute:
    key = (one.service_version, one.minute_unix_s)
    held = state.minutes.get(key)
    if held is None:
        while len(state.minutes) >= OPEN_MINUTES:
            del state.minutes[min(state.minutes, key=lambda k: (k[1], k[0]))]
            state.closed += 1
        held = state.minutes[key] = SeriesMinute(one, state.closed)
        return held
    state.minutes[key] = SeriesMinute(_sum(held.total, one), held.part)
    return state.minutes[key]


def _sum(left: Slice, right: Slice) -> Slice:
    histogram, types = dict(left.histogram), dict(left.error_types)
    merge(histogram, right.histogram)
    for kind, count in right.error_types.items():
        types[kind] = types.get(kind, 0) + count
    return left._replace(
        count=left.count + right.count,
        errors=left.errors + right.errors,
        duration_sum_ns=left.duration_sum_ns + right.duration_sum_ns,
        histogram=histogram,
        error_types=types,
        sessions=max(left.sessions, right.sessions),
        tokens=left.tokens + right.tokens,
        cost_usd=left.cost_usd + right.cost_usd,
        session_hashes=smallest_hashes(left.session_hashes + right.session_hashes),
        exemplars=(left.exemplars + right.exemplars)[:MAX_EXEMPLARS],
    )
