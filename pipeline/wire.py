"""Facts on the wire of derived topics: a kind and the fact's fields as a JSON array.

JSON has no NaN: it travels as null and comes back as NaN. Histogram buckets travel as text keys.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

import orjson

from schemas.facts import Exemplar, Link, Marker, ModelCall, SessionFact, Slice, ToolCall
from schemas.finding import Change, Evidence, Finding

FactKind = Literal["tool", "model", "marker", "link", "slice"]

KINDS: Final[dict[type, FactKind]] = {
    ToolCall: "tool",
    ModelCall: "model",
    Marker: "marker",
    Link: "link",
    Slice: "slice",
}

_COST = ModelCall._fields.index("cost_usd")
_TEMPERATURE = ModelCall._fields.index("temperature")
_FINISH = ModelCall._fields.index("finish_reasons")
_TOOL_FIELDS, _MODEL_FIELDS = len(ToolCall._fields), len(ModelCall._fields)
"""Messages of an older version have fewer."""
_HISTOGRAMS = tuple(Slice._fields.index(name) for name in ("histogram", "token_histogram", "cost_histogram"))
_HASHES = tuple(Slice._fields.index(name) for name in ("session_hashes", "failed_hashes"))
_EXEMPLARS = Slice._fields.index("exemplars")


SEPARATOR: Final = "\x1f"
UNIQUE_SESSIONS: Final = frozenset({"claude_code", "codex", "gemini_cli", "telltale_guard"})
"""Dialects whose session ids are UUIDs. An agent's hook cannot know which `service.name` the agent's telemetry has."""


def session_key(fact: SessionFact) -> str:
    """The key of detection: a session of one service; its trace stands in where no session is known."""
    if fact.session_id and fact.dialect in UNIQUE_SESSIONS:
        return f"{SEPARATOR}{fact.session_id}"
    return f"{fact.service_name}{SEPARATOR}{fact.session_id or fact.trace_id}"


def series_key(one: Slice) -> str:
    """The key of a series."""
    return SEPARATOR.join(one.series)


def end_of(fact: SessionFact) -> int:
    """When what it tells of was over, nanoseconds since 1970."""
    return fact.start_time_unix_nano + (0 if isinstance(fact, Marker) else max(0, fact.duration_ns))


def to_fields(fact: SessionFact | Link | Slice) -> list[Any]:
    """The fact's fields, fit for JSON."""
    fields: list[Any] = list(fact)
    if isinstance(fact, Slice):
        for at in _HISTOGRAMS:
            fields[at] = {str(index): count for index, count in fields[at].items()}
        fields[_EXEMPLARS] = [list(e) for e in fact.exemplars]
    return fields


def _model(told: Sequence[Any]) -> ModelCall:
    if type(told) is ModelCall:
        return told
    fields = list(told)
    if fields[_COST] is None:
        fields[_COST] = math.nan
    if fields[_TEMPERATURE] is None:
        fields[_TEMPERATURE] = math.nan
    fields[_FINISH] = tuple(fields[_FINISH])
    return tuple.__new__(ModelCall, fields) if len(fields) == _MODEL_FIELDS else ModelCall(*fields)


def _tool(fields: Sequence[Any]) -> ToolCall:
    if type(fields) is ToolCall:
        return fields
    return tuple.__new__(ToolCall, fields) if len(fields) == _TOOL_FIELDS else ToolCall(*fields)


def _slice(fields: list[Any]) -> Slice:
    """Slices of an older version have fewer fields."""
    for at in _HISTOGRAMS:
        if at < len(fields) and fields[at]:
            fields[at] = {int(index): count for index, count in fields[at].items()}
    fields[_EXEMPLARS] = tuple(Exemplar(*e) for e in fields[_EXEMPLARS])
    for at in _HASHES:
        if at < len(fields):
            fields[at] = tuple(fields[at])
    return Slice(*fields)


_READERS: Final[dict[str, Callable[[Sequence[Any]], SessionFact]]] = {
    "tool": _tool,
    "model": _model,
    "marker": Marker._make,
}


def session_fact(kind: str, fields: Sequence[Any]) -> SessionFact:
    """The tool call, model call or marker that `to_fields` took apart, or that never was."""
    return _READERS[kind](fields)


ATTEMPTS: Final = "attempts"
"""Event kind: the attempts of one batch at one service in order of time, one list of fields each
(`detectors.retries.attempts.row_of`)."""


def link(fields: Sequence[Any]) -> Link:
    """The link that `to_fields` took apart."""
    return Link(*fields)


def slice_of(fields: Sequence[Any]) -> Slice:
    """The slice that `to_fields` took apart."""
    return _slice(list(fields))


_MAYBE_NAN: Final = ("observed", "baseline", "wasted_cost_usd", "wasted_duration_s")


def finding_to_bytes(finding: Finding) -> bytes:
    """The finding as JSON of its fields (not `telltale.finding/v1`, which is for readers)."""
    return orjson.dumps(finding)


def _change(fields: dict[str, Any]) -> Change:
    for name in ("size", "low", "high"):
        if fields[name] is None:
            fields[name] = math.nan
    fields["coincides"] = tuple(fields["coincides"])
    return Change(**fields)


def finding_from_bytes(data: bytes) -> Finding:
    """The inverse of `finding_to_bytes`."""
    fields = orjson.loads(data)
    for name in _MAYBE_NAN:
        if fields[name] is None:
            fields[name] = math.nan
    fields["evidence"] = tuple(Evidence(**e) for e in fields["evidence"])
    if fields.get("change"):
        fields["change"] = _change(fields["change"])
    return Finding(**fields)
