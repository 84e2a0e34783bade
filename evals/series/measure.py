"""One series simulated and judged by everybody: what a cell of the table is made of."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from importlib import resources
from typing import Final

from detectors.rules import Rule, load_rules
from evals.series.contenders import KINDS, PUBLISHED, Alert, Contender, Null, Oracle, Ours
from evals.series.worlds import DAY_MINUTES, WORLDS, Change, World, simulate

OURS: Final = "Telltale"
NULL: Final = "null"
ORACLE: Final = "oracle"
LIMIT_SPANS: Final = 6000
"""After so many spans a change counts as missed; and after 12 hours at least."""
BLIP_MINUTES: Final = 5

BY_NAME: Final = {world.name: world for world in WORLDS}


def rules() -> dict[str, Rule]:
    """The shipped rules by the kind of what they find."""
    folder = resources.files("detectors") / "rules"
    files = {one.name: one.read_text(encoding="utf-8") for one in folder.iterdir() if one.name.endswith(".toml")}
    return {rule.kind: rule for rule in load_rules(files).rules}


def make(who: str, kind: str, change: Change) -> Contender:
    """A contender, fresh."""
    if who == OURS:
        return Ours(rules()[kind])
    if who == ORACLE:
        return Oracle(change)
    return Null() if who == NULL else PUBLISHED[who](kind)


@dataclass(frozen=True, slots=True)
class Healthy:
    """A series in which nothing happens."""

    world: str
    rate: float
    days: int
    seed: int
    who: tuple[str, ...] = (OURS,)
    kinds: tuple[str, ...] = KINDS
    """What is judged: latency and errors of calls, or what calls of a model spend."""

    def run(self) -> dict[str, int]:
        """(contender/kind) -> alerts that it opened."""
        judges = {f"{who}/{kind}": make(who, kind, Change(kind=kind)) for who in self.who for kind in self.kinds}
        alerts = dict.fromkeys(judges, 0)
        nothing = Change(kind=self.kinds[0])
        series = simulate(BY_NAME[self.world], self.rate, self.days * DAY_MINUTES, self.seed, nothing)
        for minute, slices in enumerate(series):
            for name, judge in judges.items():
                alerts[name] += sum(not alert.resolved for alert in judge.minute(minute, slices))
        return alerts


@dataclass(frozen=True, slots=True)
class Found:
    """How one change fared with one contender."""

    spans: float = math.inf
    """From the change to the alert, inf = missed."""
    minutes: float = math.inf
    early: bool = False
    """It had spoken before: this says nothing of its delay."""
    version: str = ""
    still_open: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """A series in which one thing happens, after a past of so many spans and minutes at least."""

    change: Change
    rate: float
    seed: int
    world: str = "log-normal"
    past_spans: int = 3000
    past_minutes: int = 180
    who: tuple[str, ...] = (OURS,)

    def run(self) -> dict[str, Found]:
        """Contender -> how it fared."""
        start = max(self.past_minutes, math.ceil(self.past_spans / self.rate))
        blip = self.change.end < 10**9
        change = dataclasses.replace(self.change, start=start, end=start + BLIP_MINUTES if blip else 10**9)
        after = 90 if blip else max(720, math.ceil(LIMIT_SPANS / self.rate))
        judges = {who: make(who, change.kind, change) for who in self.who}
        found = dict.fromkeys(judges, Found())
        spans = 0
        for minute, slices in enumerate(simulate(self._world(), self.rate, start + after, self.seed, change)):
            for who, judge in judges.items():
                for alert in judge.minute(minute, slices):
                    seen = sum(s.count for s in slices if s.second < alert.second)
                    found[who] = _told(found[who], alert, (minute - start, spans + seen))
            spans += sum(s.count for s in slices) if minute >= start else 0
            if not blip and minute >= start and all(one.spans < math.inf for one in found.values()):
                break
        return found

    def _world(self) -> World:
        return BY_NAME[self.world]


def _told(before: Found, alert: Alert, at: tuple[int, int]) -> Found:
    """What is known after an alert, `at` minutes and spans after the change."""
    minutes, spans = at
    if alert.resolved:
        return dataclasses.replace(before, still_open=False)
    if minutes < 0:
        return dataclasses.replace(before, early=True, still_open=True)
    if before.spans < math.inf:
        return dataclasses.replace(before, still_open=True)
    return Found(spans, minutes + alert.second / 60, before.early, alert.version, True)
