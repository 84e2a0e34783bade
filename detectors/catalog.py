"""The detectors that there are, and how rules become them. Nothing is discovered by import: this is the list."""

from __future__ import annotations

import dataclasses
from typing import Any, Final, Generic, NamedTuple, TypeVar

from detectors.contract import Detector, Step
from detectors.loops.detector import ToolCallLoop
from detectors.loops.policies import ToolPolicies
from detectors.rules import Rule, RuleSet
from detectors.series.detector import SeriesDetector
from detectors.series.measures import Errors, Latency
from schemas.facts import SessionFact, Slice
from schemas.finding import Finding

SESSION_DETECTORS: Final = ("tool_call_loop",)
"""Detectors that fold the facts of one session."""

SLICE_DETECTORS: Final = ("error_spike", "latency_regression")
"""Detectors that fold the slices of one series."""

S = TypeVar("S")
E_contra = TypeVar("E_contra", contravariant=True)


class Detectors(NamedTuple):
    """What runs: for each session, and for each series."""

    session: tuple[Detector[Any, SessionFact], ...]
    slices: tuple[Detector[Any, Slice], ...]


def build(rules: RuleSet) -> Detectors:
    """The detectors of all rules that are enabled or in shadow, in order of the rules' names."""
    running = [rule for rule in rules.rules if rule.mode != "disabled"]
    return Detectors(
        session=tuple(session_detector(r, rules.policies) for r in running if r.detector in SESSION_DETECTORS),
        slices=tuple(slice_detector(r) for r in running if r.detector in SLICE_DETECTORS),
    )


def session_detector(rule: Rule, policies: ToolPolicies) -> Detector[Any, SessionFact]:
    """The detector of a rule over sessions."""
    loop = ToolCallLoop(rule.name, rule.parameters, policies)
    return Shadow(loop) if rule.mode == "shadow" else loop


def slice_detector(rule: Rule) -> Detector[Any, Slice]:
    """The detector of a rule over series."""
    parameters = rule.parameters
    if rule.detector == "latency_regression":
        one = SeriesDetector(rule.name, "latency_regression", parameters, Latency(parameters))
    else:
        one = SeriesDetector(rule.name, "error_spike", parameters, Errors(parameters))
    return Shadow(one) if rule.mode == "shadow" else one


class Shadow(Generic[S, E_contra]):
    """A rule on trial: its findings are recorded, and as `suspect` never alert."""

    def __init__(self, inner: Detector[S, E_contra]) -> None:
        self._inner = inner
        self.name = inner.name

    def initial(self) -> S:
        """The rule's own first state."""
        return self._inner.initial()

    def observe(self, state: S, event: E_contra) -> Step[S]:
        """As the rule itself, made quiet."""
        return _quiet(self._inner.observe(state, event))

    def advance(self, state: S, watermark_unix_nano: int) -> Step[S]:
        """As the rule itself, made quiet."""
        return _quiet(self._inner.advance(state, watermark_unix_nano))

    def due(self, state: S) -> int | None:
        """As the rule itself."""
        return self._inner.due(state)

    def encode(self, state: S) -> bytes:
        """As the rule itself."""
        return self._inner.encode(state)

    def decode(self, data: bytes) -> S:
        """As the rule itself."""
        return self._inner.decode(data)


def _quiet(step: Step[S]) -> Step[S]:
    found: list[Finding] = [dataclasses.replace(f, severity="suspect") for f in step.findings]
    return Step(step.state, tuple(found))
