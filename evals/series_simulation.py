"""What the series detectors reach on simulated series: false alerts per series-day, and delay in spans.

    python -m evals.series_simulation [--days 40] [--seeds 20]

Seeded, so the same command prints the same table. Latencies are log-normal with sigma 1 or Pareto with shape 2.5; in
`sessions` scenarios 20 spans of a session share a random effect (sd 0.4 in log latency, and an error share of their
own), in `season` scenarios the median swings by 30 % over the day. Slices arrive one a minute; minutes close by the
watermark as they do live.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from detectors.series.detector import SeriesDetector
from detectors.series.measures import Errors, Latency
from detectors.series.parameters import ErrorParameters, LatencyParameters
from schemas.facts import Slice
from schemas.finding import Finding

DAY_MINUTES = 1440
SESSION_SPANS = 20
Rng = np.random.Generator


@dataclass(frozen=True)
class Scenario:
    """How a healthy series behaves."""

    name: str
    pareto: bool = False
    sessions: bool = False
    season: float = 0.0
    error_share: float = 0.02


SCENARIOS = (
    Scenario("log-normal"),
    Scenario("Pareto", pareto=True),
    Scenario("sessions", sessions=True),
    Scenario("season 30 %", season=0.3),
    Scenario("sessions, season", sessions=True, season=0.3),
)


class Series:
    """Generates one slice a minute."""

    def __init__(self, scenario: Scenario, rate: float, seed: int) -> None:
        self._scenario = scenario
        self._rate = rate
        self._rng = np.random.default_rng(seed)
        self._session = 0
        self._left = 0
        self._open: list[tuple[int, float, float]] = []

    def slice(self, minute: int, slower: float = 1.0, error_share: float | None = None) -> Slice | None:
        """The minute's slice, None when nothing happened in it."""
        rng, scenario = self._rng, self._scenario
        n = int(rng.poisson(self._rate))
        if n == 0:
            return None
        base = rng.pareto(2.5, n) + 1 if scenario.pareto else rng.lognormal(0, 1, n)
        median = 0.2e9 * slower * (1 + scenario.season * math.sin(2 * math.pi * minute / DAY_MINUTES))
        risk = np.full(n, scenario.error_share if error_share is None else error_share)
        groups = np.arange(minute * 1000, minute * 1000 + n)
        if scenario.sessions:
            drawn = [self._member(rng) for _ in range(n)]
            groups = np.array([d[0] for d in drawn])
            base = base * np.exp([d[1] for d in drawn])
            risk = np.minimum(1.0, risk * np.array([d[2] for d in drawn]))
        failed = rng.random(n) < risk
        return _slice(minute, base * median, failed, groups)

    def _member(self, rng: Rng) -> tuple[int, float, float]:
        """A span's session: a handful run at a time, each with an effect of its own."""
        width = max(2, int(self._rate))
        if len(self._open) < width:
            self._session += 1
            self._open.append((self._session, rng.normal(0, 0.4), rng.choice([0.3, 0.5, 3.2], p=[0.4, 0.35, 0.25])))
        at = int(rng.integers(len(self._open)))
        one = self._open[at]
        if rng.random() < 1 / SESSION_SPANS:
            del self._open[at]
        return one


def _slice(minute: int, durations: np.ndarray, failed: np.ndarray, groups: np.ndarray) -> Slice:
    good = durations[~failed]
    places, numbers = np.unique(np.minimum(1008, (np.log2(np.maximum(good, 1)) * 16).astype(int)), return_counts=True)
    histogram = dict(zip(places.tolist(), numbers.tolist(), strict=True))
    errors = int(failed.sum())
    hashes = sorted({int(g) * 2654435761 % 2**32 for g in groups.tolist()})[:16]
    return Slice(
        "svc", "execute_tool", "tool", "1", minute * 60, len(failed), errors, int(good.sum()), histogram,
        {"timeout": errors} if errors else {}, len(hashes), 0, 0.0, (), tuple(hashes),
    )  # fmt: skip


def latency() -> SeriesDetector:
    """The shipped latency rule."""
    return SeriesDetector("latency_regression", "latency_regression", LatencyParameters(), Latency(LatencyParameters()))


def errors() -> SeriesDetector:
    """The shipped error rule."""
    return SeriesDetector("error_spike", "error_spike", ErrorParameters(), Errors(ErrorParameters()))


def step(detector: SeriesDetector, state: object, part: Slice | None, minute: int) -> list[Finding]:
    """One minute: its slice, then the watermark."""
    found: list[Finding] = []
    if part is not None:
        found += detector.observe(state, part).findings  # type: ignore[arg-type]  # the state the detector made
    found += detector.advance(state, (minute * 60 + 85) * 10**9).findings  # type: ignore[arg-type]
    return found


def false_alerts(make: Callable[[], SeriesDetector], scenario: Scenario, rate: float, days: int) -> int:
    """Alerts (warning or critical) opened on healthy series, over so many series-days; a series lives five days."""
    alerts = 0
    for seed in range(max(1, days // 5)):
        detector, series = make(), Series(scenario, rate, seed)
        state = detector.initial()
        for minute in range(5 * DAY_MINUTES):
            found = step(detector, state, series.slice(minute), minute)
            alerts += sum(1 for f in found if f.status == "open" and f.severity != "suspect")
    return alerts


class Change(NamedTuple):
    """What becomes of a series, and which rule must say so."""

    name: str
    make: Callable[[], SeriesDetector]
    slower: float = 1.0
    error_share: float | None = None


def delays(change: Change, rate: float, seeds: int, past: int = 3000) -> list[int]:
    """Spans from the change to its finding, for each seed that found it."""
    found_after: list[int] = []
    for seed in range(seeds):
        detector, series = change.make(), Series(SCENARIOS[0], rate, 1000 + seed)
        state = detector.initial()
        start, spans = int(past / rate), 0
        for minute in range(start + int(8000 / rate) + 10):
            part = series.slice(minute) if minute < start else series.slice(minute, change.slower, change.error_share)
            spans += part.count if part is not None and minute >= start else 0
            found = step(detector, state, part, minute)
            if minute >= start and any(f.status == "open" for f in found):
                found_after.append(spans)
                break
    return sorted(found_after)


def blips(make: Callable[[], SeriesDetector], rate: float, seeds: int) -> tuple[int, int, int]:
    """Five minutes three times as slow and failing: how many were told, how many stay open an hour later."""
    told = stuck = 0
    for seed in range(seeds):
        detector, series = make(), Series(SCENARIOS[0], rate, 2000 + seed)
        state = detector.initial()
        start, last = int(max(120, 3000 / rate)), "none"
        for minute in range(start + 65):
            inside = start <= minute < start + 5
            part = series.slice(minute, 3.0, 0.5) if inside else series.slice(minute)
            for finding in step(detector, state, part, minute):
                last = finding.status
        told += last != "none"
        stuck += last in {"open", "updated"}
    return told, stuck, seeds


CHANGES = (
    *(Change(f"latency x{factor:g}", latency, slower=factor) for factor in (1.2, 1.5, 2.0, 3.0)),
    Change("errors 2 % -> 10 %", errors, error_share=0.1),
    Change("errors 2 % -> 20 %", errors, error_share=0.2),
)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=40, help="series-days for each cell of false alerts")
    parser.add_argument("--seeds", type=int, default=20, help="series for each cell of delays")
    parser.add_argument("--rates", default="0.5,10,60", help="spans a minute")
    options = parser.parse_args()
    rates = [float(r) for r in options.rates.split(",")]
    print(f"## False alerts in {options.days} series-days (target: {options.days * 0.01:g})\n")
    print("| scenario | rule |", " | ".join(f"{r:g}/min" for r in rates), "|\n|---|---|" + "---|" * len(rates))
    for scenario in SCENARIOS:
        for name, make in (("latency", latency), ("errors", errors)):
            cells = [str(false_alerts(make, scenario, rate, options.days)) for rate in rates]
            print(f"| {scenario.name} | {name} |", " | ".join(cells), "|", flush=True)
    print("\n## Delay in spans, median (p90), found of all; past of 3,000 spans\n")
    print("| change |", " | ".join(f"{r:g}/min" for r in rates), "|\n|---|" + "---|" * len(rates))
    for change in CHANGES:
        row = []
        for rate in rates:
            spans = delays(change, rate, options.seeds)
            middle = f"{np.median(spans):.0f} ({np.percentile(spans, 90):.0f})" if spans else "none"
            row.append(f"{middle}, {len(spans)}/{options.seeds}")
        print(f"| {change.name} |", " | ".join(row), "|", flush=True)
    print("\n## Five-minute blips: told, still open an hour later, of all\n")
    for name, make in (("latency", latency), ("errors", errors)):
        for rate in rates:
            told, stuck, total = blips(make, rate, options.seeds)
            print(f"{name} at {rate:g}/min: told {told}, still open {stuck}, of {total}", flush=True)


if __name__ == "__main__":
    main()
