"""The demo succeeds on exactly the expected findings, and says what differs otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from demo import expect, traffic
from demo.sessions import Sessions
from demo.show import finding_lines

SESSIONS = Sessions("healthy-1", "stuck-1")


def finding(kind: str, *, severity: str = "warning", session_id: str = "", version: str = "") -> dict[str, Any]:
    return {
        "id": f"{kind}-{session_id}-{version}",
        "kind": kind,
        "severity": severity,
        "status": "open",
        "session_id": session_id,
        "series": {"service.name": traffic.CHECKOUT, "operation": "POST /checkout", "version": version},
        "untrusted": {"why": "because"},
    }


LOOP = finding("tool_call_loop", session_id="stuck-1")
SLOW = finding("latency_regression", version=traffic.SLOW_VERSION)
FAILING = finding("error_spike", version=traffic.FAILING_VERSION)


def test_the_expected_findings_are_exactly_right() -> None:
    assert expect.differences([LOOP, SLOW, FAILING], SESSIONS) == []


@pytest.mark.parametrize(
    ("findings", "says"),
    [
        pytest.param([SLOW, FAILING], "0 tool_call_loop findings", id="the loop is missed"),
        pytest.param([LOOP, {**LOOP, "id": "2"}, SLOW, FAILING], "2 tool_call_loop", id="the loop is found twice"),
        pytest.param([{**LOOP, "severity": "suspect"}, SLOW, FAILING], "suspect", id="the loop is only suspected"),
        pytest.param([LOOP, FAILING], "no latency_regression", id="the slow release is missed"),
        pytest.param([LOOP, SLOW], "no error_spike", id="the failing release is missed"),
        pytest.param(
            [LOOP, SLOW, FAILING, finding("tool_call_loop", session_id="healthy-1")],
            "unexpected: tool_call_loop",
            id="the healthy session is accused",
        ),
        pytest.param(
            [LOOP, SLOW, FAILING, finding("error_spike", version="1.4.0")],
            "unexpected: error_spike",
            id="the healthy release is accused",
        ),
    ],
)
def test_each_difference_is_said(findings: list[dict[str, Any]], says: str) -> None:
    differences = expect.differences(findings, SESSIONS)
    assert len(differences) == 1
    assert says in differences[0]


def test_a_finding_is_shown_with_its_waste_and_without_control_characters() -> None:
    shown = {
        **LOOP,
        "untrusted": {"why": "`edit_file`\x1b[2J repeated"},
        "count": 8,
        "confidence": "full",
        "wasted": {"tokens": 2100, "cost_usd": None, "duration_s": 2.5},
        "evidence": [{"trace_id": "ab", "span_id": str(n), "time": "t"} for n in range(5)],
    }
    text = "\n".join(finding_lines(shown))
    assert "2,100 tokens, 2.5 s" in text
    assert "span 0" in text
    assert "and 2 more" in text
    assert "\x1b" not in text
