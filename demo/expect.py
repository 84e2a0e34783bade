"""What the demonstration must find, and nothing besides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from demo.sessions import Sessions
from demo.traffic import CHECKOUT, FAILING_VERSION, SLOW_VERSION

Finding = dict[str, Any]
ALERTED = ("warning", "critical")


def loops_of(findings: Sequence[Finding], session_id: str) -> list[Finding]:
    """The loops found in one session."""
    return [f for f in findings if f["kind"] == "tool_call_loop" and f["session_id"] == session_id]


def alerted(findings: Sequence[Finding]) -> list[Finding]:
    """Those severe enough to alert someone."""
    return [f for f in findings if f["severity"] in ALERTED]


def changes_of(findings: Sequence[Finding], kind: str, version: str) -> list[Finding]:
    """Findings of a kind about one version of the checkout service."""
    return [
        f
        for f in findings
        if f["kind"] == kind and f["series"]["service.name"] == CHECKOUT and f["series"]["version"] == version
    ]


def differences(findings: Sequence[Finding], sessions: Sessions) -> list[str]:
    """A sentence for each way in which the findings are not those expected; empty = exactly right."""
    wrong = []
    loops = loops_of(findings, sessions.stuck)
    if len(loops) != 1:
        wrong.append(f"the stuck session has {len(loops)} tool_call_loop findings, not one")
    elif not alerted(loops):
        wrong.append(f"the stuck session's loop is {loops[0]['severity']}, not warning or critical")
    slow = changes_of(findings, "latency_regression", SLOW_VERSION)
    if not slow:
        wrong.append(f"no latency_regression for {CHECKOUT} {SLOW_VERSION}, the slow release")
    failing = changes_of(findings, "error_spike", FAILING_VERSION)
    if not failing:
        wrong.append(f"no error_spike for {CHECKOUT} {FAILING_VERSION}, the failing release")
    expected = {f["id"] for f in (*loops, *slow, *failing)}
    wrong += [f"unexpected: {describe(f)}" for f in findings if f["id"] not in expected]
    return wrong


def describe(finding: Finding) -> str:
    """A finding in one line, for a report of what differed."""
    series = finding["series"]
    where = finding["session_id"] or f"{series['service.name']} {series['operation']} {series['version']}"
    return f"{finding['kind']} ({finding['severity']}, {finding['status']}) on {where}: {finding['untrusted']['why']}"
