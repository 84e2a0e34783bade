"""What the tasks answer about a fleet with known answers (`fleet.py`), through the API."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.query.fleet import HOSTILE, LATE_TRACE, TRACE


def ask(fleet: httpx.Client, path: str, /, status: int = 200, **parameters: Any) -> dict[str, Any]:
    response = fleet.get(path, params=parameters)
    assert response.status_code == status, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_a_trace_is_a_tree_with_leaves_alike_folded(fleet: httpx.Client) -> None:
    answer = ask(fleet, f"/v1/traces/{TRACE}")
    shown = [(one["depth"], one["name"], one.get("times", 1)) for one in answer["tree"]]
    assert shown == [
        (0, "GET /", 1),
        (1, "POST /checkout", 1),
        (2, "SELECT cart", 20),
        (2, "charge card", 1),
        (3, "POST /charge", 1),
        (0, "send mail", 1),
    ]
    assert (answer["spans"], answer["failed_spans"], answer["duration_s"]) == (25, 2, 1.0)
    assert answer["coverage"]["parents_missing"] == 1
    assert answer["coverage"]["complete"] is False


def test_the_critical_path_says_where_the_time_went(fleet: httpx.Client) -> None:
    path = ask(fleet, f"/v1/traces/{TRACE}")["critical_path"]
    assert [(one["name"], one["own_s"]) for one in path[:3]] == [
        ("POST /charge", 0.48),
        ("GET /", 0.2),
        ("SELECT cart", 0.2),
    ]
    assert sum(one["own_s"] for one in path) == pytest.approx(1.0)


def test_errors_are_told_where_they_began_and_one_span_in_full(fleet: httpx.Client) -> None:
    answer = ask(fleet, f"/v1/traces/{TRACE}")
    assert [one["span_id"] for one in answer["errors"]] == ["d1"]
    assert answer["next"] == [f"telltale trace {TRACE} --span d1"]
    span = ask(fleet, f"/v1/traces/{TRACE}", span="d0")
    assert span["span"]["untrusted"]["attributes"] == {"http.status_code": "402", "peer.service": "payments"}
    assert [one["name"] for one in span["tree"]] == ["charge card", "POST /charge"]


def test_a_trace_is_collapsed_at_a_depth_and_says_how_much_is_below(fleet: httpx.Client) -> None:
    answer = ask(fleet, f"/v1/traces/{TRACE}", depth=1)
    assert [(one["name"], one.get("hidden")) for one in answer["tree"]] == [
        ("GET /", None),
        ("POST /checkout", 22),
        ("send mail", None),
    ]


@pytest.mark.parametrize(
    ("asked", "calls"),
    [
        ({"name": "Edit"}, 300),
        ({"name": "Edit", "session": "coder-3"}, 5),
        ({"name": "Edit", "since": "10m"}, 50),
        ({"since": "2026-01-05T09:00:00Z", "until": "2026-01-05T09:01:00Z", "name": "Edit"}, 5),
        ({"outcome": "error"}, 36),
        ({"text": "FILE-3"}, 60),
        ({"where": ["arguments = file-3.py", "prompt_version = 2"]}, 30),
        ({"where": "duration_s > 1"}, 0),
        ({"where": "arguments =~ '^file-[12]'"}, 120),
        ({"where": "name !~ edit"}, 40),
        ({"kind": "model"}, 300),
        ({"kind": "model", "where": "input_tokens > 1500"}, 150),
        ({"kind": "model", "name": "opus"}, 300),
        ({"kind": "span", "where": "attributes.http.status_code >= 400"}, 2),
        ({"kind": "span", "where": "attributes.http.status_code = 200"}, 23),
        ({"kind": "span", "name": "SELECT cart"}, 20),
        ({"kind": "span", "text": "declined"}, 1),
        ({"kind": "log"}, 30),
        ({"kind": "log", "where": "attributes.n < 10"}, 10),
        ({"kind": "log", "where": "severity >= 17"}, 3),
        ({"name": "' OR 1=1 --"}, 0),
        ({"where": "arguments = ' OR 1=1 --"}, 0),
        ({"where": "arguments =~ '(a+)+$'", "name": "Edit"}, 0),
    ],
    ids=str,
)
def test_calls_are_chosen_by_filters(fleet: httpx.Client, asked: dict[str, Any], calls: int) -> None:
    answer = ask(fleet, "/v1/calls", **asked)
    assert (answer["summary"]["calls"], answer["total"]) == (calls, calls)
    assert len(answer["calls"]) <= calls


@pytest.mark.parametrize(
    ("asked", "field", "says"),
    [
        ({"where": "duration_s"}, "where", "FIELD OPERATOR VALUE"),
        ({"where": "duration_s ~ 5"}, "where", "duration_s is a number"),
        ({"where": "duration_s > five"}, "where", "compare with a number"),
        ({"where": "duration_s > nan"}, "where", "compare with a number"),
        ({"where": "result > 5"}, "where", "result is text"),
        ({"kind": "span", "where": "attributes.x']=='' = 1"}, "where", "FIELD OPERATOR VALUE"),
        ({"where": "nope = 5"}, "where", "fields of a tool: agent"),
        ({"where": "attributes.x = 5"}, "where", "--kind span"),
        ({"where": "result =~ ("}, "where", "no regular expression"),
        ({"where": "result =~ " + "(a?){1000}" * 15}, "where", "no regular expression"),
        ({"where": "result =~ " + "a" * 300}, "where", "200 characters"),
        ({"where": "result =~ " + "a" * 2000}, "where", "at most 1000"),
        ({"where": ["name = x"] * 11}, "where", "at most 10"),
        ({"kind": "span", "session": "x"}, "session", "attributes.session.id"),
        ({"kind": "log", "order": "slowest"}, "order", "latest"),
        ({"since": "yesterday"}, "since", "2h"),
        ({"since": "99999999999d"}, "since", "2h"),
        ({"since": "2026-13-01"}, "since", "2h"),
        ({"until": "9999-01-01"}, "until", "2h"),
        ({"limit": "501"}, "limit", "1 to 500"),
        ({"max_tokens": "10"}, "max_tokens", "200 to"),
        ({"max_tokens": "1e3"}, "max_tokens", "200 to"),
        ({"outcome": "bad"}, "outcome", "ok, error"),
        ({"cursor": "WzFd"}, "cursor", "next_cursor"),
        ({"text": "x" * 2000}, "text", "at most 1000"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_wrong_question_about_calls_is_refused_with_its_repair(
    fleet: httpx.Client, asked: dict[str, Any], field: str, says: str
) -> None:
    error = ask(fleet, "/v1/calls", 400, **asked)["error"]
    assert error["field"] == field
    assert says in error["hint"]


def test_pages_of_calls_hold_every_one_once_in_either_order(fleet: httpx.Client) -> None:
    for order in ("latest", "slowest"):
        seen: list[str] = []
        cursor: dict[str, Any] = {}
        while True:
            answer = ask(fleet, "/v1/calls", name="Edit", order=order, limit=90, max_tokens=50_000, **cursor)
            seen += [call["id"] for call in answer["calls"]]
            if answer["next_cursor"] is None:
                break
            cursor = {"cursor": answer["next_cursor"]}
        assert (len(seen), len(set(seen))) == (300, 300)


def test_a_cursor_of_another_question_is_refused(fleet: httpx.Client) -> None:
    cursor = ask(fleet, "/v1/calls", name="Edit", limit=5)["next_cursor"]
    assert ask(fleet, "/v1/calls", name="Edit", limit=7, cursor=cursor)["calls"]
    error = ask(fleet, "/v1/calls", 400, name="Write", cursor=cursor)["error"]
    assert (error["code"], error["field"]) == ("bad_cursor", "cursor")


def test_one_call_is_read_with_its_content_by_our_id_and_by_the_producers(fleet: httpx.Client) -> None:
    call = ask(fleet, "/v1/calls", session="coder-3", limit=1)["calls"][0]
    one = ask(fleet, f"/v1/calls/{call['id']}")
    assert one["untrusted"] == {"arguments": "file-4.py", "result": "done"}
    assert one["call"]["SessionId"] == "coder-3"
    assert one["next"][0] == "telltale session coder-3"
    assert ask(fleet, f"/v1/calls/{one['call']['CallId']}")["untrusted"] == one["untrusted"]
    for kind in ("model", "span", "log"):
        first = ask(fleet, "/v1/calls", kind=kind, limit=1)["calls"][0]
        assert ask(fleet, f"/v1/calls/{first['id']}")["kind"] == kind


@pytest.mark.parametrize(
    "identity", ["nope", "t1887ca1bff28ca00.00000000", "t.1", "tffffffffffffffff.1", "'", "x" * 900]
)
def test_a_call_that_is_not_there_is_said_so(fleet: httpx.Client, identity: str) -> None:
    assert ask(fleet, f"/v1/calls/{quote(identity)}", 404)["error"]["code"] == "not_found"


def test_series_are_listed_and_one_is_shown_over_time_by_version(fleet: httpx.Client) -> None:
    listed = ask(fleet, "/v1/series", order="slowest")["series"]
    assert [row["operation"] for row in listed] == ["POST /checkout", "GET /cart", "GET /catalog"]
    answer = ask(fleet, f"/v1/series/{listed[0]['id'][:6]}", max_tokens=5000)
    assert [(row["version"], row["calls"]) for row in answer["versions"]] == [("1.5.0", 1800), ("1.4.0", 1800)]
    assert [
        row["p50_s"] == pytest.approx(want, rel=0.1) for row, want in zip(answer["versions"], (0.3, 0.12), strict=True)
    ]
    assert (answer["step_s"], len(answer["over_time"])) == (300, 12)
    assert {row["calls"] for row in answer["over_time"]} == {300}
    assert answer["findings"][0]["id"] == "aaaa0000slower"
    assert [(v["rule"], v["state"], v.get("missing")) for v in answer["verdicts"]] == [
        ("error_spike", "insufficient data", "10 sessions (has 3)"),
        ("latency_regression", "changed", None),
    ]
    assert answer["next"][0] == "telltale compare --service checkout --operation 'POST /checkout'"


def test_the_last_two_versions_are_compared_and_what_got_slower_is_named(fleet: httpx.Client) -> None:
    answer = ask(fleet, "/v1/compare", service="checkout")
    assert (answer["verdict"], answer["before"]["version"], answer["after"]["version"]) == ("worse", "1.4.0", "1.5.0")
    first, second = answer["series"]
    assert (first["operation"], first["verdict"]) == ("POST /checkout", "worse")
    assert [one["measure"] for one in first["changed"]] == ["p50", "p95"]
    low, high = first["changed"][0]["interval"]
    assert low < 2.5 < high
    assert (second["operation"], second["verdict"]) == ("GET /cart", "same")
    assert answer["exemplars"]["before"]
    assert answer["exemplars"]["after"]


def test_a_finding_is_compared_by_its_id_alone(fleet: httpx.Client) -> None:
    answer = ask(fleet, "/v1/compare", finding="aaaa")
    assert (answer["by"], answer["verdict"], answer["after"]["version"]) == ("version", "worse", "1.5.0")
    verdicts = {one["measure"]: one["verdict"] for one in answer["measures"]}
    assert verdicts == {"error_rate": "insufficient data", "p50": "worse", "p95": "worse"}


def test_the_prompt_that_raised_tokens_and_cost_is_told_with_its_size(fleet: httpx.Client) -> None:
    answer = ask(fleet, "/v1/compare", by="prompt", before="review@1", after="review@2")
    told = {one["measure"]: one for one in answer["measures"]}
    assert told["tokens_per_session"]["verdict"] == told["cost_per_session"]["verdict"] == "worse"
    assert told["tokens_per_session"]["ratio"] == pytest.approx(2.0, rel=0.05)
    assert told["turns_per_session"]["verdict"] == "same"
    assert told["looping_sessions"]["verdict"] == "insufficient data"
    assert told["tokens_per_session"]["n"] == [30, 30]


def test_a_shift_between_two_windows_is_told_with_what_went_with_it(fleet: httpx.Client) -> None:
    before, after = "2026-01-05T09:00:00Z..2026-01-05T09:30:00Z", "30m..0m"
    answer = ask(fleet, "/v1/compare", by="window", before=before, after=after, service="coder")
    assert answer["went_with"][0] == {"prompt": "review@2", "share_before": 0.0, "share_after": 1.0}
    assert {one["measure"]: one["verdict"] for one in answer["measures"]}["tokens_per_session"] == "worse"


@pytest.mark.parametrize(
    ("asked", "status", "field"),
    [
        ({}, 400, "before"),
        ({"service": "catalog"}, 400, "before"),
        ({"before": "1.4.0"}, 400, "after"),
        ({"by": "window", "before": "2h", "after": "1h..0h"}, 400, "before"),
        ({"by": "window", "before": "1h..2h", "after": "1h..0h"}, 400, "before"),
        ({"by": "window", "before": "x..y", "after": "1h..0h"}, 400, "before"),
        ({"by": "sessions"}, 400, "by"),
        ({"finding": "nope"}, 404, "finding"),
        ({"finding": "bbbb"}, 400, "finding"),
        ({"finding": "aaaa", "service": "checkout"}, 400, "service"),
    ],
    ids=str,
)
def test_what_cannot_be_compared_is_refused(
    fleet: httpx.Client, asked: dict[str, Any], status: int, field: str
) -> None:
    assert ask(fleet, "/v1/compare", status, **asked)["error"]["field"] == field


def test_a_side_that_is_not_named_comes_with_those_there_are(fleet: httpx.Client) -> None:
    hint = ask(fleet, "/v1/compare", 400, by="prompt")["error"]["hint"]
    assert {"review@1", "review@2"} <= set(re.findall(r"[\w@]+", hint))
    assert "1.5.0" in ask(fleet, "/v1/compare", 400, before="1.4.0")["error"]["hint"]
    assert "3.2.0" in ask(fleet, "/v1/compare", 400, service="catalog")["error"]["hint"]
    assert "opus" in ask(fleet, "/v1/compare", 400, by="model")["error"]["hint"]


def test_sides_without_calls_are_no_verdict(fleet: httpx.Client) -> None:
    answer = ask(fleet, "/v1/compare", before="7.0", after="8.0")
    assert (answer["verdict"], answer["coverage"]["complete"]) == ("insufficient data", False)


@pytest.mark.parametrize(
    ("assertion", "more", "result"),
    [
        ("POST /checkout p95 < 800ms", {}, "pass"),
        ("POST /checkout p95 < 0.8s", {"version": "1.5.0"}, "pass"),
        ("POST /checkout p95 < 300ms", {"version": "1.5.0"}, "fail"),
        ("POST /checkout p95 < 300ms", {"version": "1.4.0"}, "pass"),
        ("POST /checkout p50 < 300ms", {"version": "1.5.0"}, "inconclusive"),
        ("POST /checkout errors < 5%", {}, "pass"),
        ("POST /checkout error_rate <= 0.001", {}, "fail"),
        ("GET /cart p50 > 1ms", {}, "pass"),
        ("GET /cart p99.9 < 60s", {"since": "1m"}, "inconclusive"),
        ("p50 < 10s", {"service": "catalog"}, "pass"),
        ("GET /cart p50 < 1s", {"since": "2026-02-01"}, "inconclusive"),
    ],
    ids=str,
)
def test_a_bound_holds_or_not_or_it_cannot_be_told(
    fleet: httpx.Client, assertion: str, more: dict[str, Any], result: str
) -> None:
    answer = ask(fleet, "/v1/assert", assertion=assertion, **more)
    assert (answer["result"], answer["bound"] > 0) == (result, True)
    if answer["n"]:
        assert answer["interval"][0] <= answer["observed"]
        assert answer["evidence"] or "errors" in assertion or "error_rate" in assertion


def test_evidence_that_is_stored_twice_is_shown_once(fleet: httpx.Client) -> None:
    told = ask(fleet, "/v1/assert", assertion="POST /checkout p95 < 1s", since="2026-01-05T09:58:00Z")
    assert len(told["evidence"]) == len({one["span_id"] for one in told["evidence"]}) == 2


@pytest.mark.parametrize(
    ("assertion", "status", "hint"),
    [
        ("fast", 400, "MEASURE < NUMBER"),
        ("p95 < 800", 400, "MEASURE < NUMBER"),
        ("errors < 5s", 400, "MEASURE < NUMBER"),
        ("errors < 7", 400, "MEASURE < NUMBER"),
        ("p95 == 3s", 400, "MEASURE < NUMBER"),
        ("POST /check-out p95 < 1s", 404, "nearest: POST /checkout"),
        ("x'; DROP TABLE series_1m; -- p95 < 1s", 404, "telltale series"),
    ],
)
def test_what_asserts_nothing_is_refused(fleet: httpx.Client, assertion: str, status: int, hint: str) -> None:
    error = ask(fleet, "/v1/assert", status, assertion=assertion)["error"]
    assert error["field"] == "assertion"
    assert hint in error["hint"]


@pytest.mark.parametrize(
    ("path", "given", "field", "nearest"),
    [
        ("/v1/calls/{theirs}x", {}, "id", "{theirs}"),
        ("/v1/calls/{call}", {}, "id", "{near}"),
        ("/v1/compare", {"service": "check-out"}, "service", "checkout"),
        ("/v1/compare", {"service": "check-out", "before": "1.4.0", "after": "1.5.0"}, "service", "checkout"),
        ("/v1/compare", {"finding": "aaaa0000s1ower"}, "finding", "aaaa0000slower"),
        ("/v1/assert", {"assertion": "p95 < 1s", "service": "check-out"}, "service", "checkout"),
    ],
)
def test_what_is_not_there_comes_with_the_nearest_that_is(
    fleet: httpx.Client, path: str, given: dict[str, str], field: str, nearest: str
) -> None:
    near = ask(fleet, "/v1/calls", name="Edit", limit=1)["calls"][0]["id"]
    theirs = ask(fleet, f"/v1/calls/{near}")["call"]["CallId"]
    time, dot, rest = near.partition(".")
    call = f"{time[:-4]}0000{dot}{rest}"
    error = ask(fleet, path.format(call=call, theirs=theirs), 404, **given)["error"]
    assert (error["code"], error["field"]) == ("not_found", field)
    assert f"nearest: {nearest.format(near=near, theirs=theirs)}" in error["hint"]


def test_an_id_of_any_characters_can_be_asked_for_and_is_never_offered_to_be_run(fleet: httpx.Client) -> None:
    answer = ask(fleet, f"/v1/sessions/{quote(HOSTILE, safe='')}", max_tokens=5000)
    assert answer["session_id"] == HOSTILE
    assert answer["totals"]["tool_calls"] == 36
    assert not any("hostile" in command and "bbbb" not in command for command in answer["next"])
    finding = ask(fleet, "/v1/findings/bbbb")
    assert not any("session" in command for command in finding["next"])


def test_a_call_whose_session_became_known_late_is_told_of_that_session_alone(fleet: httpx.Client) -> None:
    assert ask(fleet, f"/v1/sessions/{LATE_TRACE}", 404)["error"]["code"] == "not_found"
    assert ask(fleet, "/v1/sessions/late")["totals"]["tool_calls"] == 1
    assert ask(fleet, "/v1/calls", session=LATE_TRACE)["total"] == 0
    assert ask(fleet, "/v1/calls", name="Grep")["total"] == 1
    call = ask(fleet, "/v1/calls", name="Grep")["calls"][0]
    assert call["session"] == "late"
    assert ask(fleet, f"/v1/calls/{call['id']}")["call"]["SessionId"] == "late"


@pytest.mark.parametrize(
    ("order", "first"), [("latest", "coder-59"), ("errors", HOSTILE), ("calls", HOSTILE), ("tokens", ""), ("cost", "")]
)
def test_sessions_are_listed_by_what_is_asked_and_every_one_once(fleet: httpx.Client, order: str, first: str) -> None:
    seen: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        answer = ask(fleet, "/v1/sessions", order=order, limit=25, max_tokens=50_000, **cursor)
        seen += answer["sessions"]
        if answer["next_cursor"] is None:
            break
        cursor = {"cursor": answer["next_cursor"]}
    assert len({row["session_id"] for row in seen}) == len(seen) == 62
    assert first in ("", seen[0]["session_id"])
    key = {"latest": "last", "cost": "cost_usd"}.get(order, order)
    if key in seen[0]:
        assert [row[key] for row in seen] == sorted((row[key] for row in seen), reverse=True)
    assert [row["session_id"] for row in seen if "looping" in row] == [HOSTILE]


def test_a_call_that_was_sent_twice_counts_once(fleet: httpx.Client) -> None:
    answer = ask(fleet, "/v1/calls", name="Glob")
    assert (answer["total"], len(answer["calls"]), answer["truncated"]) == (1, 1, False)
    assert ask(fleet, "/v1/sessions/twice")["totals"]["tool_calls"] == 1
    (listed,) = [
        row for row in ask(fleet, "/v1/sessions", max_tokens=50_000)["sessions"] if row["session_id"] == "twice"
    ]
    assert listed["tool_calls"] == 1
