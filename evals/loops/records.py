"""Records on their way into OTLP/JSON, in the form of the Collector's file exporter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple

MODEL: Final = "claude-sonnet-4-5"


class Record(NamedTuple):
    """One span or log record, and when its exporter would have sent it."""

    sent: int
    signal: Literal["traces", "logs"]
    scope: str
    resource: Mapping[str, str]
    body: dict[str, Any]


def attributes(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Attributes of text, numbers and truth; empty texts are left out."""
    return [{"key": key, "value": _value(value)} for key, value in given.items() if value not in ("", None)]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": str(value)}


def sent_in_order(records: Iterable[Record]) -> list[Record]:
    """As exporters send them: a span when it is over."""
    return sorted(records, key=lambda record: record.sent)


def request(record: Record) -> dict[str, Any]:
    """An export request of one record."""
    resource = {"attributes": attributes(record.resource)}
    scope = {"name": record.scope}
    if record.signal == "traces":
        return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": [record.body]}]}]}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": scope, "logRecords": [record.body]}]}]}
