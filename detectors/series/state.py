"""What a series detector remembers, as plain records that become JSON."""

from __future__ import annotations

from typing import Any, Final

import orjson

from detectors.series.baseline import Baseline
from detectors.series.dispersion import Dispersion
from detectors.series.evidence import Cusum, Frame
from detectors.series.lateness import Lateness
from detectors.series.totals import Totals

MINUTE_S: Final = 60
MAX_HELD: Final = 16
MAX_STREAMS: Final = 2
MAX_OPEN_SLOTS: Final = 32


def minute_of(second: int) -> int:
    """Start of the minute that a second lies in."""
    return second - second % MINUTE_S


class Chunk:
    """Minutes, or slots of one, that are not part of the past yet, because a change may have begun in them."""

    __slots__ = ("first", "last", "totals")

    def __init__(self, first: int, last: int, totals: Totals) -> None:
        self.first = first
        self.last = last
        self.totals = totals

    def add(self, later: Chunk) -> None:
        """Join the chunk that follows."""
        self.last = later.last
        self.totals.add(later.totals)

    def as_list(self) -> list[Any]:
        """Fit for JSON."""
        return [self.first, self.last, self.totals.as_list()]

    @staticmethod
    def of_list(fields: list[Any]) -> Chunk:
        """The inverse of `as_list`."""
        return Chunk(fields[0], fields[1], Totals.of_list(fields[2]))


class Stream:
    """Evidence on one version that the past does not know well."""

    __slots__ = ("cusum", "last", "rest", "totals")

    def __init__(self, tilts: int) -> None:
        self.cusum = Cusum(tilts)
        self.totals = Totals()
        self.rest = Totals()
        """What the other versions did in the same minutes: the comparison in which seasons cancel."""
        self.last = 0

    def as_list(self) -> list[Any]:
        """Fit for JSON."""
        return [self.cusum.as_list(), self.totals.as_list(), self.rest.as_list(), self.last]

    @staticmethod
    def of_list(fields: list[Any]) -> Stream:
        """The inverse of `as_list`."""
        stream = Stream(0)
        stream.cusum, stream.last = Cusum.of_list(fields[0]), fields[3]
        stream.totals, stream.rest = Totals.of_list(fields[1]), Totals.of_list(fields[2])
        return stream


class Alert:
    """An open or lately closed finding."""

    __slots__ = (
        "after", "before_version", "calm", "calm_level", "calm_minutes", "closed", "coincides", "confidence",
        "count_told", "detected", "doubt", "last", "mark", "opened", "revision", "scope", "scoped", "severity",
        "since", "version",
    )  # fmt: skip

    def __init__(self, mark: str, since: int, opened: int, after: Totals) -> None:
        self.mark = mark
        self.since = since
        """Start of the change, seconds since 1970; so are all times here."""
        self.opened = opened
        """Start of the minute in which it was told."""
        self.last = opened
        """End of what was seen of it last."""
        self.closed = -1
        self.revision = 0
        self.severity = 0
        self.detected = opened
        """End of what it was told after."""
        self.scope = ""
        self.scoped = False
        """Whether only the version `scope` is judged."""
        self.version = ""
        self.before_version = ""
        self.coincides: list[str] = []
        """Marks that came with the change."""
        self.doubt = ""
        """What else may explain it: it stays `suspect` then."""
        self.confidence = 0.0
        self.after = after
        self.count_told = 0
        self.calm = Totals()
        """What looked like the past again."""
        self.calm_level = 0.0
        self.calm_minutes = 0

    def as_list(self) -> list[Any]:
        """Fit for JSON."""
        fields = [getattr(self, name) for name in self.__slots__]
        for name in ("after", "calm"):
            fields[self.__slots__.index(name)] = getattr(self, name).as_list()
        return fields

    @staticmethod
    def of_list(fields: list[Any]) -> Alert:
        """The inverse of `as_list`."""
        alert = Alert("", 0, 0, Totals())
        if len(fields) > len(Alert.__slots__):
            del fields[-2]  # the tilt that an older version kept
        for name, value in zip(Alert.__slots__, fields, strict=True):
            setattr(alert, name, Totals.of_list(value) if name in {"after", "calm"} else value)
        return alert


class SeriesState:
    """One series.

    Bounded: 32 open slots of 8 versions, 16 held chunks, one past, one alert; each with at most 1,009 buckets. A
    usual series' is under 10 KB encoded, the worst that input can make under 2 MB.
    """

    __slots__ = (
        "absorbed", "alert", "baseline", "closed_to", "counted", "cusum", "dispersion", "frame", "frontier", "held",
        "late", "lateness", "parts", "series", "slots", "streams",
    )  # fmt: skip

    def __init__(self, tilts: int) -> None:
        self.series = ["", "", ""]
        self.slots: dict[int, dict[str, Totals]] = {}
        """Open slots: start -> version -> what came so far."""
        self.parts: dict[int, dict[str, Totals]] = {}
        """The slots that are over, of a minute that is not: they are not judged yet."""
        self.counted = -1
        """The minute of which a part was judged by itself, and counted as a minute."""
        self.frontier = -1
        """Start of the latest slot seen, -1 = none."""
        self.closed_to = -1
        """Minutes up to here were judged."""
        self.late = 0
        """Slices in a row that came for a minute already judged."""
        self.lateness = Lateness()
        self.baseline = Baseline()
        self.absorbed = 0.0
        """Observations taken into the past since `frame` was made."""
        self.frame: Frame | None = None
        self.dispersion = Dispersion()
        self.cusum = Cusum(tilts)
        self.held: list[Chunk] = []
        self.streams: dict[str, Stream] = {}
        self.alert: Alert | None = None

    @property
    def open_alert(self) -> Alert | None:
        """The finding that is open."""
        return self.alert if self.alert is not None and self.alert.closed < 0 else None

    def encode(self) -> bytes:
        """JSON without a newline."""
        return orjson.dumps(
            [
                self.series, _slots_as_list(self.slots), self.frontier, self.closed_to, self.late,
                self.baseline.as_list(), self.absorbed, list(self.frame) if self.frame else None,
                self.dispersion.as_list(), self.cusum.as_list(), [c.as_list() for c in self.held],
                [[v, s.as_list()] for v, s in self.streams.items()], self.alert.as_list() if self.alert else None,
                _slots_as_list(self.parts), self.counted, self.lateness.as_list(),
            ]
        )  # fmt: skip

    @staticmethod
    def decode(data: bytes) -> SeriesState:
        """The inverse of `encode`."""
        state = SeriesState(0)
        (
            state.series, slots, state.frontier, state.closed_to, state.late, baseline, state.absorbed, frame,
            dispersion, cusum, held, streams, alert, *newer,
        ) = orjson.loads(data)  # fmt: skip
        state.slots = _slots_of_list(slots)
        state.baseline = Baseline.of_list(baseline)
        state.frame = Frame(*frame) if frame else None
        state.dispersion = Dispersion.of_list(dispersion)
        state.cusum = Cusum.of_list(cusum)
        state.held = [Chunk.of_list(c) for c in held]
        state.streams = {version: Stream.of_list(s) for version, s in streams}
        state.alert = Alert.of_list(alert) if alert else None
        if newer:
            state.parts, state.counted = _slots_of_list(newer[0]), newer[1]
            state.lateness = Lateness.of_list(newer[2]) if len(newer) > 2 else Lateness()
        elif state.alert is not None:  # an older version told the starts of minutes here
            state.alert.last += MINUTE_S
            state.alert.detected += MINUTE_S
        return state


def _slots_as_list(slots: dict[int, dict[str, Totals]]) -> list[Any]:
    return [
        [slot, [[version, totals.as_list()] for version, totals in sorted(versions.items())]]
        for slot, versions in sorted(slots.items())
    ]


def _slots_of_list(fields: list[Any]) -> dict[int, dict[str, Totals]]:
    return {slot: {version: Totals.of_list(totals) for version, totals in versions} for slot, versions in fields}
