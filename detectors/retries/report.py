"""A retried failure as a finding."""

from __future__ import annotations

import math
from hashlib import blake2b

from detectors.loops.calls import TRUNCATED
from detectors.retries.state import Item
from schemas.facts import STRENGTHS
from schemas.finding import MAX_EVIDENCE, SEVERITIES, Evidence, Finding, Status


def fingerprint(rule: str, service_name: str, item: Item) -> str:
    """Of the rule, the service and the first failure."""
    first = item.sessions[0]
    text = "\x00".join((rule, service_name, item.tool, item.error, first.trace_id, first.span_id, str(first.first)))
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def finding(rule: str, what: tuple[str, Item], revision: int, change: tuple[Status, str]) -> Finding:
    """One revision; `change` is status and reason. It belongs to the session that failed last."""
    service_name, item = what
    first, last = item.sessions[0], item.sessions[-1]
    return Finding(
        id=item.mark[:16],
        fingerprint=item.mark,
        revision=revision,
        rule=rule,
        kind="retried_failure",
        severity=SEVERITIES[max(0, item.severity)],
        status=change[0],
        confidence=STRENGTHS[item.strength],
        session_id=last.session_id,
        service_name=service_name,
        operation="execute_tool",
        tool=item.tool,
        model="",
        version=last.version,
        first_seen_unix_nano=first.first,
        last_seen_unix_nano=item.last,
        detected_at_unix_nano=item.detected,
        observed=float(item.told_count),
        baseline=1.0,
        unit="sessions",
        count=item.told_count,
        wasted_tokens=-1,
        wasted_cost_usd=math.nan,
        wasted_duration_s=math.nan,
        evidence=tuple(
            Evidence(one.trace_id, one.span_id, one.first, one.call_id, f"session {number}")
            for number, one in enumerate(item.sessions[:MAX_EVIDENCE], 1)
        ),
        why=_why(item),
        reason=change[1],
    )


def _why(item: Item) -> str:
    arguments = f" (`{item.arguments}`)" if item.arguments else ""
    result = f" (`{item.result}`)" if item.result else ""
    how = f"the same way{result}" if item.strength <= TRUNCATED else "with an error whose text is not in the telemetry,"
    return (
        f"`{item.tool or '?'}` with the same arguments{arguments} failed {how} in {item.told_count} sessions, one "
        "after the other, and never succeeded between."
    )
