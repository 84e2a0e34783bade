"""The finding, `telltale.finding/v1`: what a rule concluded, with its evidence."""

from __future__ import annotations

import datetime as dt
import math
import shlex
from dataclasses import dataclass, field
from typing import Any, Final, Literal

SCHEMA: Final = "telltale.finding/v1"

Kind = Literal["tool_call_loop", "latency_regression", "error_spike"]
Severity = Literal["suspect", "warning", "critical"]
Status = Literal["open", "updated", "resolved"]

SEVERITIES: Final[tuple[Severity, ...]] = ("suspect", "warning", "critical")
MAX_EVIDENCE: Final = 20


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observation that a finding rests on."""

    trace_id: str
    span_id: str
    time_unix_nano: int
    call_id: str = ""
    note: str = ""
    """What it shows, in a word or two: `before`, `after`, `call 3`."""

    def as_json(self) -> dict[str, Any]:
        """The wire form; empty fields are left out but for the three that always stand."""
        out: dict[str, Any] = {
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "time": rfc3339(self.time_unix_nano),
        }
        if self.call_id:
            out["call_id"] = self.call_id
        if self.note:
            out["note"] = self.note
        return out


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding at one revision. The same `id` with a higher `revision` replaces it.

    `id` and `fingerprint` are functions of rule and evidence, never of a clock or of how input was batched.
    """

    id: str
    fingerprint: str
    revision: int
    rule: str
    kind: Kind
    severity: Severity
    status: Status
    confidence: str
    """Loops: the weakest signature used (`full`, `truncated`, `size`, `name`, `agent` = the agent's own verdict);
    series: the confidence level that the decision held at, such as `0.999`."""
    session_id: str
    """"" for series."""
    service_name: str
    operation: str
    tool: str
    model: str
    version: str
    first_seen_unix_nano: int
    last_seen_unix_nano: int
    detected_at_unix_nano: int
    """Event time of the observation at which the present severity was first reached."""
    observed: float
    baseline: float
    unit: str
    """Of `observed` and `baseline`: `calls`, `s`, `ratio`."""
    count: int
    """Loops: passes of the cycle; series: observations judged."""
    wasted_tokens: int
    """-1 = not known."""
    wasted_cost_usd: float
    """NaN = not known."""
    wasted_duration_s: float
    """NaN = not known."""
    evidence: tuple[Evidence, ...] = field(default=())
    """At most 20, first and last kept."""
    why: str = ""
    """One sentence. What it quotes from telemetry stands in backquotes, redacted and cut."""
    reason: str = ""
    """Why this revision came: `opened`, `repeated`, `escalated`, `quiet`, `moved on`, `recovered`, ..."""
    agent_name: str = ""

    @property
    def precedence(self) -> int:
        """Of two tellings of one `id` the larger holds.

        A telling under the session found replaces every one under the trace id that stood in for it.
        """
        provisional = bool(self.evidence) and self.session_id == self.evidence[0].trace_id
        return self.revision if provisional else (1 << 32) + self.revision

    def as_json(self) -> dict[str, Any]:
        """The wire form of `telltale.finding/v1`."""
        see_session = [f"telltale session {shlex.quote(self.session_id)}"] if self.session_id else []
        return {
            "schema": SCHEMA,
            "id": self.id,
            "fingerprint": self.fingerprint,
            "revision": self.revision,
            "rule": self.rule,
            "kind": self.kind,
            "severity": self.severity,
            "status": self.status,
            "confidence": self.confidence,
            "session_id": self.session_id,
            "agent": self.agent_name,
            "series": {
                "service.name": self.service_name,
                "operation": self.operation,
                "tool": self.tool,
                "model": self.model,
                "version": self.version,
            },
            "first_seen": rfc3339(self.first_seen_unix_nano),
            "last_seen": rfc3339(self.last_seen_unix_nano),
            "detected_at": rfc3339(self.detected_at_unix_nano),
            "observed": number(self.observed),
            "baseline": number(self.baseline),
            "unit": self.unit,
            "count": self.count,
            "wasted": {
                "tokens": None if self.wasted_tokens < 0 else self.wasted_tokens,
                "cost_usd": number(self.wasted_cost_usd),
                "duration_s": number(self.wasted_duration_s),
            },
            "evidence": [e.as_json() for e in self.evidence],
            "why": self.why,
            "reason": self.reason,
            "next": [*see_session, f"telltale findings {self.id}"],
        }


def number(value: float) -> float | None:
    """A JSON number, or None where the value is not finite."""
    return value if math.isfinite(value) else None


def rfc3339(unix_nano: int) -> str:
    """Nanoseconds since 1970 as RFC 3339 in UTC, to the microsecond; times out of range are clamped."""
    seconds, nanos = divmod(max(0, min(unix_nano, 253402300799_000_000_000)), 1_000_000_000)
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC).replace(microsecond=nanos // 1000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
