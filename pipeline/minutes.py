"""The fold over `telltale.slices`: a series' minutes for storage beside its detectors.

A minute is told again, larger, whenever a slice adds to it; storage keeps the largest telling (`version` = count).
Only the newest `OPEN_MINUTES` are held. A slice that comes later than that opens a further `part` of its minute, so
that nothing told before is replaced; readers add the parts up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import orjson

from detectors.contract import Detector
from pipeline import wire
from pipeline.detect import DetectorFold, Sides
from pipeline.series import smallest_hashes
from schemas.facts import SeriesVerdict, Slice
from schemas.finding import Finding
from schemas.histogram import merge

OPEN_MINUTES: Final = 8
MAX_EXEMPLARS: Final = 6
_NOT_STORED: Final[dict[str, Any]] = {
    "failed_hashes": (),
    "token_histogram": {},
    "cost_histogram": {},
    "marks": {},
    "second": 0,
}
"""What `series_1m` has no column for."""


class SeriesMinute(NamedTuple):
    """One row of `series_1m`: all that is known of a minute so far."""

    total: Slice
    part: int


Told = Finding | SeriesMinute | SeriesVerdict


class SeriesState:
    """Open minutes by (version, minute), the detectors' states, and what was last told of the series by rule."""

    __slots__ = ("closed", "minutes", "series", "sides", "told")

    def __init__(self, sides: Sides) -> None:
        self.sides = sides
        self.minutes: dict[tuple[str, int], SeriesMinute] = {}
        self.closed = 0
        """Minutes no longer held: the number of the next part."""
        self.series = ("", "", "")
        self.told: dict[str, str] = {}


class SeriesFold:
    """Contract: `pipeline.stages.keyed.Fold`."""

    def __init__(self, detectors: DetectorFold) -> None:
        self._detectors = detectors

    def use(self, detectors: Sequence[Detector[Any, Any]]) -> None:
        """See `DetectorFold.use`."""
        self._detectors.use(detectors)

    def initial(self, key: str) -> SeriesState:
        """No minute, fresh detectors."""
        return SeriesState(self._detectors.initial(key))

    def apply(self, state: SeriesState, kind: str, fields: Sequence[Any]) -> list[Told]:
        """Fold one slice: the minute as it stands now, what the detectors find, and verdicts that changed."""
        del kind
        one = wire.slice_of(fields)
        state.series = one.series
        known = len(state.minutes), state.closed
        minute = _add(state, one)
        found = self._detectors.fold(state.sides, one, one.minute_unix_s * 1_000_000_000)
        if not found and known == (len(state.minutes), state.closed):
            return [minute]
        return [minute, *found, *self._verdicts(state, one.minute_unix_s)]

    def advance(self, state: SeriesState, watermark_unix_nano: int) -> list[Told]:
        """Let the detectors judge the silence."""
        found = self._detectors.advance(state.sides, watermark_unix_nano)
        return [*found, *self._verdicts(state, watermark_unix_nano // 60_000_000_000 * 60)]

    def _verdicts(self, state: SeriesState, minute_unix_s: int) -> Iterator[SeriesVerdict]:
        for rule, verdict in self._detectors.verdicts(state.sides):
            known = "steady" if verdict.state == "watching" else verdict.state
            if state.told.get(rule) != known:
                state.told[rule] = known
                yield SeriesVerdict(
                    *state.series, rule, known, minute_unix_s, verdict.baseline_count, verdict.baseline_minutes,
                    verdict.missing,
                )  # fmt: skip

    def due(self, state: SeriesState) -> int | None:
        """When the detectors want to be asked."""
        return self._detectors.due(state.sides)

    def expires(self, state: SeriesState) -> int:
        """When the series has been silent for so long that it is over."""
        return self._detectors.expires(state.sides)

    def encode(self, state: SeriesState) -> bytes:
        """A line of JSON for the minutes, then the detectors' encoding."""
        minutes = [[wire.to_fields(m.total), m.part] for m in state.minutes.values()]
        return (
            orjson.dumps([state.closed, minutes, state.series, state.told])
            + b"\n"
            + self._detectors.encode(state.sides)
        )

    def decode(self, data: bytes) -> SeriesState:
        """The inverse of `encode`."""
        head, _, rest = data.partition(b"\n")
        state = SeriesState(self._detectors.decode(rest))
        state.closed, minutes, *more = orjson.loads(head)
        if more:  # states of an older version end here
            state.series, state.told = (more[0][0], more[0][1], more[0][2]), more[1]
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
        bare = one._replace(**_NOT_STORED)
        held = state.minutes[key] = SeriesMinute(bare, state.closed)
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
