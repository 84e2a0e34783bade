"""A simulated service as a recording: OTLP/JSON lines for `telltale replay`, one request for every ten seconds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

START_S: Final = 1_760_000_040
REQUEST_S: Final = 10


@dataclass(frozen=True, slots=True)
class Recording:
    """Calls of one tool by sessions of ten calls, log-normal with sigma 1; from `change_minute` on with version 2."""

    rate: float
    """Calls a minute."""
    minutes: int
    change_minute: int
    slower: float = 1.0
    error_share: float = 0.02
    error_share_after: float = 0.02
    seed: int = 1

    def lines(self) -> Iterator[bytes]:
        """One export request each."""
        rng = np.random.default_rng(self.seed)
        session = 0
        for second in range(0, self.minutes * 60, REQUEST_S):
            spans: dict[str, list[Any]] = {"1": [], "2": []}
            for _ in range(rng.poisson(self.rate * REQUEST_S / 60)):
                changed = second >= self.change_minute * 60
                session += int(rng.random() < 0.1)
                lasts = int(0.4e9 * np.exp(rng.standard_normal()) * (self.slower if changed else 1.0))
                end = (START_S + second) * 10**9 + int(rng.random() * REQUEST_S * 1e9)
                failed = rng.random() < (self.error_share_after if changed else self.error_share)
                spans["2" if changed else "1"].append(_span(rng, f"session-{session}", (end - lasts, end), failed))
            resources = [_resource(version, found) for version, found in spans.items() if found]
            if resources:
                yield json.dumps({"resourceSpans": resources}).encode()


def _resource(version: str, spans: list[Any]) -> dict[str, Any]:
    attributes = [_text("service.name", "shop"), _text("service.version", version)]
    return {"resource": {"attributes": attributes}, "scopeSpans": [{"scope": {"name": "simulated"}, "spans": spans}]}


def _span(rng: np.random.Generator, session: str, times: tuple[int, int], failed: bool) -> dict[str, Any]:
    attributes = [
        _text("gen_ai.operation.name", "execute_tool"), _text("gen_ai.tool.name", "search"),
        _text("gen_ai.conversation.id", session), *([_text("error.type", "timeout")] if failed else []),
    ]  # fmt: skip
    return {
        "traceId": rng.bytes(16).hex(), "spanId": rng.bytes(8).hex(), "name": "execute_tool search", "kind": 1,
        "startTimeUnixNano": str(times[0]), "endTimeUnixNano": str(times[1]), "attributes": attributes,
        "status": {"code": 2 if failed else 0},
    }  # fmt: skip


def _text(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}
