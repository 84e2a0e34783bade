"""Inputs to begin with, cut from the fixtures: small, each of another shape."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

FIXTURES: Final = Path(__file__).parents[1] / "tests" / "fixtures"
PATHS: Final = (("resourceSpans", "scopeSpans", "spans"), ("resourceLogs", "scopeLogs", "logRecords"))
MAX_BYTES: Final = 4_096
GOLDEN: Final = 60
A_CAPTURE: Final = 6
"""Requests taken from each capture: its first ones of different shapes."""


def seeds(target: str) -> list[bytes]:
    """The seeds of a target."""
    if target == "protobuf":
        lines = (FIXTURES / "golden" / "input.pb64").read_text().splitlines()
        return _small([base64.b64decode(line.split()[1]) for line in lines])
    if target == "json":
        return _small((FIXTURES / "golden" / "input.jsonl").read_bytes().splitlines())
    return [one for path in sorted((FIXTURES / "captures").glob("*-B.jsonl.gz")) for one in _of_capture(path)]


def _small(values: list[bytes]) -> list[bytes]:
    return sorted((one for one in values if len(one) <= MAX_BYTES), key=len)[-GOLDEN:]


def _of_capture(path: Path) -> list[bytes]:
    """Single records of a capture, one for each set of attribute names."""
    found: dict[frozenset[str], bytes] = {}
    with gzip.open(path) as lines:
        for record, request in (one for line in lines for one in _singles(orjson.loads(line))):
            data = orjson.dumps(request)
            if len(data) <= MAX_BYTES:
                found.setdefault(frozenset(one["key"] for one in record.get("attributes") or ()), data)
    return list(found.values())[:A_CAPTURE]


def _singles(request: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The spans and log records of a request, each beside a request that holds it alone."""
    for whole, scopes, records in PATHS:
        for resource in request.get(whole) or ():
            for scope in resource.get(scopes) or ():
                for record in scope.get(records) or ():
                    yield record, {whole: [{**resource, scopes: [{**scope, records: [record]}]}]}
