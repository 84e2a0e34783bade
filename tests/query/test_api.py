"""The API over a real chDB folder, in a process of its own."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import orjson
import pytest
from starlette.requests import Request
from starlette.types import Message

from query import api as api_module
from query.asked import Answer
from query.envelope import Freshness, coverage

AS_OF = "2026-01-05T10:00:00.000000Z"


def refusal(response: httpx.Response) -> dict[str, Any]:
    """The error of an answer; every error has the same five fields."""
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"code", "message", "field", "hint", "retry_after_s"}
    assert error["hint"], "an error says the repair"
    return error


def test_findings_come_latest_first_at_their_last_revision(api: httpx.Client) -> None:
    answer = api.get("/v1/findings", params={"max_tokens": 20_000, "full": "true"}).json()
    assert answer["as_of"] == AS_OF
    assert (answer["total"], answer["truncated"], answer["next_cursor"]) == (12, False, None)
    last_seen = [finding["last_seen"] for finding in answer["findings"]]
    assert last_seen == sorted(last_seen, reverse=True)
    (third,) = [finding for finding in answer["findings"] if finding["id"] == "f0003aaaa"]
    assert (third["revision"], third["status"], third["count"]) == (2, "updated", 30)
    assert {finding["schema"] for finding in answer["findings"]} == {"telltale.finding/v1"}


def test_pages_hold_every_finding_once(api: httpx.Client) -> None:
    seen: list[str] = []
    cursor: str | None = ""
    pages = 0
    while cursor is not None:
        page: dict[str, str | int] = {"limit": 5, "max_tokens": 9000, **({"cursor": cursor} if cursor else {})}
        answer = api.get("/v1/findings", params=page).json()
        assert answer["total"] == 12
        assert answer["truncated"] is (answer["next_cursor"] is not None)
        seen += [finding["id"] for finding in answer["findings"]]
        cursor = answer["next_cursor"]
        pages += 1
    assert (pages, len(seen), len(set(seen))) == (3, 12, 12)


@pytest.mark.parametrize(
    ("filters", "total"),
    [
        ({"status": "open"}, 11),
        ({"status": "resolved"}, 1),
        ({"status": "all"}, 12),
        ({"severity": "critical"}, 1),
        ({"kind": "latency_regression"}, 1),
        ({"session": "stuck"}, 1),
        ({"session": "no such"}, 0),
        ({"status": "open", "severity": "warning", "session": "session-3"}, 1),
        ({"session": "' OR 1=1 --"}, 0),
        ({"session": "\\' OR 1=1 --\n\t\\"}, 0),
    ],
)
def test_filters_narrow_the_list(api: httpx.Client, filters: dict[str, str], total: int) -> None:
    answer = api.get("/v1/findings", params={**filters, "max_tokens": "20000"}).json()
    assert (answer["total"], len(answer["findings"])) == (total, total)


@pytest.mark.parametrize(
    ("path", "code", "field"),
    [
        ("/v1/findings?state=open", "unknown_parameter", "state"),
        ("/v1/findings?status=closed", "bad_value", "status"),
        ("/v1/findings?severity=bad", "bad_value", "severity"),
        ("/v1/findings?kind=x", "bad_value", "kind"),
        ("/v1/findings?limit=0", "bad_value", "limit"),
        ("/v1/findings?limit=501", "bad_value", "limit"),
        ("/v1/findings?limit=-1", "bad_value", "limit"),
        ("/v1/findings?limit=ten", "bad_value", "limit"),
        ("/v1/findings?limit=" + "9" * 5000, "bad_value", "limit"),
        ("/v1/findings?cursor=%FF%00", "bad_cursor", "cursor"),
        ("/v1/findings?cursor=MTIz", "bad_cursor", "cursor"),
        ("/v1/findings?limit=1&limit=2", "repeated_parameter", "limit"),
        ("/v1/sessions/stuck?x=1", "unknown_parameter", "x"),
        ("/v1/calls?since=1h&until=2h", "bad_combination", "since"),
        ("/v1/sessions?until=2d", "bad_combination", "since"),
        ("/v1/guard?session=stuck&arguments=zz", "bad_value", "arguments"),
        ("/v1/overview?x=1", "unknown_parameter", "x"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(api: httpx.Client, path: str, code: str, field: str) -> None:
    response = api.get(path)
    assert response.status_code == 400
    error = refusal(response)
    assert (error["code"], error["field"]) == (code, field)


def test_one_finding_is_read_by_its_id_or_the_beginning_of_it(api: httpx.Client) -> None:
    for asked in ("stuck-finding", "stuck"):
        answer = api.get(f"/v1/findings/{asked}").json()
        assert answer["as_of"] == AS_OF
        assert answer["finding"]["id"] == "stuck-finding"
        assert answer["finding"]["evidence"][0]["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
        assert answer["next"] == ["telltale session stuck", "telltale trace 0af7651916cd43dd8448eb211c80319c"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/findings/nope", 404, "not_found"),
        ("/v1/findings/", 404, "not_found"),
        ("/v1/findings/f00", 400, "ambiguous"),
        ("/v1/findings/%27%20OR%201=1", 404, "not_found"),
        ("/v1/sessions/nope", 404, "not_found"),
        ("/v1/sessions/", 404, "not_found"),
        ("/v2/findings", 404, "not_found"),
        ("/v1/traces", 404, "not_found"),
        ("/", 404, "not_found"),
    ],
)
def test_what_is_not_there_says_what_to_ask_instead(api: httpx.Client, path: str, status: int, code: str) -> None:
    response = api.get(path)
    assert response.status_code == status
    error = refusal(response)
    assert error["code"] == code
    assert error["hint"]


def test_a_session_is_an_outline_with_its_repeats_folded(api: httpx.Client) -> None:
    answer = api.get("/v1/sessions/stuck?max_tokens=5000").json()
    assert answer["as_of"] == AS_OF
    assert (answer["services"], answer["versions"]) == (["claude-code"], ["2.1"])
    assert answer["duration_s"] == 301
    totals = answer["totals"]
    assert (totals["tool_calls"], totals["tool_errors"], totals["model_calls"], totals["prompts"]) == (29, 27, 28, 2)
    assert (totals["input_tokens"], totals["output_tokens"]) == (28_000, 1400)
    assert totals["cost_usd"] == pytest.approx(0.28)

    first, prompt, model, read, cycle, second = answer["steps"][:6]
    assert (first["kind"], first["turn_id"], first["tool_calls"]) == ("turn", "p1", {"Bash": 27, "Read": 1})
    assert (first["tokens"], first["cost_usd"], first["errors"]) == ({"input": 28_000, "output": 1400}, 0.28, 27)
    assert [step["kind"] for step in (prompt, model, read, cycle)] == ["prompt", "model", "tool", "cycle"]
    assert (second["kind"], second["turn_id"]) == ("turn", "p2")
    chat, bash = cycle["steps"]
    assert cycle["times"] == 27
    assert (chat["kind"], chat["tokens"]) == ("model", {"input": 27_000, "output": 1350})
    assert (bash["name"], bash["times"], bash["outcome"], bash["error_type"]) == ("Bash", 27, "error", "ShellError")
    assert (bash["distinct_results"], bash["duration_s"]) == (1, 27.0)
    assert bash["untrusted"] == {"arguments": '{"command": "pytest"}', "result": "Error: no such file"}

    read = answer["steps"][7]
    assert len(read["untrusted"]["arguments"]) == 250
    assert answer["findings"][0]["id"] == "stuck-finding"
    assert answer["coverage"] == {"complete": False, "dead_letters": 0, "events_missing": 2}
    assert answer["next"][0] == "telltale findings stuck-finding"
    assert answer["truncated"] is False


def test_a_healthy_session_has_no_findings_and_folds_nothing(api: httpx.Client) -> None:
    answer = api.get("/v1/sessions/healthy").json()
    assert answer["findings"] == []
    assert [step["name"] for step in answer["steps"] if step["kind"] == "tool"] == ["T0", "T1", "T2", "T3"]
    assert answer["coverage"] == {"complete": True, "dead_letters": 0, "events_missing": None}


def test_the_overview_counts_open_findings_and_what_is_stored(api: httpx.Client) -> None:
    answer = api.get("/v1/overview").json()
    assert answer["as_of"] == AS_OF
    assert answer["open"] == {"critical": 1, "warning": 10, "suspect": 0}
    assert answer["worst"][0]["id"] == "stuck-finding"
    assert answer["tokens"] <= 500


def test_health_and_metrics_answer(api: httpx.Client) -> None:
    assert api.get("/healthz").json() == {"status": "ok", "as_of": AS_OF}
    metrics = api.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=")
    assert metrics.text == "telltale_build_info 1\n"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:4320", "127.0.0.1.evil.example", "", "localhost:x"])
@pytest.mark.parametrize("path", ["/v1/findings", "/metrics", "/healthz"])
def test_a_host_that_is_not_loopback_is_refused(api: httpx.Client, host: str, path: str) -> None:
    response = api.get(path, headers={"host": host})
    assert response.status_code == 403
    assert refusal(response)["code"] == "host_not_allowed"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:4320", "127.0.0.1:1", "[::1]:4320", "[::1]"])
def test_loopback_by_any_of_its_names_is_answered(api: httpx.Client, host: str) -> None:
    assert api.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (b'{"sql": "SELECT 1"}', "text/plain", 415, "wrong_content_type"),
        (b'{"sql": "SELECT 1"', "application/json", 400, "bad_json"),
        (b"\xff", "application/json", 400, "bad_json"),
        (b"[" * 50_000, "application/json", 400, "bad_json"),
        (b"[]", "application/json", 400, "bad_json"),
        (b'{"sql": 1}', "application/json", 400, "bad_value"),
        (b"{}", "application/json", 400, "missing"),
        (b'{"sql": "SELECT 1", "settings": {}}', "application/json", 400, "unknown_parameter"),
        (b'{"sql": "SELECT 1", "limit": 0}', "application/json", 400, "bad_value"),
        (b'{"sql": "SELECT 1", "limit": "1; DROP"}', "application/json", 400, "bad_value"),
        (b'{"sql": "' + b"x" * 70_000 + b'"}', "application/json", 413, "too_large"),
        (b'{"sql": "SELECT \'' + b"x" * 30_000 + b"'\"}", "application/json", 400, "too_long"),
        (b'{"sql": "  "}', "application/json", 400, "empty"),
    ],
)
def test_a_bad_body_is_refused_and_the_next_question_answered(
    api: httpx.Client, content: bytes, content_type: str, status: int, code: str
) -> None:
    response = api.post("/v1/sql", content=content, headers={"content-type": content_type})
    assert (response.status_code, refusal(response)["code"]) == (status, code)
    assert api.post("/v1/sql", json={"sql": "SELECT 1"}).json()["rows"] == [[1]]


async def test_a_body_that_does_not_end_in_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "BODY_S", 0.1)

    async def answer(request: Request) -> dict[str, Any]:
        return await api_module._body(request)

    async def receive() -> Message:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b" ", "more_body": True}

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")], "query_string": b""}
    refused = await api_module.answering(answer)(Request(scope, receive))
    assert (refused.status_code, orjson.loads(refused.body)["error"]["code"]) == (408, "timeout")


def test_the_wrong_method_says_the_right_one(api: httpx.Client) -> None:
    response = api.get("/v1/sql")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    error = refusal(response)
    assert (error["code"], error["hint"]) == ("wrong_method", "POST")


def test_nothing_that_is_offered_at_a_wrong_address_is_itself_not_there(api: httpx.Client) -> None:
    offered = refusal(api.get("/v1/nope"))["hint"].split(", ")
    assert {"GET /v1/traces/{id}", "POST /v1/sql", "GET /v1/consumers"} <= set(offered)
    for method, path in (one.split(" ") for one in offered if "stream" not in one):
        said = api.request(method, path.replace("{", "").replace("}", "")).json()
        assert said.get("error", {}).get("message") != "nothing is here", path


def test_a_poll_that_has_nothing_new_costs_nothing(api: httpx.Client) -> None:
    first = api.get("/v1/findings", params={"limit": 3})
    assert first.headers["etag"].startswith('W/"')
    again = api.get("/v1/findings", params={"limit": 3}, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = api.get("/v1/findings", params={"limit": 4}, headers={"if-none-match": first.headers["etag"]})
    assert other.status_code == 200
    posted = api.post("/v1/sql", json={"sql": "SELECT 1"}, headers={"if-none-match": "*"})
    assert (posted.status_code, "etag" in posted.headers) == (200, False)


def test_a_process_that_does_not_judge_says_that_it_cannot_tell_what_was_judged() -> None:
    told = coverage(Answer({}), Freshness(1, None, 0, judged=False))
    assert told["complete"] is None
    assert "as_of is the newest span stored" in told["note"]
    assert coverage(Answer({}), Freshness(1, None, 3, judged=False))["complete"] is False
    assert coverage(Answer({}), Freshness(1, 0, 0))["complete"] is True
