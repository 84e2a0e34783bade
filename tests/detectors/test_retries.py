"""The same failing call in one session after the other, and what only looks like it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from schemas.facts import Attempt
from schemas.finding import MAX_EVIDENCE, Finding
from tests.detectors.conformance.laws import RETRIED, SECOND_NS, START_NS, failed, fold

MINUTE_NS = 60 * SECOND_NS


def found(events: list[Any]) -> list[Finding]:
    return fold(RETRIED, events)[1]


def went_well(session_id: str, minute: float, call: str = "read\x1fa") -> Attempt:
    return Attempt(call, session_id, START_NS + int(minute * MINUTE_NS))


def in_a_row(count: int, apart: int = 5) -> list[Attempt]:
    return [failed(f"s{n}", n * apart) for n in range(count)]


def test_the_fourth_fresh_session_is_a_warning_that_names_what_failed() -> None:
    *_, last = found(in_a_row(4))
    assert (last.severity, last.count, last.unit, last.session_id) == ("warning", 4, "sessions", "s3")
    assert [e.note for e in last.evidence] == [f"session {n}" for n in (1, 2, 3, 4)]
    assert last.why == (
        "`bash` with the same arguments (`make test`) failed the same way (`the same result`) in 4 sessions, one after "
        "the other, and never succeeded between."
    )
    assert last.as_json()["next"][0] == "telltale session s3"


def test_one_finding_grows_and_many_sessions_are_critical() -> None:
    told = found(in_a_row(30))
    assert len({one.id for one in told}) == 1
    assert (told[-1].severity, told[-1].count, len(told[-1].evidence)) == ("critical", 30, MAX_EVIDENCE)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
def test_the_order_in_which_attempts_arrive_makes_no_difference(order: tuple[int, ...]) -> None:
    events = in_a_row(4)
    assert found([events[n] for n in order])[-1].count == 4


def test_attempts_told_twice_count_once() -> None:
    events = in_a_row(3)
    assert [one.count for one in found([*events, *events, *events])] == [3]


def test_a_session_first_told_under_its_trace_is_one_session() -> None:
    events = [failed(f"trace{n}", n * 5, span_id=f"x{n}") for n in range(3)]
    again = [failed("session", n * 5, span_id=f"x{n}") for n in range(3)]
    last = found([*events, *again])[-1]
    assert (last.status, last.reason) == ("resolved", "moved on")


def test_retries_faster_than_a_session_settles_are_told_once_that_time_has_passed() -> None:
    quick = [failed(f"s{n}", 0, start_time_unix_nano=START_NS + n * 10 * SECOND_NS) for n in range(40)]
    told = found(quick)
    assert told[0].first_seen_unix_nano == START_NS
    assert told[-1].severity == "warning"
    assert told[-1].count == 7


def test_sessions_side_by_side_are_no_retries_however_long_they_try() -> None:
    events = [
        failed(f"s{n}", 0, start_time_unix_nano=START_NS + (turn * 40 + n) * SECOND_NS)
        for turn in range(30)
        for n in range(8)
    ]
    assert found(events) == []


def test_a_success_elsewhere_ends_it_and_a_later_failure_begins_anew() -> None:
    call = failed("s0", 0).call
    told = found([*in_a_row(4), went_well("other", 30, call), *[failed(f"t{n}", 40 + n * 5) for n in range(3)]])
    assert [(one.status, one.reason) for one in told[2:]] == [("resolved", "recovered"), ("open", "opened")]
    assert told[-1].count == 3
    assert told[-1].id != told[0].id


def test_a_success_heard_of_late_leaves_the_failures_after_it() -> None:
    call = failed("s0", 0).call
    told = found([*in_a_row(7), went_well("other", 12, call)])
    assert [(one.status, one.count) for one in told[-2:]] == [("resolved", 7), ("open", 4)]


def test_a_session_that_goes_on_after_all_is_taken_back() -> None:
    went_on = [went_well("s2", 11 + n / 10, f"read\x1f{n}") for n in range(5)]
    last = found([*in_a_row(3), *went_on])[-1]
    assert (last.status, last.reason) == ("resolved", "moved on")


def test_what_is_not_known_is_not_equal() -> None:
    for hidden in ({"arguments_strength": "size"}, {"result_strength": "name", "error_type": ""}):
        assert found([failed(f"s{n}", n * 5, **hidden) for n in range(9)]) == []


def test_where_only_the_kind_of_error_is_known_it_stays_suspect() -> None:
    told = found([failed(f"s{n}", n * 5, result_strength="name", result_signature="") for n in range(20)])
    assert (told[0].count, told[-1].count) == (6, 20)
    assert {(one.severity, one.confidence) for one in told} == {("suspect", "name")}


def test_refusals_are_no_failures() -> None:
    assert found([failed(f"s{n}", n * 5, outcome="denied") for n in range(9)]) == []


def test_asking_telltale_is_no_job() -> None:
    assert found([failed(f"s{n}", n * 5, tool_name="mcp__telltale__findings") for n in range(9)]) == []


def test_a_finding_that_comes_back_is_the_same_one() -> None:
    went_on = [went_well("s2", 11 + n / 10, f"read\x1f{n}") for n in range(5)]
    told = found([*in_a_row(3), *went_on, failed("s3", 15)])
    assert [(one.revision, one.reason) for one in told] == [(1, "opened"), (2, "moved on"), (3, "reopened")]
