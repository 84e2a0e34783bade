"""What is compared between two sides: each measure with its estimate, its change and what may be said of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from query.statistics import Estimate, Verdict, Z, difference, mean, quantile_s, ratio, share, verdict
from schemas.histogram import merge

SAME_RATIO: Final = (1 / 1.1, 1.1)
"""Ratios that do not matter: 10 %."""
SAME_SHARE: Final = (-0.005, 0.005)
"""Differences of shares that do not matter: half a percent point."""


@dataclass(slots=True)
class Side:
    """What was seen on one side: calls, and sessions where there are any."""

    calls: int = 0
    errors: int = 0
    histogram: dict[int, int] = field(default_factory=dict)
    tokens: float = 0.0
    cost_usd: float = 0.0
    first_s: int = 0
    last_s: int = 0
    prices_date: str = ""
    """Latest date of the prices that some of the sessions' cost is estimated from; "" = agents told all of it."""
    sessions: Mapping[str, float] = field(default_factory=dict)
    """`n`, `looping`, and sum and sum of squares of `tokens`, `cost`, `turns`."""

    def add(self, row: Mapping[str, Any]) -> None:
        """Take in a row of `query.sides`."""
        self.calls += row["calls"]
        self.errors += row["errors"]
        merge(self.histogram, {int(bucket): number for bucket, number in row["histogram"].items()})
        self.tokens += row["tokens"]
        self.cost_usd += row["cost_usd"] or 0.0
        self.first_s = min(self.first_s or row["first_s"], row["first_s"])
        self.last_s = max(self.last_s, row["last_s"])

    @property
    def minutes(self) -> float:
        """From the first to the last minute with calls."""
        return max(1.0, (self.last_s - self.first_s) / 60 + 1)


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure, of which more is worse."""

    name: str
    unit: str
    estimate: Callable[[Side, float], Estimate]
    """Of a side, with an interval of so many standard errors."""
    is_share: bool = False


def _per_session(name: str) -> Callable[[Side, float], Estimate]:
    def estimate(side: Side, z: float) -> Estimate:
        told = side.sessions
        if not told or not told[f"{name}_n"]:
            return mean(0, 0.0, 0.0)
        return mean(int(told[f"{name}_n"]), told[f"{name}_sum"], told[f"{name}_squares"], z)

    return estimate


def _looping(side: Side, z: float) -> Estimate:
    return share(int(side.sessions.get("looping", 0)), int(side.sessions.get("n", 0)), z)


ERRORS: Final = Measure(
    "error_rate", "share of calls", lambda side, z: share(side.errors, side.calls, z), is_share=True
)
CALLS: Final = (
    ERRORS,
    Measure("p50", "s", lambda side, z: quantile_s(side.histogram, 0.5, z)),
    Measure("p95", "s", lambda side, z: quantile_s(side.histogram, 0.95, z)),
)
"""Of one series: over several, a quantile would tell their mixture."""
SESSIONS: Final = (
    Measure("tokens_per_session", "tokens", _per_session("tokens")),
    Measure("cost_per_session", "USD", _per_session("cost")),
    Measure("turns_per_session", "turns", _per_session("turns")),
    Measure("looping_sessions", "share of sessions", _looping, is_share=True),
)
ORDER: Final[tuple[Verdict, ...]] = ("worse", "better", "insufficient data", "same")
"""Which verdict is told first."""


def compared(measures: Iterable[Measure], before: Side, after: Side, z: float = Z) -> list[dict[str, Any]]:
    """Each measure that either side has, with intervals of `z` standard errors."""
    rows = []
    for measure in measures:
        first, second = measure.estimate(before, z), measure.estimate(after, z)
        if not first.n and not second.n:
            continue
        change = (difference if measure.is_share else ratio)(first, second)
        same = SAME_SHARE if measure.is_share else SAME_RATIO
        rows.append(
            {
                "measure": measure.name,
                "unit": measure.unit,
                "before": rounded(first.value),
                "after": rounded(second.value),
                "n": [first.n, second.n],
                "difference" if measure.is_share else "ratio": rounded(change.size),
                "interval": [rounded(change.low), rounded(change.high)],
                "verdict": verdict(first, second, change, same),
            }
        )
    return rows


def overall(verdicts: Sequence[str]) -> Verdict:
    """One word for several measures: worse where any is; better where one is and none is worse."""
    if "worse" in verdicts:
        return "worse"
    if "better" in verdicts:
        return "better"
    return "same" if verdicts and set(verdicts) == {"same"} else "insufficient data"


def rounded(number: float) -> float | None:
    """Four digits that count; None where it is not finite."""
    return float(f"{number:.4g}") if math.isfinite(number) else None
