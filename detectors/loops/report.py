"""A loop as a finding: identity, one sentence, evidence and waste."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from detectors.loops.calls import ARGUMENTS, SIZE, Call
from detectors.loops.loop import AGENT, ERROR, FAILING, RESULT, Loop
from schemas.facts import STRENGTHS
from schemas.finding import MAX_EVIDENCE, SEVERITIES, Evidence, Finding, Status

MAX_TOOLS_NAMED: Final = 5


def fingerprint(rule: str, service_name: str, first: Call) -> str:
    """Of the rule, the service and the loop's first call, never of the session: that may become known late."""
    ident = first.ident or f"{first.start}"
    text = "\x00".join((rule, service_name, ident, first.tool))
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def finding(
    loop: Loop, *, rule: str, service_name: str, session_id: str, revision: int, status: Status, reason: str
) -> Finding:
    """One revision of a loop's finding."""
    mark = fingerprint(rule, service_name, loop.first)
    count = max(loop.count, loop.verdict_count if loop.pattern == AGENT else 0)
    return Finding(
        id=mark[:16],
        fingerprint=mark,
        revision=revision,
        rule=rule,
        kind="tool_call_loop",
        severity=SEVERITIES[max(0, loop.severity)],
        status=status,
        confidence="agent" if loop.pattern == AGENT else STRENGTHS[loop.confidence],
        session_id=session_id,
        service_name=service_name,
        operation="execute_tool",
        tool=loop.first.tool,
        model="",
        version=loop.last_call.version,
        first_seen_unix_nano=loop.first.start,
        last_seen_unix_nano=loop.last_call.end,
        detected_at_unix_nano=loop.detected_at,
        observed=float(count),
        baseline=1.0,
        unit="calls",
        count=count,
        wasted_tokens=loop.tokens,
        wasted_cost_usd=loop.cost_usd,
        wasted_duration_s=round(loop.seconds, 6),
        evidence=_evidence(loop),
        why=why(loop, count),
        reason=reason,
        agent_name=loop.agent,
    )


def _evidence(loop: Loop) -> tuple[Evidence, ...]:
    total, kept = sum(loop.counts.values()), len(loop.evidence)
    rows = []
    for index, (trace_id, span_id, time, call_id) in enumerate(loop.evidence[-MAX_EVIDENCE:]):
        number = index + 1 if index < 4 else total - kept + index + 1
        rows.append(Evidence(trace_id, span_id, time, call_id, f"call {max(index + 1, number)}"))
    return tuple(rows)


def why(loop: Loop, count: int) -> str:
    """One sentence; what it quotes from telemetry stands in backquotes."""
    sentence = _sentence(loop, count)
    if loop.waiting:
        sentence += "; the tool or its result says that it waits"
    if loop.verdict and loop.pattern != AGENT:
        sentence += f"; the agent's own guard says so too (`{loop.verdict}`)"
    return sentence + "."


def _sentence(loop: Loop, count: int) -> str:
    tool = f"`{loop.first.tool or '?'}`"
    result = _quote(loop.last_call.result)
    if loop.pattern == AGENT:
        what = f", {tool} called {loop.count} times" if loop.first.tool else ""
        return f"The agent's own guard reports a loop (`{loop.verdict}`{what})"
    if loop.pattern == ERROR:
        return f"{tool} failed {count} times in a row with the same error{result} although its arguments changed"
    if loop.pattern == RESULT:
        return f"{tool} gave the same result {count} times in a row{result} although its arguments changed"
    if loop.pattern == FAILING:
        return f"{tool} was called {count} times in a row with the same arguments{_quote(loop.first.arguments)} and failed each time"
    arguments = _quote(loop.first.arguments)
    alike = "arguments of the same size" if loop.level == SIZE else f"the same arguments{arguments}"
    if loop.level > SIZE:
        return f"{tool} failed {count} times in a row in the same way{result}; its arguments are not in the telemetry"
    end = _end(loop, result)
    if len(loop.counts) > 1:
        tools = ", ".join(f"`{t or '?'}`" for t in loop.tools[:MAX_TOOLS_NAMED])
        verb = "was called in turn with itself" if len(loop.tools) == 1 else "were called in turn"
        return f"{tools} {verb} {count} times with {alike} first {end}"
    return f"{tool} was called {count} times with {alike} {end}"


def _end(loop: Loop, result: str) -> str:
    if loop.failed:
        return f"and failed the same way each time{result}"
    if loop.level >= ARGUMENTS:
        return "and succeeded each time; the results' text is not in the telemetry"
    return f"and gave the same result each time{result}"


def _quote(text: str) -> str:
    return f" (`{text}`)" if text else ""
