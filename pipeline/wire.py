"""Facts on the wire of derived topics: a kind and the fact's fields as a JSON array.

JSON has no NaN: it travels as null and comes back as NaN. Histogram buckets travel as text keys.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, Literal

import orjson

from schemas.facts import Exemplar, Link, Marker, ModelCall, SessionFact, Slice, ToolCall
from schemas.finding import Evidence, Finding

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
_HISTOGRAM = Slice._fields.index("histogram")
_HASHES = Slice._fields.index("session_hashes")
_EXEMPLARS = Slice._fields.index("exemplars")


SEPARATOR: Final = "\x1f"


def session_key(fact: SessionFact) -> str:
    """The key of detection: a session of one service; its trace stands in where no session is known."""
    return f"{fact.service_name}{SEPARATOR}{fact.session_id or fact.trace_id}"


def series_key(one: Slice) -> str:
    """The key of a series."""
    return SEPARATOR.join(one.series)


def end_of(fact: SessionFact) -> int:
    """When what it tells of was over, nanoseconds since 1970."""
    return fact.start_time_unix_nano + (0 if isinstance(fact, Marker) else max(0, fact.duration_ns))


def to_fields(fact: SessionFact | Link | Slice) -> list[Any]:
    """The fact's fields, fit for JSON."""
    fields = list(fact)
    if isinstance(fact, Slice):
        fields[_HISTOGRAM] = {str(index): count for index, count in fact.histogram.items()}
        fields[_EXEMPLARS] = [list(e) for e in fact.exemplars]
    return fields


def _model(fields: list[Any]) -> ModelCall:
    fields = fields.copy()
    if fields[_COST] is None:
        fields[_COST] = math.nan
    if fields[_TEMPERATURE] is None:
        fields[_TEMPERATURE] = math.nan
    fields[_FINISH] = tuple(fields[_FINISH])
    return ModelCall._make(fields)


def _slice(fields: list[Any]) -> Slice:
    fields[_HISTOGRAM] = {int(index): count for index, count in fields[_HISTOGRAM].items()}
    fields[_EXEMPLARS] = tuple(Exemplar(*e) for e in fields[_EXEMPLARS])
    fields[_HASHES] = tuple(fields[_HASHES])
    return Slice(*fields)


_READERS: Final[dict[str, Callable[[list[Any]], SessionFact]]] = {
    "tool": ToolCall._make,
    "model": _model,
    "marker": Marker._make,
}


def session_fact(kind: str, fields: list[Any]) -> SessionFact:
    """The tool call, model call or marker that `to_fields` took apart."""
    return _READERS[kind](fields)


def link(fields: list[Any]) -> Link:
    """The link that `to_fields` took apart."""
    return Link(*fields)


def slice_of(fields: list[Any]) -> Slice:
    """The slice that `to_fields` took apart."""
    return _slice(list(fields))


_MAYBE_NAN: Final = ("observed", "baseline", "wasted_cost_usd", "wasted_duration_s")


def finding_to_bytes(finding: Finding) -> bytes:
    """The finding as JSON of its fields (not `telltale.finding/v1`, which is for readers)."""
    return orjson.dumps(finding)


def finding_from_bytes(data: bytes) -> Finding:
    """The inverse of `finding_to_bytes`."""
    fields = orjson.loads(data)
    for name in _MAYBE_NAN:
        if fields[name] is None:
            fields[name] = math.nan
    fields["evidence"] = tuple(Evidence(**e) for e in fields["evidence"])
    return Finding(**fields)
