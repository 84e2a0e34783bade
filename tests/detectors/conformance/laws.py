"""What every detector is put through: events of any kind, and one long healthy stream."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from detectors.catalog import build
from detectors.contract import Detector
from detectors.retries.attempts import attempt_of
from detectors.rules import load_rules
from schemas.facts import Attempt, Exemplar, Marker, ModelCall, SessionFact, Slice, ToolCall
from schemas.finding import Finding

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_040 * SECOND_NS
RULES = load_rules(
    {p.name: p.read_text(encoding="utf-8") for p in (Path(__file__).parents[3] / "detectors" / "rules").glob("*.toml")}
)
DETECTORS = build(RULES)
LOOP = DETECTORS.session[0]
RETRIED = DETECTORS.service[0]
COST, ERRORS, LATENCY, TOKENS = DETECTORS.slices


def tool_call(**given: Any) -> ToolCall:
    """A tool call; what is not given is usual."""
    fields: dict[str, Any] = {
        "session_id": "s", "turn_id": "", "agent_name": "", "round_id": "", "call_id": "", "tool_name": "bash",
        "arguments_signature": "a1", "arguments_strength": "full", "result_signature": "r1", "result_strength": "full",
        "arguments": "make test", "result": "the same result", "outcome": "ok", "error_type": "",
        "start_time_unix_nano": START_NS, "duration_ns": SECOND_NS // 4, "dialect": "genai", "signal": "span",
        "service_name": "coder", "service_version": "1", "trace_id": "t", "span_id": "", "parent_span_id": "",
        "prompt_name": "", "prompt_version": "", "event_sequence": -1,
    }  # fmt: skip
    return ToolCall(**{**fields, **given})


def numbered(count: int, **given: Any) -> list[ToolCall]:
    """Equal calls, two seconds apart, each with its own span."""
    at = given.pop("start", START_NS)
    name = given.pop("spans", "span")
    return [tool_call(start_time_unix_nano=at + i * 2 * SECOND_NS, span_id=f"{name}{i}", **given) for i in range(count)]


def marker(kind: str, at: int, **given: Any) -> Marker:
    """A marker of the main agent."""
    fields: dict[str, Any] = {
        "session_id": "s", "turn_id": "", "agent_name": "", "kind": kind, "detail": "", "count": -1,
        "start_time_unix_nano": at, "dialect": "genai", "signal": "log", "service_name": "coder",
        "service_version": "1",
        "trace_id": "t", "span_id": "", "parent_span_id": "", "event_sequence": -1,
    }  # fmt: skip
    return Marker(**{**fields, **given})


def model_call(at: int, **given: Any) -> ModelCall:
    """A model call of a thousand tokens in and fifty out."""
    fields: dict[str, Any] = {
        "session_id": "s", "turn_id": "", "agent_name": "", "round_id": "", "call_id": "", "provider_name": "",
        "request_model": "m", "response_model": "m", "input_tokens": 1000, "output_tokens": 50, "cache_read_tokens": -1,
        "cache_creation_tokens": -1, "cost_usd": math.nan, "temperature": math.nan, "finish_reasons": (),
        "outcome": "ok", "error_type": "", "start_time_unix_nano": at, "duration_ns": SECOND_NS, "dialect": "genai",
        "signal": "span", "service_name": "coder", "service_version": "1", "trace_id": "t", "span_id": f"m{at}",
        "parent_span_id": "", "prompt_name": "", "prompt_version": "", "event_sequence": -1,
    }  # fmt: skip
    return ModelCall(**{**fields, **given})


def minute_slice(minute: int, **given: Any) -> Slice:
    """Twenty observations of some 200 ms in one minute, from twenty sessions."""
    fields: dict[str, Any] = {
        "service_name": "coder", "operation": "execute_tool", "name": "bash", "service_version": "1",
        "minute_unix_s": START_NS // SECOND_NS + minute * 60, "count": 20, "errors": 0,
        "duration_sum_ns": 4 * SECOND_NS, "histogram": {439: 3, 440: 5, 441: 6, 442: 4, 443: 2}, "error_types": {},
        "sessions": 20, "tokens": 0, "cost_usd": 0.0,
        "exemplars": (Exemplar("t", "x", START_NS, 210_000_000, "ok"),),
        "session_hashes": tuple(range(minute * 20 + 1, minute * 20 + 17)),
    }  # fmt: skip
    return Slice(**{**fields, **given})


# Anything that telemetry may hold.

TEXT = st.one_of(st.sampled_from(["", "a", "b", "c"]), st.text(max_size=12))
TIME = st.one_of(
    st.integers(0, 200).map(lambda n: START_NS + n * SECOND_NS),
    st.sampled_from([0, -1, -(2**63), 2**63 - 1, 2**80, 1]),
)
NUMBER = st.sampled_from([-1, 0, 1, 20, 10**6, 2**63, 2**80])
FLOAT = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -1.0, 0.01, 1e300])
STRENGTH = st.sampled_from(["full", "truncated", "size", "name", "", "else"])
OUTCOME = st.sampled_from(["ok", "error", "denied", "unset", "", "else"])
TOOL = st.sampled_from(["bash", "Edit", "read", "TodoWrite", "BashOutput", "mcp__x__write_it", "final_answer", ""])

TOOL_CALLS = st.builds(
    tool_call, session_id=TEXT, agent_name=TEXT, round_id=st.sampled_from(["", "1", "2"]), call_id=TEXT, tool_name=TOOL,
    arguments_signature=TEXT, arguments_strength=STRENGTH, result_signature=TEXT, result_strength=STRENGTH,
    arguments=TEXT, result=TEXT, outcome=OUTCOME, error_type=TEXT, start_time_unix_nano=TIME, duration_ns=NUMBER,
    signal=st.sampled_from(["span", "log", "message"]), span_id=TEXT, event_sequence=NUMBER,
)  # fmt: skip
MODEL_CALLS = st.builds(
    model_call, at=TIME, agent_name=TEXT, call_id=TEXT, input_tokens=NUMBER, output_tokens=NUMBER, cost_usd=FLOAT,
    duration_ns=NUMBER, span_id=TEXT,
)  # fmt: skip
MARKERS = st.builds(
    marker, kind=st.sampled_from(["prompt", "end", "verdict", "else"]), at=TIME, agent_name=TEXT, detail=TEXT,
    count=NUMBER,
)  # fmt: skip
SESSION_FACTS: st.SearchStrategy[SessionFact] = st.one_of(TOOL_CALLS, TOOL_CALLS, MODEL_CALLS, MARKERS)

EXEMPLARS = st.lists(st.builds(Exemplar, TEXT, TEXT, TIME, NUMBER, OUTCOME), max_size=6).map(tuple)
SLICES = st.builds(
    minute_slice, minute=st.integers(0, 60), service_version=TEXT, count=NUMBER, errors=NUMBER,
    histogram=st.dictionaries(st.sampled_from([-5, 0, 440, 450, 500, 1008, 5000]), NUMBER, max_size=4),
    error_types=st.dictionaries(TEXT, NUMBER, max_size=3), cost_usd=FLOAT, tokens=NUMBER, exemplars=EXEMPLARS,
    session_hashes=st.lists(NUMBER, max_size=4).map(tuple),
    second=st.sampled_from([0, 15, 30, 45, 7, -1, 2**70]),
)  # fmt: skip
FAR_SLICES = st.one_of(SLICES, SLICES, SLICES.map(lambda s: s._replace(minute_unix_s=-(2**70))), SLICES.map(
    lambda s: s._replace(minute_unix_s=2**70)
))  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """A detector, what it may be given, and a healthy stream of it."""

    detector: Detector[Any, Any]
    anything: st.SearchStrategy[Any]
    healthy: Callable[[], Sequence[Any]]
    max_bytes: int


def healthy_session() -> list[SessionFact]:
    """An agent that reads, edits and tests, with some repeats that are none."""
    facts: list[SessionFact] = []
    for i in range(400):
        at = START_NS + i * 10 * SECOND_NS
        facts.append(model_call(at))
        what = ("read", "Edit", "bash")[i % 3]
        signature = "tests" if what == "bash" else f"{what}{i}"
        facts.append(
            tool_call(
                tool_name=what, arguments_signature=signature,
                result_signature="1 failed" if what == "bash" else f"r{i}",
                start_time_unix_nano=at + 2 * SECOND_NS, span_id=f"span{i}", call_id=f"call{i}",
            )
        )  # fmt: skip
    return facts


def healthy_series() -> list[Slice]:
    """Five hours of the same."""
    return [minute_slice(minute, errors=int(minute % 5 == 0)) for minute in range(300)]


def _attempt(call: ToolCall) -> Attempt:
    return attempt_of(call) or Attempt(call.tool_name, call.session_id, call.start_time_unix_nano)


def failed(session_id: str, minute: int, **given: Any) -> Attempt:
    """A session fails on the one call that all of them fail on."""
    fields = {
        "arguments_signature": "order 7", "result_signature": "no such warehouse", "outcome": "error",
        "error_type": "ValueError", "span_id": f"span-{session_id}-{minute}",
        "start_time_unix_nano": START_NS + minute * 60 * SECOND_NS, "duration_ns": 0,
    }  # fmt: skip
    return _attempt(tool_call(session_id=session_id, **{**fields, **given}))


ATTEMPTS = st.builds(
    tool_call, session_id=TEXT, tool_name=TOOL, arguments_signature=st.sampled_from(["a", "b"]),
    arguments_strength=STRENGTH, result_signature=st.sampled_from(["r", "s"]), result_strength=STRENGTH, arguments=TEXT,
    result=TEXT, outcome=st.sampled_from(["error", "error", "ok", "denied"]), error_type=TEXT,
    start_time_unix_nano=st.integers(0, 100).map(lambda n: START_NS + n * 60 * SECOND_NS), duration_ns=NUMBER,
    span_id=TEXT,
).map(_attempt)  # fmt: skip


def healthy_service() -> list[Attempt]:
    """Sessions side by side that work; each meets an error that another meets too, and goes on."""
    facts = [call for call in healthy_session() if isinstance(call, ToolCall)]
    facts = [call._replace(session_id=f"s{i // 20 % 5}") for i, call in enumerate(facts)]
    return [
        _attempt(call._replace(outcome="error", error_type="Timeout") if i % 20 == 3 else call)
        for i, call in enumerate(facts)
    ]


SPENT = FAR_SLICES.map(lambda s: s._replace(token_histogram=s.histogram, cost_histogram=s.histogram))


def healthy_spending() -> list[Slice]:
    """Five hours of the same, with tokens and cost."""
    return [s._replace(token_histogram=s.histogram, cost_histogram=s.histogram) for s in healthy_series()]


SUBJECTS = {
    "retried_failure": Subject(RETRIED, ATTEMPTS, healthy_service, 640 * 1024),
    "tool_call_loop": Subject(LOOP, SESSION_FACTS, healthy_session, 512 * 1024),
    "latency_regression": Subject(LATENCY, FAR_SLICES, healthy_series, 2 * 1024 * 1024),
    "error_spike": Subject(ERRORS, FAR_SLICES, healthy_series, 2 * 1024 * 1024),
    "token_surge": Subject(TOKENS, SPENT, healthy_spending, 2 * 1024 * 1024),
    "cost_surge": Subject(COST, SPENT, healthy_spending, 2 * 1024 * 1024),
}


def fold(detector: Detector[Any, Any], events: Sequence[Any]) -> tuple[Any, list[Finding]]:
    """Fold events; a bare number is a watermark."""
    state = detector.initial()
    found: list[Finding] = []
    for event in events:
        step = detector.advance(state, event) if isinstance(event, int) else detector.observe(state, event)
        state = step.state
        found += step.findings
    return state, found


def latest(found: Sequence[Finding]) -> dict[str, tuple[Any, ...]]:
    """Of each finding what its last revision says, but for how it came about and when it was told."""
    last = {f.id: f for f in found}
    return {
        f.id: (f.severity, f.status == "resolved", f.count, f.first_seen_unix_nano, f.tool, f.confidence)
        for f in last.values()
        if f.reason != "superseded"
    }
