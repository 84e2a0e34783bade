"""The OpenAPI document: served, checked in, and true to the table of tasks."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from query.openapi import document
from query.service import FUNCTIONS
from query.tasks import TASKS

CHECKED_IN = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_the_copy_that_is_checked_in_is_not_stale() -> None:
    assert json.loads(CHECKED_IN.read_text()) == document(), "run `make docs`"


def test_what_is_served_is_the_document_and_a_reader_who_has_it_gets_it_no_second_time(api: httpx.Client) -> None:
    response = api.get("/v1/openapi.json")
    assert response.json() == document()
    again = api.get("/v1/openapi.json", headers={"if-none-match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_every_task_has_a_function_and_a_path_and_every_function_a_task() -> None:
    assert set(FUNCTIONS) == {task.name for task in TASKS}
    paths = document()["paths"]
    assert all(any(path.startswith(task.path) for path in paths) for task in TASKS)


def test_the_stream_is_described_and_is_what_is_described(api: httpx.Client) -> None:
    described = document()["paths"]["/v1/findings/stream"]["get"]
    assert {(p["in"], p["name"]) for p in described["parameters"]} == {
        ("query", "after"), ("query", "consumer"), ("header", "Last-Event-ID"),
    }  # fmt: skip
    with api.stream("GET", "/v1/findings/stream", params={"after": "now"}) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].partition(";")[0] in described["responses"]["200"]["content"]
    for wrong in ({"after": "f1.damaged"}, {"after": "now", "consumer": "triage"}, {"urk": "1"}):
        assert api.get("/v1/findings/stream", params=wrong).status_code == 400
    assert api.get("/v1/findings/stream", headers={"last-event-id": "f1.damaged"}).status_code == 400
