"""The detectors that there are, and how rules become them. Nothing is discovered by import: this is the list."""

from __future__ import annotations

import dataclasses
from typing import Any, Final, Generic, NamedTuple, TypeVar

from detectors.contract import Detector, Step
from detectors.loops.detector import ToolCallLoop
from detectors.loops.policies import ToolPolicies
from detectors.retries.detector import RetriedFailure
from detectors.rules import Rule, RuleSet
from detectors.series.detector import SeriesDetector, Verdict
from detectors.series.measures import Errors, Magnitude, Measure, Quantity
from schemas.facts import Attempt, SessionFact, Slice
from schemas.finding import Finding

SESSION_DETECTORS: Final = ("tool_call_loop",)
"""Detectors that fold the facts of one session."""

SERVICE_DETECTORS: Final = ("retried_failure",)
"""Detectors that fold the attempts of one service."""

SLICE_DETECTORS: Final = ("cost_surge", "error_spike", "latency_regression", "token_surge")
"""Detectors that fold the slices of one series."""

S = TypeVar("S")
E_contra = TypeVar("E_contra", contravariant=True)


class Detectors(NamedTuple):
    """What runs: for each session, for each service, and for each series."""

    session: tuple[Detector[Any, SessionFact], ...]
    service: tuple[Detector[Any, Attempt], ...]
    slices: tuple[Detector[Any, Slice], ...]


def build(rules: RuleSet) -> Detectors:
    """The detectors of all rules that are enabled or in shadow, in order of the rules' names."""
    running = [rule for rule in rules.rules if rule.mode != "disabled"]
    return Detectors(
        session=tuple(session_detector(r, rules.policies) for r in running if r.detector in SESSION_DETECTORS),
        service=tuple(service_detector(r, rules.policies) for r in running if r.detector in SERVICE_DETECTORS),
        slices=tuple(slice_detector(r) for r in running if r.detector in SLICE_DETECTORS),
    )


def session_detector(rule: Rule, policies: ToolPolicies) -> Detector[Any, SessionFact]:
    """The detector of a rule over sessions."""
    loop = ToolCallLoop(rule.name, rule.parameters, policies)
    return Shadow(loop) if rule.mode == "shadow" else loop


def service_detector(rule: Rule, policies: ToolPolicies) -> Detector[Any, Attempt]:
    """The detector of a rule over services."""
    retried = RetriedFailure(rule.name, rule.parameters, policies)
    return Shadow(retried) if rule.mode == "shadow" else retried


def slice_detector(rule: Rule) -> Detector[Any, Slice]:
    """The detector of a rule over series."""
    one = SeriesDetector(rule.name, rule.kind, rule.parameters, _measure(rule.detector, rule.parameters))
    return Shadow(one) if rule.mode == "shadow" else one


def _measure(detector: str, p: Any) -> Measure:
    """What a detector of series measures; `p` are its parameters."""
    if detector == "error_spike":
        return Errors(p)
    quantities = {
        "latency_regression": lambda: Quantity(
            "histogram", "s", 1e9, p.min_ratio, p.min_increase_ms / 1e3, p.critical_ratio
        ),
        "token_surge": lambda: Quantity(
            "token_histogram", "tokens", 1.0, p.min_ratio, p.min_increase_tokens, p.critical_ratio
        ),
        "cost_surge": lambda: Quantity("cost_histogram", "USD", 1e9, p.min_ratio, p.min_increase_usd, p.critical_ratio),
    }
    return Magnitude(quantities[detector]())


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

    def concerns(self, state: S, call: str, session_id: str) -> bool:
        """As the rule itself; all does where it does not say."""
        told = getattr(self._inner, "concerns", None)
        return told is None or bool(told(state, call, session_id))

    def verdict(self, state: S) -> Verdict | None:
        """As the rule itself; None: it has none."""
        told = getattr(self._inner, "verdict", None)
        return told(state) if told is not None else None

    def encode(self, state: S) -> bytes:
        """As the rule itself."""
        return self._inner.encode(state)

    def decode(self, data: bytes) -> S:
        """As the rule itself."""
        return self._inner.decode(data)


def _quiet(step: Step[S]) -> Step[S]:
    found: list[Finding] = [dataclasses.replace(f, severity="suspect", shadow=True) for f in step.findings]
    return Step(step.state, tuple(found))
