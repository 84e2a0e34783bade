"""Typed filters over calls, spans and log records: `duration_s > 5`, `attributes.http.status_code >= 500`.

A filter is FIELD OPERATOR VALUE. Which column a field is stands here; what the user wrote reaches the engine as a
parameter only.

    =  !=            equal, not equal
    <  <=  >  >=     numbers; of an attribute, where its text is a number
    ~  !~            the text contains it or not, whatever the case
    =~               a regular expression (RE2) that matches somewhere
"""

from __future__ import annotations

import math
import re
from typing import Any, Final, NamedTuple

import re2

from schemas.errors import QueryError

MAX_EXPRESSION: Final = 200
"""Characters of a regular expression."""
MAX_PROGRAM_BYTES: Final = 200_000

_FILTER: Final = re.compile(r"\s*([A-Za-z_][\w.\-/:@]{0,199}?)\s*(=~|!~|!=|<=|>=|=|<|>|~)\s*(.*?)\s*", re.DOTALL)
_SAMPLES: Final = "duration_s > 5, outcome = error, attributes.http.status_code >= 500, result ~ 'no such file'"

NUMBER: Final = "number"
TEXT: Final = "text"


class Field(NamedTuple):
    """What a field's name stands for."""

    column: str
    """SQL of ours."""
    kind: str = TEXT


_ANY_CALL: Final = {
    "session": Field("SessionId"),
    "turn": Field("TurnId"),
    "agent": Field("toString(AgentName)"),
    "outcome": Field("toString(Outcome)"),
    "error_type": Field("toString(ErrorType)"),
    "duration_s": Field("DurationNs / 1e9", NUMBER),
    "service": Field("toString(ServiceName)"),
    "version": Field("toString(ServiceVersion)"),
    "prompt": Field("toString(PromptName)"),
    "prompt_version": Field("toString(PromptVersion)"),
    "dialect": Field("toString(Dialect)"),
    "trace_id": Field("TraceId"),
    "span_id": Field("SpanId"),
    "call_id": Field("CallId"),
}
_ANY_RECORD: Final = {
    "service": Field("toString(ServiceName)"),
    "trace_id": Field("TraceId"),
    "span_id": Field("SpanId"),
    "scope": Field("ScopeName"),
}
FIELDS: Final[dict[str, dict[str, Field]]] = {
    "tool": {
        **_ANY_CALL,
        "name": Field("toString(ToolName)"),
        "arguments": Field("Arguments"),
        "result": Field("Result"),
    },
    "model": {
        **_ANY_CALL,
        "name": Field("toString(if(ResponseModel != '', ResponseModel, RequestModel))"),
        "provider": Field("toString(ProviderName)"),
        "input_tokens": Field("InputTokens", NUMBER),
        "output_tokens": Field("OutputTokens", NUMBER),
        "cost_usd": Field("CostUsd", NUMBER),
    },
    "span": {
        **_ANY_RECORD,
        "name": Field("toString(SpanName)"),
        "kind": Field("toString(SpanKind)"),
        "status": Field("toString(StatusCode)"),
        "message": Field("StatusMessage"),
        "duration_s": Field("Duration / 1e9", NUMBER),
    },
    "log": {
        **_ANY_RECORD,
        "name": Field("EventName"),
        "severity": Field("SeverityNumber", NUMBER),
        "body": Field("Body"),
    },
}
"""Kind -> its fields. Spans and logs have `attributes.KEY` and `resource.KEY` besides."""

MAPS: Final = {
    "span": {"attributes": "SpanAttributes", "resource": "ResourceAttributes"},
    "log": {"attributes": "LogAttributes", "resource": "ResourceAttributes"},
}

_NUMERIC: Final = ("<", "<=", ">", ">=")
_ON_TEXT: Final = {
    "=": "{column} = {value}",
    "!=": "{column} != {value}",
    "~": "positionCaseInsensitiveUTF8({column}, {value}) > 0",
    "!~": "positionCaseInsensitiveUTF8({column}, {value}) = 0",
    "=~": "match({column}, {value})",
}


class Condition(NamedTuple):
    """One filter as SQL."""

    sql: str
    parameters: dict[str, Any]


def condition(text: str, kind: str, number: int) -> Condition:
    """A filter as SQL.

    Args:
        text: As the user wrote it.
        kind: Of what is filtered: `tool`, `model`, `span` or `log`.
        number: Of the filter in its question: makes its parameters' names.

    Raises:
        QueryError: It is none, names no field, or compares what cannot be compared.
    """
    match = _FILTER.fullmatch(text)
    if match is None:
        raise _refused(text, f"FIELD OPERATOR VALUE, such as {_SAMPLES}")
    name, operator, value = match[1], match[2], _unquoted(match[3])
    place, parameters = _field(name, kind, number, text)
    named = f"{{value_{number}:String}}"
    if place.kind == NUMBER or operator in _NUMERIC:
        if operator not in (*_NUMERIC, "=", "!="):
            raise _refused(text, f"{name} is a number: =, !=, <, <=, >, >=")
        column = place.column if place.kind == NUMBER else f"toFloat64OrNull({place.column})"
        if place.kind != NUMBER and not place.column.endswith("]"):
            raise _refused(text, f"{name} is text: =, !=, ~, !~, =~")
        named = f"{{value_{number}:Float64}}"
        return Condition(
            f"ifNull({column} {operator} {named}, 0)", parameters | {f"value_{number}": _number(value, text)}
        )
    if operator == "=~":
        _check_expression(value, text)
    template = _ON_TEXT[operator]
    return Condition(template.format(column=place.column, value=named), parameters | {f"value_{number}": value})


def _field(name: str, kind: str, number: int, text: str) -> tuple[Field, dict[str, Any]]:
    known = FIELDS[kind]
    if name in known:
        return known[name], {}
    map_name, dot, key = name.partition(".")
    column = MAPS.get(kind, {}).get(map_name)
    if dot and key and column:
        return Field(f"{column}[{{key_{number}:String}}]"), {f"key_{number}": key}
    if map_name in ("attributes", "resource") and kind not in MAPS:
        raise _refused(text, f"attributes are those of spans and log records: --kind span --where '{name} ...'")
    more = " attributes.KEY, resource.KEY," if kind in MAPS else ""
    raise _refused(text, f"fields of a {kind}:{more} {', '.join(sorted(known))}")


def _number(value: str, text: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _refused(text, "compare with a number, such as 5 or 0.25")
    return number


def _check_expression(value: str, text: str) -> None:
    if len(value) > MAX_EXPRESSION:
        raise _refused(text, f"a regular expression may have {MAX_EXPRESSION} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_PROGRAM_BYTES
    try:
        re2.compile(value, options)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise _refused(text, f"this is no regular expression of RE2: {reason[:100]}") from error


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"" else value


def _refused(text: str, hint: str) -> QueryError:
    return QueryError("bad_filter", f"{text[:80]!r} cannot be filtered by", field="where", hint=hint)
