"""Log records of one session, as OTLP/JSON export requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

MAX_RECORDS: Final = 200
MAX_BYTES: Final = 2_000_000
"""Of one request, as far as one record allows: below what the receiver takes."""


@dataclass(frozen=True, slots=True)
class Record:
    """One event of a session."""

    time_unix_nano: int
    kind: str
    """`tool`, `model` or `prompt`."""
    identity: str
    """What it is told apart by within its session: the call's id, the request's id, the prompt's line."""
    version: str
    """Of the program that wrote it."""
    attributes: Mapping[str, str | int] = field(default_factory=dict)


def requests(service: str, scope: str, records: Iterable[Record]) -> Iterator[bytes]:
    """OTLP/JSON requests for logs, in order, each of records of one version of the program."""
    waiting: list[dict[str, Any]] = []
    size, version = 0, ""
    for record in records:
        one = _record(record)
        length = sum(len(str(value)) for value in record.attributes.values())
        full = len(waiting) >= MAX_RECORDS or size + length > MAX_BYTES or record.version != version
        if waiting and full:
            yield _request(service, scope, version, waiting)
            waiting, size = [], 0
        waiting.append(one)
        size, version = size + length, record.version
    if waiting:
        yield _request(service, scope, version, waiting)


def _request(service: str, scope: str, version: str, records: list[dict[str, Any]]) -> bytes:
    about = {"service.name": service, "service.version": version, "telltale.imported": "true"}
    resource = {"attributes": [_attribute(key, value) for key, value in about.items() if value]}
    logs = {"scope": {"name": scope}, "logRecords": records}
    return orjson.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": [logs]}]})


def _record(record: Record) -> dict[str, Any]:
    return {
        "timeUnixNano": str(record.time_unix_nano),
        "attributes": [_attribute(key, value) for key, value in record.attributes.items() if value != ""],
    }


def _attribute(key: str, value: str | int) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value} if isinstance(value, str) else {"intValue": str(value)}}
