"""A loop as a finding: identity, one sentence, evidence and waste."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, NamedTuple

from detectors.loops.calls import ARGUMENTS, HOOK, MERGED, REWRITTEN, SIZE, SIZE_RANK, Call, quoted
from detectors.loops.ladder import WATCHES
from detectors.loops.loop import AGENT, ERROR, FAILING, RESULT, Loop
from detectors.loops.texts import Said
from schemas.facts import STRENGTHS
from schemas.finding import MAX_EVIDENCE, SEVERITIES, Evidence, Finding, Status

MAX_TOOLS_NAMED: Final = 5


def begin(first: Call) -> tuple[str, str, int]:
    """What tells a loop apart: its first call.

    A hook and the agent's telemetry name and time a call differently and number it the same. Where no hook tells, the
    number is not enough: some models count their calls anew in each session.
    """
    return (first.ident, "", 0) if _hooked(first) else (first.ident, first.tool, first.start)


def fingerprint(origin: Origin, first: Call) -> str:
    """Of the rule, the service and what tells the loop apart, never of the session: that may become known late.

    But where a hook tells, which knows the session from the start and not the service.
    """
    ident, tool, start = begin(first)
    whose = origin.session_id if _hooked(first) else origin.service_name
    text = "\x00".join((origin.rule, whose, ident, tool, str(start)))
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _hooked(first: Call) -> bool:
    return bool(first.flags & (HOOK | MERGED) and first.call_id)


class Revision(NamedTuple):
    """Which telling of a finding it is, and why it came."""

    number: int
    status: Status
    reason: str


class Origin(NamedTuple):
    """Where the loop was seen."""

    rule: str
    service_name: str
    session_id: str


def finding(loop: Loop, origin: Origin, revision: Revision, said: Said) -> Finding:
    """One revision of a loop's finding."""
    mark = loop.mark or fingerprint(origin, loop.first)
    count = max(loop.count, loop.verdict_count if loop.pattern == AGENT else 0)
    return Finding(
        id=mark[:16],
        fingerprint=mark,
        revision=revision.number,
        rule=origin.rule,
        kind="tool_call_loop",
        severity=SEVERITIES[max(0, loop.severity)],
        status=revision.status,
        confidence="agent" if loop.pattern == AGENT else STRENGTHS[loop.confidence],
        session_id=origin.session_id,
        service_name=origin.service_name,
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
        wasted_tokens=loop.wasted.tokens,
        wasted_cost_usd=loop.wasted.cost_usd,
        wasted_duration_s=round(loop.wasted.seconds, 6),
        evidence=_evidence(loop),
        why=why(loop, count, said),
        reason=revision.reason,
        agent_name=loop.agent,
        prices_date=loop.wasted.prices_date,
    )


def _evidence(loop: Loop) -> tuple[Evidence, ...]:
    total, kept = sum(loop.counts.values()), len(loop.evidence)
    rows = []
    for index, (trace_id, span_id, time, call_id) in enumerate(loop.evidence[-MAX_EVIDENCE:]):
        number = index + 1 if index < 4 else total - kept + index + 1
        rows.append(Evidence(trace_id, span_id, time, call_id, f"call {max(index + 1, number)}"))
    return tuple(rows)


def why(loop: Loop, count: int, said: Said) -> str:
    """One sentence; what it quotes from telemetry stands in backquotes."""
    sentence = _sentence(loop, count, said)
    if loop.waiting:
        sentence += "; the tool or its result says that it waits"
    if loop.hidden == WATCHES and not loop.waiting:
        sentence += "; it reads what others change, so unseen answers may have been new"
    if loop.verdict and loop.pattern != AGENT:
        sentence += f"; the agent's own guard says so too (`{loop.verdict}`)"
    return sentence + "."


def _sentence(loop: Loop, count: int, said: Said) -> str:
    tool = f"`{loop.first.tool or '?'}`"
    result, arguments = _quote(said.result), _quote(said.arguments)
    if loop.pattern == AGENT:
        what = f", {tool} called {loop.count} times" if loop.first.tool else ""
        return f"The agent's own guard reports a loop (`{loop.verdict}`{what})"
    streaks = {
        ERROR: f"{tool} failed {count} times in a row with the same error{result} although its arguments changed",
        RESULT: f"{tool} gave the same result {count} times in a row{result} although its arguments changed",
        FAILING: f"{tool} was called {count} times in a row with the same arguments{arguments} and failed each time",
    }
    return streaks.get(loop.pattern) or _cycle(loop, count, result, arguments)


def _cycle(loop: Loop, count: int, result: str, arguments: str) -> str:
    tool = f"`{loop.first.tool or '?'}`"
    if loop.level > SIZE:
        return f"{tool} failed {count} times in a row in the same way{result}; its arguments are not in the telemetry"
    alike = "arguments of the same size" if loop.level == SIZE else f"the same arguments{arguments}"
    if not loop.several:
        return f"{tool} was called {count} times with {alike} {_end(loop, result)}"
    calls = f"{len(loop.counts)} calls of {tool}" if len(loop.tools) == 1 else _listed(loop.tools)
    each = "" if loop.level == SIZE else f", beginning with{arguments}" if arguments else ""
    alike = "arguments of the same sizes" if loop.level == SIZE else "the same arguments"
    return f"{calls} were repeated in turn {count} times with {alike}{each}, {_end(loop, result)}"


def _listed(tools: list[str]) -> str:
    return ", ".join(f"`{tool or '?'}`" for tool in tools[:MAX_TOOLS_NAMED])


def _end(loop: Loop, result: str) -> str:
    if loop.failed:
        return f"and failed the same way each time{result}"
    if not loop.several and loop.last_call.result_key == REWRITTEN:
        return f"and wrote the same each time{result}"
    if loop.level >= ARGUMENTS and loop.confidence <= SIZE_RANK:
        return "and gave results of the same size each time; their text is not in the telemetry"
    if loop.level >= ARGUMENTS:
        return "and succeeded each time; the results' text is not in the telemetry"
    return f"and gave the same result each time{result}"


def _quote(text: str) -> str:
    shown = quoted(text)
    return f" (`{shown}`)" if shown else ""
