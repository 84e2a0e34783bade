"""Who is scored: Telltale's rules, a null detector, an oracle, and published rules as we understand them.

The published rules are restated on minute aggregates; what a restatement leaves out is said at each.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from itertools import groupby
from statistics import NormalDist, fmean, pstdev
from typing import Final, NamedTuple, Protocol

from detectors.catalog import slice_detector
from detectors.rules import Rule
from evals.series.worlds import Change
from schemas.facts import SLOT_S, Slice
from schemas.finding import Finding
from schemas.histogram import quantile_ns

LATE_S: Final = 25
"""So long after a slot or minute the watermark says that it is over."""


class Alert(NamedTuple):
    """A contender speaks up, or takes it back."""

    kind: str
    resolved: bool
    version: str = ""
    second: int = 60
    """How much of the minute had passed when it spoke."""


class Contender(Protocol):
    """Judges one series, minute by minute."""

    def minute(self, minute: int, slices: Sequence[Slice]) -> list[Alert]:
        """What it says when the minute is over."""
        ...


class Ours:
    """A rule of Telltale, with the watermark that follows each minute in the live stream."""

    def __init__(self, rule: Rule) -> None:
        self._detector = slice_detector(rule)
        self._state = self._detector.initial()
        self._kind = rule.kind
        self._told: set[str] = set()

    def minute(self, minute: int, slices: Sequence[Slice]) -> list[Alert]:
        """Fold the slices slot by slot, then let the minute be over."""
        found: list[Finding] = []
        for second, slot in groupby(slices, key=lambda one: one.second):
            for one in slot:
                self._state, more = self._detector.observe(self._state, one)
                found += more
            self._state, more = self._detector.advance(self._state, (minute * 60 + second + SLOT_S + LATE_S) * 10**9)
            found += more
        self._state, more = self._detector.advance(self._state, (minute * 60 + 60 + LATE_S) * 10**9)
        begin = minute * 60 * 10**9
        alerts = []
        for finding in (*found, *more):
            second = max(0, min(60, (finding.detected_at_unix_nano - begin) // 10**9))
            loud = finding.severity != "suspect"
            if finding.status == "resolved" and finding.id in self._told:
                self._told.discard(finding.id)
                alerts.append(Alert(self._kind, True))
            elif loud and finding.status != "resolved" and finding.id not in self._told:
                self._told.add(finding.id)
                alerts.append(Alert(self._kind, False, finding.version, second))
        return alerts


class Null:
    """Never says anything."""

    def minute(self, minute: int, slices: Sequence[Slice]) -> list[Alert]:
        """Nothing."""
        del minute, slices
        return []


class Oracle:
    """Is told the truth: speaks in the first minute in which the change has struck anything, and ends with it."""

    def __init__(self, change: Change) -> None:
        self._change = change
        self._open = False

    def minute(self, minute: int, slices: Sequence[Slice]) -> list[Alert]:
        """The truth."""
        struck = self._change.start <= minute < self._change.end and bool(slices)
        version = max((s.service_version for s in slices), default="")
        alerts = [Alert(self._change.kind, not struck, version)] if struck != self._open else []
        if struck or minute >= self._change.end:
            self._open = struck
            return alerts
        return []


class Splunk:
    """Sudden change of the 90th percentile: last 5 minutes against the hour before, and its counterpart for errors.

    `growth`: more than 20 % above, over when less than 10 %; otherwise 5 deviations above, over below 4. Left out:
    volume conditions, which are off by default.
    """

    def __init__(self, kind: str, growth: bool) -> None:
        self._kind, self._growth = kind, growth
        self._window: deque[Slice | None] = deque(maxlen=65)
        self._open = False

    def minute(self, minute: int, slices: Sequence[Slice]) -> list[Alert]:
        """Compare the two windows."""
        del minute
        self._window.append(_joined(slices))
        if len(self._window) < 65:
            return []
        parts = list(self._window)
        past = [value for value in (_value(self._kind, [part]) for part in parts[:60]) if not math.isnan(value)]
        now, before = _value(self._kind, parts[60:]), _value(self._kind, parts[:60])
        if math.isnan(now) or len(past) < 2 or math.isnan(before):
            return []
        if self._growth:
            fire, clear = before * 1.2, before * 1.1
        else:
            middle, spread = fmean(past), pstdev(past)
            fire, clear = middle + 5 * spread, middle + 4 * spread
        return self._decide(now > fire, now < clear)

    def _decide(self, fire: bool, clear: bool) -> list[Alert]:
        if fire and not self._open:
            self._open = True
            return [Alert(self._kind, False)]
        if clear and self._open:
            self._open = False
            return [Alert(self._kind, True)]
        return []


class Sentry:
    """Two exponential averages of a minute's 95th percentile, over 20 and 40 points.

    A rise of the short one over the long by 20 % is a regression. Left out: the change point search that follows in a
    batch job.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._count, self._short, self._long = 0, 0.0, 0.0
        self._open = False

    def minute(self, minute: int, slices: Sequence[Slice]) -> list[Alert]:
        """Fold one point."""
        del minute
        value = _value(self._kind, [_joined(slices)], 0.95)
        if math.isnan(value):
            return []
        self._count += 1
        weight = 1.0 if self._count == 1 else 0.0
        self._short += max(weight, 2 / 21) * (value - self._short)
        self._long += max(weight, 2 / 41) * (value - self._long)
        if self._count < 40 or self._long <= 0:
            return []
        change = (self._short - self._long) / self._long
        if change > 0.2 and not self._open:
            self._open = True
            return [Alert(self._kind, False)]
        if change < 0 and self._open:
            self._open = False
            return [Alert(self._kind, True)]
        return []


class Kayenta:
    """Canary judge made to watch: each hour's minute values against the hour's before.

    By Mann-Whitney at 98 %, and only where the means differ by a quarter. Left out: weights and groups of metrics.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._now: list[float] = []
        self._before: list[float] = []
        self._open = False

    def minute(self, minute: int, slices: Sequence[Slice]) -> list[Alert]:
        """Judge when an hour is full."""
        value = _value(self._kind, [_joined(slices)], 0.5)
        if not math.isnan(value):
            self._now.append(value)
        if minute % 60 != 59:
            return []
        now, before, self._now, self._before = self._now, self._before, [], self._now
        if min(len(now), len(before)) < 10:
            return []
        high = _p_value(now, before) < 0.01 and fmean(now) > 1.25 * fmean(before)
        if high == self._open:
            return []
        self._open = high
        return [Alert(self._kind, not high)]


class LangSight:
    """Z-score: a minute's mean more than 3 deviations above that of the past's minutes, an hour to a day of them."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._past: deque[float] = deque(maxlen=1440)
        self._sum = self._squares = 0.0
        self._open = False

    def minute(self, minute: int, slices: Sequence[Slice]) -> list[Alert]:
        """Judge one minute."""
        del minute
        part = _joined(slices)
        if part is None:
            return []
        good = part.count - part.errors
        value = part.errors / part.count if self._kind == "error_spike" else part.duration_sum_ns / max(1, good)
        n = len(self._past)
        middle = self._sum / n if n else 0.0
        spread = math.sqrt(max(0.0, self._squares / n - middle**2)) if n else 0.0
        if n == self._past.maxlen:
            self._sum -= self._past[0]
            self._squares -= self._past[0] ** 2
        self._past.append(value)
        self._sum += value
        self._squares += value**2
        high = n >= 60 and value > middle + 3 * spread
        if high == self._open:
            return []
        self._open = high
        return [Alert(self._kind, not high)]


def _joined(slices: Sequence[Slice]) -> Slice | None:
    """A minute's slices as one."""
    if len(slices) < 2:
        return slices[0] if slices else None
    histogram: dict[int, int] = {}
    for one in slices:
        for index, number in one.histogram.items():
            histogram[index] = histogram.get(index, 0) + number
    return slices[0]._replace(
        count=sum(s.count for s in slices), errors=sum(s.errors for s in slices), histogram=histogram,
        duration_sum_ns=sum(s.duration_sum_ns for s in slices),
    )  # fmt: skip


def _value(kind: str, parts: Sequence[Slice | None], quantile: float = 0.9) -> float:
    """The quantile of latency in ns, or the share of failed calls, over some minutes; NaN where there are none."""
    one = _joined([part for part in parts if part])
    if one is None:
        return math.nan
    return one.errors / one.count if kind == "error_spike" else quantile_ns(one.histogram, quantile)


def _p_value(now: Sequence[float], before: Sequence[float]) -> float:
    """One-sided Mann-Whitney by its normal approximation."""
    wins = sum((a > b) + 0.5 * (a == b) for a in now for b in before)
    n, m = len(now), len(before)
    z = (wins - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return 1 - NormalDist().cdf(z)


KINDS: Final = ("latency_regression", "error_spike")
PUBLISHED: Final[dict[str, Callable[[str], Contender]]] = {
    "Splunk, growth 20 %": lambda kind: Splunk(kind, growth=True),
    "Splunk, 5 deviations": lambda kind: Splunk(kind, growth=False),
    "Sentry, two averages": Sentry,
    "Kayenta, Mann-Whitney": Kayenta,
    "LangSight, z-score": LangSight,
}
"""Name in the table -> maker, given the kind of finding."""
