"""The facts that detectors live on: tool calls, model calls, markers, links and slices.

A fact is a flat NamedTuple, so that many become columns by `zip(*facts)`, and one travels as a JSON array.
The ClickHouse column of a field is its name in PascalCase (`session_id` -> `SessionId`).
Times are nanoseconds since 1970 (event time); unknown numbers are -1, an unknown cost or temperature is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

Strength = Literal["full", "truncated", "size", "name"]
"""How much of a call's arguments or result its signature knows, strongest first."""

STRENGTHS: Final[tuple[Strength, ...]] = ("full", "truncated", "size", "name")

MAX_SIZE_DIGITS: Final = 32
_SIZE_PREFIX: Final = "size:"


def size_signature(size: int) -> str:
    """The signature of what is known by its size alone: the size itself, so that readers can tell how much it says."""
    return f"{_SIZE_PREFIX}{size}"


def size_of(signature: str) -> int:
    """The size that a signature of strength `size` names; -1 where it names none."""
    digits = signature.removeprefix(_SIZE_PREFIX)
    return int(digits) if len(digits) < len(signature) <= MAX_SIZE_DIGITS and digits.isdecimal() else -1


Outcome = Literal["ok", "error", "denied", "unset"]
"""How a call ended; `denied`: a person or a policy refused it; `unset`: the producer does not say."""


class ToolCall(NamedTuple):
    """One tool call of an agent."""

    session_id: str
    """`gen_ai.conversation.id`, or what the dialect calls it; "" where the record itself does not name it."""
    turn_id: str
    """What follows one user prompt: `prompt.id`, the `invoke_agent` span, ... or ""."""
    agent_name: str
    """The agent or subagent within the session; "" is the main one."""
    round_id: str
    """Calls that one model turn asked for together share it; "" = not known."""
    call_id: str
    """`gen_ai.tool.call.id`, `tool_use_id`, `call_id`; "" where none is sent."""
    tool_name: str
    arguments_signature: str
    """Hex hash over what is known of the arguments ("" at strength `name`, `size:N` at strength `size`). Taken before
    redaction."""
    arguments_strength: str
    result_signature: str
    """The same of the result, or of the error's text when the outcome is `error`."""
    result_strength: str
    arguments: str
    """Arguments as text for people, redacted, at most 4,096 characters."""
    result: str
    """Result or error as text for people, redacted, at most 4,096 characters."""
    outcome: str
    error_type: str
    start_time_unix_nano: int
    duration_ns: int
    """-1 = not known."""
    dialect: str
    signal: str
    """`span`, `log`, or `message`: read from a model call's messages, void once the session has calls of another;
    `hook`: told by `telltale guard` beside the agent's own telemetry, which may tell the same call."""
    service_name: str
    service_version: str
    trace_id: str
    span_id: str
    parent_span_id: str
    prompt_name: str
    prompt_version: str
    event_sequence: int
    """The producer's own counter (`event.sequence`, `tool_result_seq`), -1 = none."""
    agent_version: str = ""
    """`gen_ai.agent.version`, `agent.version`."""


class ModelCall(NamedTuple):
    """One request to a model and its answer."""

    session_id: str
    turn_id: str
    agent_name: str
    round_id: str
    call_id: str
    """`gen_ai.response.id`, `request_id`, or ""."""
    provider_name: str
    request_model: str
    response_model: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    cost_usd: float
    """As the producer sent it, else estimated by `prices_date`; NaN = not known."""
    temperature: float
    finish_reasons: tuple[str, ...]
    outcome: str
    error_type: str
    start_time_unix_nano: int
    duration_ns: int
    dialect: str
    signal: str
    service_name: str
    service_version: str
    trace_id: str
    span_id: str
    parent_span_id: str
    prompt_name: str
    prompt_version: str
    event_sequence: int
    agent_version: str = ""
    """`gen_ai.agent.version`, `agent.version`."""
    prices_date: str = ""
    """The cost was estimated from list prices of this date; "" = the producer told it, or it is not known."""


MarkerKind = Literal["prompt", "end", "verdict"]


class Marker(NamedTuple):
    """A moment in a session that is no call: a user prompt, its end, or the agent's own verdict of a loop."""

    session_id: str
    turn_id: str
    agent_name: str
    kind: str
    """`prompt`, `end` or `verdict`."""
    detail: str
    """Of a verdict: what kind of loop the agent says it is in; otherwise ""."""
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody needs here
    """Of a verdict: the agent's own count (Gemini CLI: 1 = recovery, 2 = session ended); otherwise -1."""
    start_time_unix_nano: int
    dialect: str
    signal: str
    service_name: str
    service_version: str
    trace_id: str
    span_id: str
    parent_span_id: str
    event_sequence: int


class Attempt(NamedTuple):
    """A tool call in short, as far as it matters to the other sessions of its service."""

    call: str
    """Tool and signature of the arguments; without the signature where those are not known."""
    session_id: str
    end_time_unix_nano: int
    failed: bool = False
    error: str = ""
    """What one failure is told from another by; "" = it did not fail, or does not say enough. What follows is known of
    failures only."""
    service_name: str = ""
    service_version: str = ""
    strength: int = 0
    """Index into `STRENGTHS` of the weaker of the two signatures."""
    arguments: str = ""
    result: str = ""
    trace_id: str = ""
    span_id: str = ""
    call_id: str = ""


class Link(NamedTuple):
    """A span of an agent's trace: who its parent is and, where it says so, whose session it belongs to."""

    trace_id: str
    span_id: str
    parent_span_id: str
    session_id: str
    """"" where the span does not say."""
    agent_name: str
    turn_id: str
    start_time_unix_nano: int


SessionFact = ToolCall | ModelCall | Marker


MAX_SESSION_HASHES: Final = 16
"""Hashes of sessions that a slice carries."""


_NONE: Final[Mapping[Any, Any]] = MappingProxyType({})
MAX_MARKS: Final = 12
"""Marks that a slice tells apart; what comes beyond is not marked."""


class Exemplar(NamedTuple):
    """One observation that stands for many."""

    trace_id: str
    span_id: str
    start_time_unix_nano: int
    duration_ns: int
    outcome: str


SLOT_S: Final = 15
"""Seconds of a slot: slices cut minutes into slots, so that a busy series can be judged before a minute is over."""


class Slice(NamedTuple):
    """A series' partial aggregate for one slot of a minute from one batch. Slices of a minute merge by addition."""

    service_name: str
    operation: str
    """`execute_tool`, `chat`, or a span's name where the span is not an agent's."""
    name: str
    """Tool or model; "" for other spans."""
    service_version: str
    minute_unix_s: int
    """Start of the minute, seconds since 1970."""
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody needs here
    """All observations, errors included, denied calls apart."""
    errors: int
    duration_sum_ns: int
    histogram: dict[int, int]
    """Bucket of `schemas.histogram` -> observations that did not fail and whose duration is known."""
    error_types: dict[str, int]
    """`error.type` -> errors, at most 8 kinds and `other`."""
    sessions: int
    """Distinct sessions (or traces) in this batch: a floor, they cannot be added up exactly."""
    tokens: int
    cost_usd: float
    exemplars: tuple[Exemplar, ...]
    """At most 3 slowest and 3 failed."""
    session_hashes: tuple[int, ...] = ()
    """The `MAX_SESSION_HASHES` smallest 32-bit hashes of this batch's sessions (or traces); of several slices, of all.
    So distinct sessions can be estimated however a minute was cut into batches. () = not known."""
    failed_hashes: tuple[int, ...] = ()
    """The same of sessions in which an observation failed."""
    token_histogram: Mapping[int, int] = _NONE
    """Model calls: bucket of the call's tokens in and out -> calls that tell them."""
    cost_histogram: Mapping[int, int] = _NONE
    """Model calls: bucket of the call's cost in 1e-9 US dollars -> calls that tell it."""
    marks: Mapping[str, list[int]] = _NONE
    """What the observations came with beside the version, such as `prompt=plan@3`, `model=m-2`, `agent=reviewer@2`, and
    `prices=2026-11` where a cost was estimated: mark -> [observations, failed, timed, sum of the timed ones' buckets],
    at most `MAX_MARKS`."""
    second: int = 0
    """Start of the slot within the minute: a multiple of `SLOT_S`. 0 also where the minute is not cut."""

    @property
    def series(self) -> tuple[str, str, str]:
        """What a series is: service, operation, tool or model. The version stands beside it."""
        return (self.service_name, self.operation, self.name)


class SeriesVerdict(NamedTuple):
    """What one rule can say of one series, told when that changes."""

    service_name: str
    operation: str
    name: str
    rule: str
    state: str
    """`insufficient data`, `steady` or `changed`."""
    since_unix_s: int
    """The minute in which it came to be so."""
    baseline_count: int
    """Observations of the past that it rests on."""
    baseline_minutes: int
    missing: str
    """Of `insufficient data`: what it takes."""
