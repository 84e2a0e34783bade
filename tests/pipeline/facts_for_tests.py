"""Facts with every field filled in, so that a test names only what it is about."""

from typing import Any

from schemas.facts import Link, Marker, ModelCall, ToolCall

SECOND = 1_000_000_000
T0 = 1_780_000_000 * SECOND


def tool(at_s: float = 0.0, **changes: Any) -> ToolCall:
    call = ToolCall(
        session_id="s1", turn_id="", agent_name="", round_id="", call_id="", tool_name="run", arguments_signature="a1",
        arguments_strength="full", result_signature="r1", result_strength="full", arguments='{"x":1}', result="no",
        outcome="ok", error_type="", start_time_unix_nano=T0 + int(at_s * SECOND), duration_ns=SECOND // 10,
        dialect="genai", signal="span", service_name="coder", service_version="1", trace_id="t1", span_id="",
        parent_span_id="", prompt_name="", prompt_version="", event_sequence=-1,
    )  # fmt: skip
    return call._replace(**changes)


def model(at_s: float = 0.0, **changes: Any) -> ModelCall:
    call = ModelCall(
        session_id="s1", turn_id="", agent_name="", round_id="", call_id="", provider_name="p", request_model="m",
        response_model="m", input_tokens=100, output_tokens=10, cache_read_tokens=-1, cache_creation_tokens=-1,
        cost_usd=float("nan"), temperature=float("nan"), finish_reasons=("stop",), outcome="ok", error_type="",
        start_time_unix_nano=T0 + int(at_s * SECOND), duration_ns=SECOND, dialect="genai", signal="span",
        service_name="coder", service_version="1", trace_id="t1", span_id="", parent_span_id="", prompt_name="",
        prompt_version="", event_sequence=-1,
    )  # fmt: skip
    return call._replace(**changes)


def marker(at_s: float = 0.0, **changes: Any) -> Marker:
    one = Marker(
        session_id="s1", turn_id="", agent_name="", kind="prompt", detail="", count=-1,
        start_time_unix_nano=T0 + int(at_s * SECOND), dialect="genai", signal="log", service_name="coder",
        service_version="1", trace_id="t1", span_id="", parent_span_id="", event_sequence=-1,
    )  # fmt: skip
    return one._replace(**changes)


def link(span_id: str, parent: str = "", session: str = "", at_s: float = 0.0) -> Link:
    return Link("t1", span_id, parent, session, "", "", T0 + int(at_s * SECOND))
