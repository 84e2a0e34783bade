"""What is simulated for the table, small and full, and the targets it is held against."""

from __future__ import annotations

from typing import Final

from evals.series.contenders import PUBLISHED
from evals.series.measure import NULL, ORACLE, OURS, Changed, Healthy
from evals.series.replayed import CASES, Replayed
from evals.series.worlds import SPENDING, WORLDS, Change

RATES: Final = (0.5, 2.0, 10.0, 60.0, 600.0)
"""Spans a minute."""
ALL: Final = (OURS, NULL, ORACLE, *PUBLISHED)

TARGET_FALSE: Final = 0.01
"""Alerts per series-day."""
TARGETS: Final[dict[str, int]] = {
    "latency x1.2": 1700,
    "latency x1.5": 350,
    "latency x2": 120,
    "latency x3": 60,
    "errors 2 % to 10 %": 300,
    "errors 2 % to 20 %": 100,
    "tokens x1.5": 350,
    "tokens x2": 120,
    "cost x1.5": 350,
    "cost x2": 120,
}
"""Change -> spans within which it is to be found."""

HALF_A_MINUTE: Final = (
    "what has lasted for less than half a minute may be a stall, and half a minute holds no fewer spans"
)
_SURER: Final = "14 nats of evidence are wanted, not 11: the work that agents are given changes with the hour"
WHY_MISSED: Final[dict[str, str]] = {
    "latency x1.2": (
        "on its first day a series may have a season of which nothing is known yet; 12 % an hour are left to it, so "
        "20 % are told within the first hour or so, or not before the next day"
    ),
    "latency x1.5": "few sessions prove less than many calls would",
    "latency x2": "few sessions prove less than many calls would",
    "latency x3": "few sessions prove less than many calls would",
    "errors 2 % to 10 %": "five sessions in which something failed must be seen, and evidence counts sessions",
    "errors 2 % to 20 %": "five sessions in which something failed must be seen, and evidence counts sessions",
    "tokens x1.5": _SURER,
    "tokens x2": _SURER,
    "cost x1.5": _SURER,
    "cost x2": _SURER,
}
"""Change -> what limits it where its target is missed at a rate at which half a minute would be soon enough."""

CHANGES: Final = (
    Change("latency x1.2", slower=1.2, deploy=True),
    Change("latency x1.5", slower=1.5, deploy=True),
    Change("latency x2", slower=2.0, deploy=True),
    Change("latency x3", slower=3.0, deploy=True),
    Change("errors 2 % to 10 %", kind="error_spike", error_share=0.1, deploy=True),
    Change("errors 2 % to 20 %", kind="error_spike", error_share=0.2, deploy=True),
)
SPENT: Final = (
    Change("tokens x1.5", kind="token_surge", slower=1.5, deploy=True),
    Change("tokens x2", kind="token_surge", slower=2.0, deploy=True),
    Change("cost x1.5", kind="cost_surge", slower=1.5, deploy=True),
    Change("cost x2", kind="cost_surge", slower=2.0, deploy=True),
)
"""What calls of a model spend grows, by the same sizes and held against the same numbers as latency."""
BLIPS: Final = (
    Change("five minutes x3", slower=3.0, end=0),
    Change("five minutes with 50 % errors", kind="error_spike", error_share=0.5, end=0),
)
CANARY: Final = Change("canary of 10 %, x2", slower=2.0, canary=0.1, deploy=True)


def healthy(full: bool) -> list[Healthy]:
    """Series in which nothing happens: ours for long, the published rules for two days of each world."""
    seeds, days = (2, 9) if full else (1, 2)
    rates = RATES if full else (2.0, 10.0, 60.0)
    tasks = [Healthy(w.name, rate, days, seed) for rate in reversed(rates) for seed in range(seeds) for w in WORLDS]
    if full:
        others = (NULL, *PUBLISHED)
        tasks += [Healthy(w.name, rate, 2, 100, others) for w in WORLDS for rate in (0.5, 10.0, 60.0)]
    spending = (2.0, 10.0, 60.0) if full else (10.0,)
    tasks += [Healthy(w.name, rate, 2, 200, kinds=SPENDING) for w in WORLDS for rate in spending]
    return tasks


def changed(full: bool) -> list[Changed]:
    """Series in which one thing happens: at once after 3,000 spans, and after three days."""
    seeds = 20 if full else 6
    rates = RATES if full else (10.0, 60.0)
    tasks = [Changed(c, rate, 1000 + s) for c in CHANGES for rate in rates for s in range(seeds)]
    tasks += [Changed(c, rate, 7000 + s) for c in SPENT for rate in (10.0, 60.0) for s in range(min(seeds, 10))]
    if full:
        bare = [Change(c.name, c.kind, slower=c.slower, error_share=c.error_share) for c in CHANGES]
        tasks += [Changed(c, rate, 2000 + s) for c in bare for rate in (10.0, 60.0) for s in range(seeds)]
        tasks += [
            Changed(c, 10.0, 3000 + s, world, past_minutes=3 * 1440)
            for c in bare
            for world in ("log-normal", "daily season 30 %", "sessions")
            for s in range(10)
        ]
        tasks += [Changed(c, 10.0, 4000 + s, who=ALL[1:]) for c in bare for s in range(10)]
        tasks += [Changed(CANARY, rate, 5000 + s) for rate in (60.0, 600.0) for s in range(seeds)]
    return tasks


def blips(full: bool) -> list[Changed]:
    """Five bad minutes."""
    seeds, rates = (20, RATES) if full else (6, (10.0, 60.0))
    return [Changed(c, rate, 6000 + s) for c in BLIPS for rate in rates for s in range(seeds)]


def replayed(full: bool) -> list[Replayed]:
    """Recordings through the whole pipe."""
    return [Replayed(case, seed) for case in CASES for seed in range(10 if full else 1)]


def turn(task: Healthy | Changed | Replayed) -> tuple[int, float]:
    """Which tasks come first where time is short: half the seeds of each row, healthy days, the other seeds."""
    if isinstance(task, Healthy):
        return 1, task.rate * task.days
    seed = task.seed % 1000
    return (0 if seed < 10 else 2), seed
