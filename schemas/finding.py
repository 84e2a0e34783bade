"""The finding, `telltale.finding/v1`: what a rule concluded, with its evidence."""

from __future__ import annotations

import datetime as dt
import math
import shlex
from dataclasses import dataclass, field
from typing import Any, Final, Literal

SCHEMA: Final = "telltale.finding/v1"

Kind = Literal["tool_call_loop", "retried_failure", "latency_regression", "error_spike", "token_surge", "cost_surge"]
OF_SESSIONS: Final = frozenset({"tool_call_loop", "retried_failure"})
"""Kinds that are about sessions; the others are about series."""
Severity = Literal["suspect", "warning", "critical"]
Status = Literal["open", "updated", "resolved"]

SEVERITIES: Final[tuple[Severity, ...]] = ("suspect", "warning", "critical")
MAX_EVIDENCE: Final = 20

ESTIMATED: Final = "cost_estimated_from_prices_of"
"""Stands in every answer that shows money which is estimated, with the date of the prices."""

OPENED: Final = "opened"
REOPENED: Final = "reopened"
"""It came back soon after it was resolved: the same finding, open again."""
ESCALATED: Final = "escalated"
"""`updated`, with a higher severity."""
REPEATED: Final = "repeated"
CORRECTED: Final = "corrected"
"""`updated`: a call that came late makes it less than was told."""
CONFIRMED: Final = "confirmed by the agent"
"""`updated`: the agent's own guard says so too."""
LASTING: Final = "lasting"
"""`updated`: a series' finding rests on twice the observations."""
RECOVERED: Final = "recovered"
QUIET: Final = "quiet"
"""`resolved`: nothing more came."""
MOVED_ON: Final = "moved on"
NEW_NORMAL: Final = "new normal"
"""`resolved`: it has lasted so long that the series is compared with it from now on."""
VERSION_GONE: Final = "version gone"
SUPERSEDED: Final = "superseded"
"""`resolved`: it never was; calls that came late belong to it, and another finding tells of all of them."""


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
class Change:
    """What is known of a series' change beside `observed` and `baseline`."""

    size: float
    """How many times as large (`of` = `ratio`), or how much more (`of` = `difference`, of shares)."""
    low: float
    high: float
    """Interval of `size` at 95 %, with the likeness of a session's calls taken into account."""
    of: str
    sessions: int
    """Distinct sessions since the change, estimated above 16; 0 = not known."""
    coincides: tuple[str, ...] = ()
    """Marks whose share jumped with it, such as `version=1.5.0`, `prompt=plan@3`, `model=m-2`."""
    version_before: str = ""

    def as_json(self) -> dict[str, Any]:
        """The wire form."""
        return {
            "size": number(self.size),
            "low": number(self.low),
            "high": number(self.high),
            "of": self.of,
            "sessions": self.sessions,
            "coincides": list(self.coincides),
            "version_before": self.version_before,
        }


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
    """Of `observed` and `baseline`: `calls`, `sessions`, `s`, `ratio`, `tokens`, `USD`."""
    count: int
    """Loops: passes of the cycle; retried failures: sessions; series: observations judged."""
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
    """Why this revision came, in the words above: `opened`, `escalated`, `recovered`, ..."""
    agent_name: str = ""
    change: Change | None = None
    """Series only."""
    shadow: bool = False
    """The rule is on trial: recorded, never alerted."""
    prices_date: str = ""
    """Money named here is estimated, all or in part, from list prices of this date; "" = agents told all of it."""

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
            "wasted": self._wasted(),
            "evidence": [e.as_json() for e in self.evidence],
            "why": self.why,
            "reason": self.reason,
            "change": self.change.as_json() if self.change else None,
            "shadow": self.shadow,
            **({ESTIMATED: self.prices_date} if self.prices_date else {}),
            "next": [*see_session, f"telltale findings {self.id}"],
        }

    def _wasted(self) -> dict[str, Any]:
        return {
            "tokens": None if self.wasted_tokens < 0 else self.wasted_tokens,
            "cost_usd": number(self.wasted_cost_usd),
            "duration_s": number(self.wasted_duration_s),
        }


def number(value: float) -> float | None:
    """A JSON number, or None where the value is not finite."""
    return value if math.isfinite(value) else None


def rfc3339(unix_nano: int) -> str:
    """Nanoseconds since 1970 as RFC 3339 in UTC, to the microsecond; times out of range are clamped."""
    seconds, nanos = divmod(max(0, min(unix_nano, 253402300799_000_000_000)), 1_000_000_000)
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC).replace(microsecond=nanos // 1000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
