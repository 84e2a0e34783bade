"""The golden input and rows: what the real Collector stored for random OTLP of every shape."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from pipeline.message import Message
from schemas.topics import SOURCES, Signal

FOLDER = Path(__file__).parents[1] / "fixtures" / "golden"


def protobuf_messages() -> dict[Signal, list[Message]]:
    """The requests as they stand on the topics of the log; the offset is the line."""
    found: dict[Signal, list[Message]] = defaultdict(list)
    signals: dict[str, Signal] = {"traces": "traces", "logs": "logs", "metrics": "metrics"}
    for at, line in enumerate((FOLDER / "input.pb64").read_text().splitlines()):
        kind, body = line.split()
        signal = signals[kind]
        found[signal].append(Message(SOURCES[signal].name, 0, at, 0, base64.b64decode(body)))
    return found


def json_messages() -> list[Message]:
    """The same requests as the file exporter wrote them."""
    lines = (FOLDER / "input.jsonl").read_bytes().splitlines()
    return [Message("", 0, at, 0, line) for at, line in enumerate(lines)]


def rows(table: str) -> list[dict[str, Any]]:
    """What the Collector stored, sorted."""
    return ordered([json.loads(line) for line in (FOLDER / f"{table}.jsonl").read_text().splitlines()])


def ordered(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows in an order that does not depend on that of map keys."""
    return sorted(found, key=lambda row: json.dumps(row, sort_keys=True))
