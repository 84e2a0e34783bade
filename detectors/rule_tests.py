"""The tests inside rules: short scripts of events, played through the rule's own detector.

Loops: a table is one call, or several equal ones.

    {tool = "bash", arguments = "node x", result = "boom", failed = true, times = 4}
    {prompt = true}            a user prompt
    {verdict = "loop_type"}    the agent's own guard speaks
    {wait_minutes = 20}        nothing happens

`#` in `arguments` or `result` stands for the call's number, so that it differs each time; `hidden = "size"` or
`"name"` lets only that much of the result be known, `arguments_hidden` likewise; `agent` and `round` as in the facts.

Services: as loops, and `session` says whose call it is.

Series: a table is a stretch of minutes.

    {minutes = 60, per_minute = 20, median_ms = 200, failing = 0.02, version = "1"}

and `tokens` or `cost_usd` (medians of a call), `prompt = "plan@2"`, `model = "m-2"`, `agent = "reviewer"`, and
`sessions`: calls come from so many (otherwise each from its own).

`expect = {severity = "none"}` or `{severity = "warning", status = "open", count = 4, confidence = "full"}`: the highest
severity reached, and of the last revision of the first finding what is named.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from statistics import NormalDist
from typing import Any, Final

from detectors.catalog import (
    SERVICE_DETECTORS,
    SESSION_DETECTORS,
    service_detector,
    session_detector,
    slice_detector,
)
from detectors.contract import Detector
from detectors.loops.policies import ToolPolicies
from detectors.retries.attempts import attempt_of
from detectors.rules import Rule, RuleTest
from schemas.errors import RuleError
from schemas.facts import Attempt, Exemplar, Marker, ModelCall, SessionFact, Slice, ToolCall
from schemas.finding import SEVERITIES, Finding
from schemas.histogram import bucket

START_NS: Final = 1_700_000_040_000_000_000
SECOND_NS: Final = 1_000_000_000
MINUTE_NS: Final = 60 * SECOND_NS
MAX_EVENTS: Final = 10_000
SIGMA: Final = 0.5
"""Of the log of a generated latency."""

_LOOP_KEYS: Final = frozenset(
    ("tool", "arguments", "result", "failed", "times", "prompt", "verdict", "wait_minutes", "hidden",
     "arguments_hidden", "agent", "round", "session")
)  # fmt: skip
_MARKS: Final = ("prompt", "model", "agent")
_SERIES_KEYS: Final = frozenset(
    [
        "minutes",
        "per_minute",
        "median_ms",
        "failing",
        "version",
        "error_type",
        "tokens",
        "cost_usd",
        "sessions",
        *_MARKS,
    ]
)
_EXPECT_KEYS: Final = frozenset(["severity", "status", "count", "confidence", "version", "reason", "coincides"])


@dataclass(frozen=True, slots=True)
class RuleTestResult:
    """How one test ended."""

    rule: str
    test: str
    passed: bool
    message: str
    """What was expected and what came; "" when it passed."""


def run_rule_tests(rule: Rule, policies: ToolPolicies) -> tuple[RuleTestResult, ...]:
    """Run all tests of a rule, in order.

    Raises:
        RuleError: a script or an expectation is not one.
    """
    return tuple(_run(rule, test, policies) for test in rule.tests)


def _run(rule: Rule, test: RuleTest, policies: ToolPolicies) -> RuleTestResult:
    where = f"{rule.file}: tests {test.name!r}"
    _check(test.expect, _EXPECT_KEYS, f"{where}.expect")
    if rule.detector in SESSION_DETECTORS:
        found = _play(session_detector(rule, policies), _session(test, where), 0)
    elif rule.detector in SERVICE_DETECTORS:
        found = _play(service_detector(rule, policies), _attempts(_session(test, where)), 0)
    else:
        found = _play(slice_detector(rule), _slices(test, where), 90 * SECOND_NS)
    wrong = _compare(test.expect, found)
    return RuleTestResult(rule.name, test.name, not wrong, wrong)


def _play(
    detector: Detector[Any, Any], events: Iterator[SessionFact | Attempt | Slice | int], late_ns: int
) -> list[Finding]:
    """Fold events; a bare number is a watermark, and each minute of slices is followed by its own."""
    state = detector.initial()
    found: list[Finding] = []
    for event in events:
        if isinstance(event, int):
            state, new = detector.advance(state, event)
        else:
            state, new = detector.observe(state, event)
        found += new
        if late_ns and isinstance(event, Slice):
            state, new = detector.advance(state, event.minute_unix_s * SECOND_NS + late_ns)
            found += new
    return found


def _compare(expect: Mapping[str, Any], found: list[Finding]) -> str:
    highest = max((SEVERITIES.index(f.severity) for f in found), default=-1)
    severity = SEVERITIES[highest] if highest >= 0 else "none"
    wanted = expect.get("severity", severity)
    if severity != wanted:
        return f"severity: expected {wanted}, came {severity}"
    last = {f.id: f for f in found}
    first = next(iter(last.values()), None)
    for key in sorted(set(expect) - {"severity"}):
        came = getattr(first, key, None)
        if key == "coincides":
            came = list(first.change.coincides) if first is not None and first.change is not None else []
        if came != expect[key]:
            return f"{key}: expected {expect[key]!r}, came {came!r}"
    return ""


def _check(table: Mapping[str, Any], keys: frozenset[str], where: str) -> None:
    unknown = set(table) - keys
    if unknown:
        raise RuleError(f"{where}.{min(unknown)}: not known; known are {', '.join(sorted(keys))}")


def _session(test: RuleTest, where: str) -> Iterator[SessionFact | int]:
    now, number = START_NS, 0
    for index, event in enumerate(test.events):
        _check(event, _LOOP_KEYS, f"{where}.events[{index}]")
        if "wait_minutes" in event:
            now += _number(event, "wait_minutes", 0, where) * MINUTE_NS
            yield now
        elif "prompt" in event or "verdict" in event:
            now += SECOND_NS
            kind = "verdict" if "verdict" in event else "prompt"
            yield Marker(
                "session", "", str(event.get("agent", "")), kind, str(event.get("verdict", "")), 1, now, "test", "log",
                "agent", "1", "", f"marker{index}", "", -1,
            )  # fmt: skip
        else:
            for _ in range(_number(event, "times", 1, where)):
                number += 1
                if "round" not in event:
                    now += 2 * SECOND_NS
                    yield _model_call(number, now - SECOND_NS, str(event.get("agent", "")))
                yield _tool_call(event, number, now)


def _attempts(events: Iterator[SessionFact | int]) -> Iterator[Attempt | int]:
    """The tool calls as attempts, in the order in which they end."""
    for event in events:
        if isinstance(event, int):
            yield event
        elif isinstance(event, ToolCall) and (one := attempt_of(event)) is not None:
            yield one


def _model_call(number: int, start: int, agent: str) -> ModelCall:
    return ModelCall(
        "session", "", agent, "", f"model{number}", "", "model", "model", 1000, 50, -1, -1, math.nan, math.nan, (),
        "ok", "", start, SECOND_NS // 2, "test", "span", "agent", "1", "trace", f"model{number}", "", "", "", -1,
    )  # fmt: skip


def _tool_call(event: Mapping[str, Any], number: int, start: int) -> ToolCall:
    arguments = str(event.get("arguments", "")).replace("#", str(number))
    result = str(event.get("result", "")).replace("#", str(number))
    failed = bool(event.get("failed", False))
    shown, hidden = event.get("hidden", "full"), event.get("arguments_hidden", "full")
    return ToolCall(
        str(event.get("session", "session")), "", str(event.get("agent", "")), str(event.get("round", "")),
        f"call{number}", str(event.get("tool", "tool")), _signature(arguments, hidden), hidden,
        _signature(result, shown), shown,
        arguments if hidden == "full" else "", result if shown == "full" else "", "error" if failed else "ok",
        "Error" if failed else "", start, SECOND_NS // 4, "test", "span", "agent", "1", "trace", f"span{number}", "",
        "", "", -1,
    )  # fmt: skip


def _signature(text: str, strength: str) -> str:
    if strength == "name":
        return ""
    known = str(len(text)) if strength == "size" else text
    return blake2b(known.encode(), digest_size=16).hexdigest()


def _slices(test: RuleTest, where: str) -> Iterator[Slice]:
    minute = START_NS // MINUTE_NS
    carried = 0.0
    for index, event in enumerate(test.events):
        _check(event, _SERIES_KEYS, f"{where}.events[{index}]")
        for _ in range(_number(event, "minutes", 1, where)):
            count = _number(event, "per_minute", 10, where)
            carried += count * float(event.get("failing", 0.0))
            errors = min(count, int(carried))
            carried -= errors
            if count:
                yield _minute(event, minute, count, errors)
            minute += 1


def _minute(event: Mapping[str, Any], minute: int, count: int, errors: int) -> Slice:
    good = count - errors
    durations = _drawn(float(event.get("median_ms", 200)) * 1e6, good, minute)
    histogram = _histogram(durations)
    kind = str(event.get("error_type", "timeout"))
    shown = tuple(
        Exemplar(f"trace{minute}", f"span{i}", minute * MINUTE_NS, d, "ok") for i, d in enumerate(durations[-3:])
    )
    failed = tuple(
        Exemplar(f"trace{minute}", f"failed{i}", minute * MINUTE_NS, -1, "error") for i in range(min(3, errors))
    )
    among = _number(event, "sessions", 0, "sessions")
    numbers = range(count) if not among else [i % among - minute * 1000 for i in range(count)]
    hashes = [(minute * 1000 + i) * 2654435761 % 2**32 for i in numbers]
    tokens, cost = float(event.get("tokens", 0)), float(event.get("cost_usd", 0)) * 1e9
    numbers_of_all = [count, errors, good, sum(i * n for i, n in histogram.items())]
    return Slice(
        "service", "execute_tool", "tool", str(event.get("version", "1")), minute * 60, count, errors, sum(durations),
        histogram, {kind: errors} if errors else {}, count, 0, 0.0, (*shown, *failed), tuple(sorted(set(hashes))[:16]),
        tuple(sorted(set(hashes[:errors]))[:16]), _histogram(_drawn(tokens, count, minute)) if tokens else {},
        _histogram(_drawn(cost, count, minute)) if cost else {},
        {f"{mark}={event[mark]}": numbers_of_all for mark in _MARKS if mark in event},
    )  # fmt: skip


def _drawn(median: float, count: int, minute: int) -> list[int]:
    """Evenly spaced quantiles of a log-normal, shifted a little from minute to minute."""
    normal, shift = NormalDist(0, SIGMA), (minute * 0.618034) % 1.0
    return [int(median * math.exp(normal.inv_cdf((i + 0.25 + shift / 2) / count))) for i in range(count)]


def _histogram(values: list[int]) -> dict[int, int]:
    histogram: dict[int, int] = {}
    for value in values:
        histogram[bucket(value)] = histogram.get(bucket(value), 0) + 1
    return histogram


def _number(event: Mapping[str, Any], key: str, default: int, where: str) -> int:
    value = event.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_EVENTS:
        raise RuleError(f"{where}: {key}: must be a whole number up to {MAX_EVENTS}")
    return value
