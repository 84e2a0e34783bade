"""A job that fails on the same item in one fresh session after the other, from OTLP to the finding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.assembly import detectors, normalizer
from pipeline.decode.otlp_json import request_from_json
from pipeline.journal import LocalJournal
from pipeline.replay import BATCH_LINES, Replay
from pipeline.settings import Settings
from pipeline.stream import Stream
from schemas.finding import Finding
from tests.pipeline.test_stream import run_stream

START_NS = 1_780_000_000_000_000_000
MINUTE_NS = 60_000_000_000


def span(number: int, name: str, attributes: dict[str, str], at: int, parent: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "spanId": f"{number:016x}", "parentSpanId": f"{parent:016x}" if parent else "", "name": name,
        "startTimeUnixNano": str(at), "endTimeUnixNano": str(at + 1_000_000_000),
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()], **more,
    }  # fmt: skip


def attempt(session: int, minute: float, *, order: str = "7", ok: bool = False, named: bool = True) -> bytes:
    """One session: an agent that fails (or not) to ship an order; `named`: the tool span names the session itself."""
    at, agent, tool = START_NS + int(minute * MINUTE_NS), 2 * session + 1, 2 * session + 2
    conversation = {"gen_ai.conversation.id": f"session-{session}"}
    call = {
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "ship",
        "gen_ai.tool.call.arguments": json.dumps({"order": order}),
        "gen_ai.tool.call.result": "shipped" if ok else "no such warehouse",
    }  # fmt: skip
    status = {} if ok else {"status": {"code": 2, "message": "no such warehouse"}}
    spans = [
        span(tool, "execute_tool ship", call | (conversation if named else {}), at, agent, **status),
        span(agent, "invoke_agent", {"gen_ai.operation.name": "invoke_agent"} | conversation, at - 1_000_000),
    ]
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "shipping"}}]}
    traced = [{**one, "traceId": f"{session + 1:032x}"} for one in spans]
    request = {"resourceSpans": [{"resource": service, "scopeSpans": [{"scope": {"name": "x"}, "spans": traced}]}]}
    return json.dumps(request).encode()


def replayed(lines: list[bytes]) -> list[Finding]:
    settings = Settings(data_dir=Path("unused"))
    run = Replay(normalizer(settings), detectors(), settings)
    for line in lines:
        run.feed(line)
    run.finish()
    found = list(run.findings)
    run.findings.close()
    return found


@pytest.mark.parametrize("named", [True, False], ids=["the call names its session", "only its agent does"])
def test_four_sessions_that_fail_on_one_item_are_one_finding(named: bool) -> None:
    [one] = replayed([attempt(n, n * 10, named=named) for n in range(4)])
    assert (one.kind, one.severity, one.count, one.session_id) == ("retried_failure", "warning", 4, "session-3")
    assert [e.trace_id for e in one.evidence] == [f"{n + 1:032x}" for n in range(4)]
    assert '`{"order":"7"}`' in one.why.replace(" ", "")


@pytest.mark.parametrize("named", [True, False], ids=["the call names its session", "only its agent does"])
def test_one_batch_of_a_recording_may_hold_a_night_of_a_job_and_what_came_weeks_later(named: bool) -> None:
    nights = [attempt(n, n * 1440, named=named) for n in range(5)]
    others = [
        attempt(9 + n, 3 * 1440 + n / 60, order=f"other {n}", ok=True, named=named) for n in range(BATCH_LINES - 4)
    ]
    weeks_later = attempt(6, 20 * 1440, order="another", ok=True, named=named)
    [one] = replayed([*nights[:4], *others, nights[4], weeks_later])
    assert (one.severity, one.count, one.session_id) == ("warning", 5, "session-4")
    assert (one.status, one.reason) == ("resolved", "quiet")


def test_a_success_between_and_other_items_are_not() -> None:
    assert replayed([attempt(n, n * 10, ok=n == 2) for n in range(5)]) == []
    assert replayed([attempt(n, n * 10, order=str(n)) for n in range(9)]) == []


def test_jobs_side_by_side_that_meet_one_passing_error_are_not() -> None:
    at_once = [attempt(n, n / 60) for n in range(8)]
    again = [attempt(n + 10, 2 + n / 60, ok=True) for n in range(8)]
    assert replayed([*at_once, *again]) == []


def test_the_live_stream_finds_the_same(tmp_path: Path) -> None:
    lines = [attempt(n, n * 10, named=n % 2 == 0) for n in range(4)]

    async def body(stream: Stream) -> None:
        for line in lines:
            for signal, value in request_from_json(None, line):
                await LocalJournal(stream.log).append(signal, value)

    told = run_stream(tmp_path, body)
    [one] = replayed(lines)
    assert (told[-1].id, told[-1].count, told[-1].severity) == (one.id, 4, "warning")
    assert {f.kind for f in told} == {"retried_failure"}
