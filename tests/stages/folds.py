"""A fold for tests: adds up numbers, remembers at which times it was advanced, expires after a quiet time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson


class Told(NamedTuple):
    """What the fold puts out."""

    key: str
    kind: str
    value: int


class Sums:
    """State: [key, sum, count, last event's number, due]. Kinds: `add` n; `due` t asks to be advanced at t."""

    def __init__(self, quiet_ns: int = 1 << 62) -> None:
        self.quiet_ns = quiet_ns
        self.decoded = 0

    def initial(self, key: str) -> dict[str, Any]:
        return {"key": key, "sum": 0, "count": 0, "last": 0, "due": None}

    def apply(self, state: dict[str, Any], kind: str, fields: Sequence[Any]) -> list[Told]:
        if kind == "raise":
            raise RuntimeError("a fold that breaks its contract")
        if kind == "due":
            state["due"] = fields[0]
            return []
        state["sum"] += fields[0]
        state["count"] += 1
        state["last"] = fields[1] if len(fields) > 1 else 0
        return [Told(state["key"], "sum", state["sum"])]

    def advance(self, state: dict[str, Any], watermark_unix_nano: int) -> list[Told]:
        state["due"] = None
        return [Told(state["key"], "advanced", watermark_unix_nano)]

    def due(self, state: dict[str, Any]) -> int | None:
        due: int | None = state["due"]
        return due

    def expires(self, state: dict[str, Any]) -> int:
        return int(state["last"]) + self.quiet_ns

    def encode(self, state: dict[str, Any]) -> bytes:
        return orjson.dumps(state)

    def decode(self, data: bytes) -> dict[str, Any]:
        self.decoded += 1
        state: dict[str, Any] = orjson.loads(data)
        return state
