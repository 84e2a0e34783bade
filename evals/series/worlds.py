"""Simulated series: how a healthy one behaves, and what becomes of it. Seeded: the same arguments, the same slices.

Sessions arrive as a Poisson process and spread their calls over some minutes (a Neyman-Scott process, so calls come
in bursts), each with an effect of its own on latency and on its risk to fail. A world without sessions gives each
call a session of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from schemas.facts import SLOT_S, Exemplar, Slice

SPENDING: Final = ("token_surge", "cost_surge")
"""Rules about model calls: tokens and cost of a call are drawn as latency is, so that the same worlds serve."""
MEDIAN_TOKENS: Final = 3000.0
TOKEN_NANO_USD: Final = 3000.0
"""Three US dollars a million."""
DAY_MINUTES: Final = 1440
WEEK_MINUTES: Final = 7 * DAY_MINUTES
MEDIAN_NS: Final = 0.4e9
STALL_SLOWER: Final = 4.0
Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class World:
    """How a healthy series behaves."""

    name: str
    tail: str = "log-normal"
    """`log-normal`: sigma as below; `pareto`: shape 2.5."""
    sigma: float = 1.0
    session_spans: int = 1
    """Calls of a session, on average."""
    session_sd: float = 0.5
    """Of a session's effect on the log of latency; its risk to fail varies alike."""
    session_minutes: float = 10.0
    season: float = 0.0
    """Amplitude of the median over the day (0.3 = 30 % up and down)."""
    weekend: float = 1.0
    """Factor of the median on two days of seven."""
    busy: float = 0.0
    """Amplitude of the rate over the day."""
    bursts: float = 0.0
    """Bursts a day: ten times the calls for five minutes."""
    drift: float = 0.0
    """Growth of the median a day (0.05 = 5 %)."""
    deploys: int = 0
    """Harmless deploys: every so many minutes a new version; 0 = never."""
    stalls: int = 0
    """Stalls a day: a slot of a quarter of a minute in which everything takes four times as long."""
    mix: bool = False
    """Two kinds of work, one three times as slow; the share of the slow one changes every few hours."""
    error_share: float = 0.02


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a series at a minute."""

    name: str = "none"
    kind: str = "latency_regression"
    """Which rule must say so; one of `SPENDING`: it is tokens or cost of a call that grow, by `slower`."""
    start: int = 10**9
    end: int = 10**9
    slower: float = 1.0
    error_share: float | None = None
    deploy: bool = False
    """Whether it comes with a new version."""
    canary: float = 1.0
    """Share of the calls that it strikes (those of the new version)."""
    ramp_minutes: int = 0
    """So long it takes to reach its size; 0 = at once."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Minutes that are drawn together."""

    first: int
    length: int
    rng: np.random.Generator
    slots: np.random.Generator
    """For what happens within a minute."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of a stretch, in order of minute."""

    minute: Ints
    slot: Ints
    """0 to 3: which quarter of the minute."""
    session: Ints
    effect: Floats
    """Of the session, in units of `session_sd`."""
    slow_kind: Floats
    """1 where the call is of the slow kind of work."""


class Drawn(NamedTuple):
    """Calls with all that was drawn for them."""

    version: Ints
    slot: Ints
    duration_ns: Floats
    bucket: Ints
    failed: Any
    session: Ints
    """Hashes."""
    slow_kind: Floats
    """1 where the call is of the slow kind, -1 everywhere where there is one kind only."""

    def part(self, rows: Any) -> Drawn:
        """Some of them."""
        return Drawn(*(column[rows] for column in self))

    def of(self, slot: int, version: int) -> Any:
        """Which are of a slot and a version."""
        return (self.slot == slot) & (self.version == version)


def simulate(world: World, rate: float, minutes: int, seed: int, change: Change = Change()) -> Iterator[list[Slice]]:
    """One list of slices for each minute: one slice for each slot and version seen in it."""
    for first in range(0, minutes, DAY_MINUTES):
        rngs = (np.random.default_rng([seed, first]), np.random.default_rng([seed, first, SLOT_S]))
        stretch = Stretch(first, min(DAY_MINUTES, minutes - first), *rngs)
        yield from _day(world, _calls(world, rate, stretch), stretch, change)


def _calls(world: World, rate: float, stretch: Stretch) -> Calls:
    first, length, rng = stretch.first, stretch.length, stretch.rng
    minutes = np.arange(first, first + length)
    expected = rate * (1 + world.busy * np.sin(2 * math.pi * minutes / DAY_MINUTES))
    for start in rng.integers(0, length, rng.poisson(world.bursts * length / DAY_MINUTES)):
        expected[start : start + 5] *= 10
    total = int(rng.poisson(expected.sum()))
    weight = expected / expected.sum()
    if world.session_spans <= 1:
        at = np.sort(rng.choice(minutes, size=total, p=weight))
        session = np.arange(total) + first * 10_000_000
        return Calls(at, _slots(stretch, total), session, np.zeros(total), _kinds(world, at, rng))
    sessions = max(1, round(total / world.session_spans))
    begin = rng.choice(minutes, size=sessions, p=weight).astype(float)
    lasts = world.session_minutes * (0.5 + 0.5 * rng.standard_exponential(sessions))
    effects = rng.standard_normal(sessions)
    of = rng.integers(0, sessions, total)
    at = np.minimum(first + length - 1, (begin[of] + rng.random(total) * lasts[of]).astype(np.int64))
    order = np.argsort(at, kind="stable")
    at, of = at[order], of[order]
    return Calls(at, _slots(stretch, total), of + first * 10_000_000, effects[of], _kinds(world, at, rng))


def _slots(stretch: Stretch, total: int) -> Ints:
    return stretch.slots.integers(0, 60 // SLOT_S, total)


def _stalled(world: World, calls: Calls, stretch: Stretch) -> Floats:
    """By what each call takes longer."""
    slots = 60 // SLOT_S
    begins = stretch.slots.integers(0, stretch.length * slots, world.stalls * stretch.length // DAY_MINUTES)
    return np.where(np.isin((calls.minute - stretch.first) * slots + calls.slot, begins), STALL_SLOWER, 1.0)


def _kinds(world: World, at: Ints, rng: np.random.Generator) -> Floats:
    """Which calls are of the slow kind: a share that is drawn anew every three hours."""
    if not world.mix:
        return np.zeros(len(at))
    shares = np.random.default_rng(7).uniform(0.05, 0.6, 4096)
    return (rng.random(len(at)) < shares[(at // 180) % 4096]).astype(float)


def _day(world: World, calls: Calls, stretch: Stretch, change: Change) -> Iterator[list[Slice]]:
    first, length, rng = stretch.first, stretch.length, stretch.rng
    at, n = calls.minute, len(calls.minute)
    base = rng.pareto(2.5, n) + 1 if world.tail == "pareto" else np.exp(world.sigma * rng.standard_normal(n))
    median = (
        MEDIAN_NS
        * (1 + world.season * np.sin(2 * math.pi * at / DAY_MINUTES))
        * (1 + world.drift) ** (at / DAY_MINUTES)
    )
    median = median * np.where((at % WEEK_MINUTES) >= 5 * DAY_MINUTES, world.weekend, 1.0) * 3**calls.slow_kind
    median = median * np.exp(world.session_sd * calls.effect) * _stalled(world, calls, stretch)
    risk = np.full(n, world.error_share)
    if world.session_spans > 1:
        # mean 1: some sessions do what fails far more often
        risk = np.minimum(1.0, risk * np.exp(calls.effect - 0.5))
    struck = (at >= change.start) & (at < change.end) & (rng.random(n) < change.canary)
    reached = np.clip((at - change.start) / change.ramp_minutes, 0, 1) if change.ramp_minutes else 1.0
    durations = base * median * np.where(struck, change.slower**reached, 1.0)
    if change.error_share is not None:
        risk = np.where(struck, change.error_share, risk)
    failed = rng.random(n) < risk
    versions = 1 + (at // world.deploys if world.deploys else np.zeros(n, np.int64))
    after = struck if change.canary < 1 else (at >= change.start)
    versions = versions + (1000 * after if change.deploy else 0)
    drawn = Drawn(
        versions, calls.slot, durations,
        np.minimum(1008, (np.log2(np.maximum(durations, 1.0)) * 16).astype(np.int64)), failed,
        (calls.session * 2654435761) % 2**32, calls.slow_kind if world.mix else np.full(n, -1.0),
    )  # fmt: skip
    starts = np.searchsorted(at, np.arange(first, first + length + 1))
    for minute in range(length):
        here = drawn.part(slice(starts[minute], starts[minute + 1]))
        make = _spending if change.kind in SPENDING else _slice
        yield [
            make(((first + minute) * 60, slot * SLOT_S), version, here.part(here.of(slot, version)))
            for slot, version in sorted({*zip(here.slot.tolist(), here.version.tolist(), strict=True)})
        ]


def _slice(at_s: tuple[int, int], version: int, calls: Drawn) -> Slice:
    """`at_s`: start of the minute, and of the slot within it."""
    failed, good = calls.failed, calls.bucket[~calls.failed]
    places, numbers = np.unique(good, return_counts=True)
    errors = int(failed.sum())
    distinct = np.unique(calls.session)
    begin = sum(at_s)
    at = begin * 10**9
    shown = [Exemplar(f"t{begin}", f"s{begin}", at, int(calls.duration_ns.max()), "ok")]
    if errors:
        shown.append(Exemplar(f"t{begin}", f"f{begin}", at, -1, "error"))
    return Slice(
        "service", "execute_tool", "tool", str(version), at_s[0], len(failed), errors,
        int(calls.duration_ns[~failed].sum()), dict(zip(places.tolist(), numbers.tolist(), strict=True)),
        {"timeout": errors} if errors else {}, len(distinct), 0, 0.0, tuple(shown), tuple(distinct[:16].tolist()),
        failed_hashes=tuple(np.unique(calls.session[failed])[:16].tolist()), marks=_marks(calls),
        second=at_s[1],
    )  # fmt: skip


def _spending(at_s: tuple[int, int], version: int, calls: Drawn) -> Slice:
    """The calls as those of a model: what they spend stands where their latency stood."""
    tokens = np.maximum(1.0, calls.duration_ns / MEDIAN_NS * MEDIAN_TOKENS)
    part = _slice(at_s, version, calls)
    return part._replace(
        operation="chat", name="model", tokens=int(tokens.sum()), cost_usd=float(tokens.sum() * TOKEN_NANO_USD / 1e9),
        histogram={}, token_histogram=_histogram(tokens), cost_histogram=_histogram(tokens * TOKEN_NANO_USD),
    )  # fmt: skip


def _histogram(values: Floats) -> dict[int, int]:
    places, numbers = np.unique((np.log2(values) * 16).astype(np.int64), return_counts=True)
    return dict(zip(places.tolist(), numbers.tolist(), strict=True))


def _marks(calls: Drawn) -> dict[str, list[int]]:
    """The kinds of work as agents, where there are two of them."""
    if calls.slow_kind[0] < 0:
        return {}
    marks = {}
    for agent, own in (("agent=quick", calls.slow_kind == 0), ("agent=thorough", calls.slow_kind == 1)):
        timed = own & ~calls.failed
        numbers = (own, own & calls.failed, timed)
        marks[agent] = [*(int(rows.sum()) for rows in numbers), int(calls.bucket[timed].sum())]
    return marks


_SESSIONS: Final = World("sessions", session_spans=20)
WORLDS: Final = (
    World("log-normal"),
    World("Pareto", tail="pareto"),
    _SESSIONS,
    World("long sessions", session_spans=60, session_sd=0.8, session_minutes=30),
    World("bursts", session_spans=20, bursts=6, busy=0.5),
    World("daily season 30 %", session_spans=10, session_sd=0.3, season=0.3, busy=0.5),
    World("daily season 50 %", season=0.5, busy=0.8),
    World("weekly season", session_spans=10, session_sd=0.3, season=0.2, weekend=0.8, busy=0.5),
    World("harmless deploys", session_spans=10, session_sd=0.3, deploys=240),
    World("deploys in a season", session_spans=10, session_sd=0.3, season=0.3, busy=0.5, deploys=240),
    World("mix shifts", mix=True),
    World("slow drift", session_spans=10, session_sd=0.3, drift=0.05),
    World("short stalls", stalls=24),
)
"""Healthy worlds: in none of them is there anything to tell."""
