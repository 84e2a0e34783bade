"""From the texts of a row's fields to a fact. Texts that are no numbers, times or ids are unknown, never an error."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from pipeline.sessions import signatures
from pipeline.sessions.columns import Rows
from pipeline.sessions.dialects import Rule
from pipeline.sessions.matching import SLOTS
from schemas.facts import Link, Marker, ModelCall, ToolCall

MAX_NAME_CHARS: Final = 256
MAX_PREVIEW_CHARS: Final = 4_096
UNREDACTED_CHARS: Final = MAX_PREVIEW_CHARS + 2_048
"""A preview is cut to this before redaction and to `MAX_PREVIEW_CHARS` after it: no secret is cut into safety."""
MAX_FINISH_REASONS: Final = 8
MAX_INT: Final = 2**63 - 1

_FAILED: Final = frozenset({"false", "0", "failure", "failed", "error"})
_SUCCEEDED: Final = frozenset({"true", "1", "success", "succeeded", "ok", "completed"})

_T: Final = SLOTS["tool_call"]
_M: Final = SLOTS["model_call"]
_K: Final = SLOTS["marker"]
# Every kind of fact begins with the same fields, so these places hold for all of them.
SESSION, TURN, AGENT, ROUND, CALL = (
    _T[name] for name in ("session_id", "turn_id", "agent_name", "round_id", "call_id")
)
TIME, DURATION, VERSION = _T["time_iso"], _T["duration_ms"], _T["service_version"]
PROMPT, PROMPT_VERSION, SEQUENCE = _T["prompt_name"], _T["prompt_version"], _T["event_sequence"]
SUCCESS, DENIED, ERROR, ERROR_TYPE = (_T[name] for name in ("success", "denied", "error", "error_type"))
TOOL, ARGUMENTS, ARGUMENTS_SIZE = _T["tool_name"], _T["arguments"], _T["arguments_size"]
RESULT, RESULT_SIZE, EXIT_CODE = _T["result"], _T["result_size"], _T["exit_code"]


def short(text: Any) -> str:
    """A name or id, "" where missing, at most `MAX_NAME_CHARS` characters."""
    return text[:MAX_NAME_CHARS] if text else ""


def integer(text: Any) -> int:
    """A count of at least 0, else -1 = unknown."""
    if not text:
        return -1
    if text.isdecimal() and len(text) < 19:
        return int(text)
    value = number(text)
    return int(value) if 0 <= value < MAX_INT else -1


def number(text: Any) -> float:
    """A finite number, else NaN = unknown."""
    try:
        value = float(text) if text and len(text) < 64 else math.nan
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def iso_unix_nano(text: str) -> int:
    """An ISO 8601 time in nanoseconds since 1970, -1 where it is none."""
    try:
        moment = datetime.fromisoformat(text[:40])
    except ValueError:
        return -1
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        whole = int(moment.replace(microsecond=0).timestamp())
    except (OverflowError, ValueError):
        return -1
    return whole * 1_000_000_000 + moment.microsecond * 1_000 if 0 <= whole < MAX_INT // 1_000_000_000 else -1


def times(rule: Rule, values: list[Any], rows: Rows, row: int) -> tuple[int, int]:
    """(start in nanoseconds since 1970, duration in nanoseconds or -1)."""
    at = rows.time[row]
    if values[TIME]:
        stated = iso_unix_nano(values[TIME])
        at = stated if stated > 0 else at
    if rows.signal == "traces":
        return at, min(rows.duration[row], MAX_INT)
    duration_ms = number(values[DURATION])
    duration = int(duration_ms * 1e6) if 0 <= duration_ms < 1e12 else -1
    return (at - duration if rule.time == "end" and 0 < duration <= at else at), duration


def outcome(rule: Rule, values: list[Any], status: str, exit_code: Any) -> tuple[str, str]:
    """(outcome, error type) of a call; the order of the signs is the order of the lines."""
    error_type = values[ERROR_TYPE]
    success = str(values[SUCCESS]).lower() if values[SUCCESS] else ""
    if values[DENIED] and success not in _SUCCEEDED:
        return "denied", short(error_type)
    if success in _FAILED or status == "Error" or (error_type and success not in _SUCCEEDED):
        return "error", short(error_type)
    if exit_code and exit_code.lstrip("-").strip("0"):
        return "error", f"exit_code_{exit_code}" if len(exit_code) <= 4 else "exit_code"
    if exit_code or status == "Ok":
        return "ok", ""
    if success in _SUCCEEDED:
        return rule.success, ""
    return rule.unset, ""


def tool_call(rule: Rule, values: list[Any], rows: Rows, row: int, status: str | None = None) -> ToolCall:
    """A tool call; previews are cut but not redacted yet. `status`: in place of the row's own."""
    name = short(values[TOOL])
    exit_code = values[EXIT_CODE]
    result_text = values[RESULT]
    ended, error_type = outcome(rule, values, rows.status[row] if status is None else status, exit_code)
    arguments = signatures.of_content(values[ARGUMENTS], integer(values[ARGUMENTS_SIZE]), name)
    if ended in ("error", "denied"):
        result_text = values[ERROR] or result_text
        result = signatures.of_error(result_text, integer(values[RESULT_SIZE]), name, error_type)
    else:
        result = signatures.of_content(result_text, integer(values[RESULT_SIZE]), name)
    start, duration = times(rule, values, rows, row)
    return ToolCall(
        short(values[SESSION]), short(values[TURN]), short(values[AGENT]), short(values[ROUND]), short(values[CALL]),
        name, arguments.value, arguments.strength, result.value, result.strength,
        (values[ARGUMENTS] or "")[:UNREDACTED_CHARS], (result_text or "")[:UNREDACTED_CHARS],
        ended, error_type, start, duration, rule.dialect, "span" if rows.signal == "traces" else "log",
        rows.service[row], short(values[VERSION]), rows.trace_id[row], rows.span_id[row], rows.parent_id[row],
        short(values[PROMPT]), short(values[PROMPT_VERSION]), integer(values[SEQUENCE]),
    )  # fmt: skip


def model_call(rule: Rule, values: list[Any], rows: Rows, row: int) -> ModelCall:
    """A model call."""
    ended, error_type = outcome(rule, values, rows.status[row], None)
    start, duration = times(rule, values, rows, row)
    return ModelCall(
        short(values[SESSION]), short(values[TURN]), short(values[AGENT]), short(values[ROUND]), short(values[CALL]),
        short(values[_M["provider_name"]]), short(values[_M["request_model"]]), short(values[_M["response_model"]]),
        integer(values[_M["input_tokens"]]), integer(values[_M["output_tokens"]]),
        integer(values[_M["cache_read_tokens"]]), integer(values[_M["cache_creation_tokens"]]),
        number(values[_M["cost_usd"]]), number(values[_M["temperature"]]), reasons(values[_M["finish_reasons"]]),
        ended, error_type, start, duration, rule.dialect, "span" if rows.signal == "traces" else "log",
        rows.service[row], short(values[VERSION]), rows.trace_id[row], rows.span_id[row], rows.parent_id[row],
        short(values[PROMPT]), short(values[PROMPT_VERSION]), integer(values[SEQUENCE]),
    )  # fmt: skip


def reasons(text: Any) -> tuple[str, ...]:
    """Finish reasons: a JSON array of texts, or one text."""
    if not text:
        return ()
    if text[0] == "[":
        try:
            found = orjson.loads(text[:4_096])
        except ValueError:
            return ()
        return tuple(short(one) for one in found[:MAX_FINISH_REASONS] if isinstance(one, str) and one)
    return (short(text),)


def marker(rule: Rule, values: list[Any], rows: Rows, row: int) -> Marker:
    """A marker."""
    start, _ = times(rule, values, rows, row)
    return Marker(
        short(values[SESSION]), short(values[TURN]), short(values[AGENT]), rule.kind, short(values[_K["detail"]]),
        integer(values[_K["count"]]), start, rule.dialect, "span" if rows.signal == "traces" else "log",
        rows.service[row], short(values[VERSION]), rows.trace_id[row], rows.span_id[row], rows.parent_id[row],
        integer(values[SEQUENCE]),
    )  # fmt: skip


def link(rule: Rule, values: list[Any], rows: Rows, row: int) -> Link:
    """What a span says about whose session it belongs to."""
    span_id = rows.span_id[row]
    turn = short(values[TURN]) or (span_id if rule.own_turn else "")
    return Link(
        rows.trace_id[row], span_id, rows.parent_id[row], short(values[SESSION]), short(values[AGENT]), turn,
        rows.time[row],
    )  # fmt: skip
