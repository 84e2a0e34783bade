"""Pages hold every row once where rows look alike, and calls that no id tells apart are all there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.query.conftest import answering
from tests.query.ties import CALLS, SERIES, SESSIONS


@pytest.fixture(scope="module")
def ties(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Of a store with what `ties.py` holds."""
    with answering(tmp_path_factory.mktemp("ties"), "tests.query.ties") as client:
        yield client


def pages(client: httpx.Client, path: str, rows: str, **asked: Any) -> list[list[dict[str, Any]]]:
    """The rows of all pages."""
    found = []
    cursor: dict[str, str] = {}
    while True:
        answer = client.get(path, params={"max_tokens": 50_000, **asked, **cursor})
        assert answer.status_code == 200, answer.text
        found.append(answer.json()[rows])
        if answer.json()["next_cursor"] is None:
            return found
        cursor = {"cursor": answer.json()["next_cursor"]}


@pytest.mark.parametrize("order", ["calls", "errors", "slowest"])
def test_series_of_equal_numbers_are_each_on_one_page_in_an_order_that_stays(ties: httpx.Client, order: str) -> None:
    first, second = (
        [[row["id"] for row in page] for page in pages(ties, "/v1/series", "series", order=order, limit=20)]
        for _ in range(2)
    )
    assert first == second
    assert [len(page) for page in first] == [20, 20, 20, 4]
    ids = [one for page in first for one in page]
    assert ids == sorted(set(ids))
    assert len(ids) == SERIES


@pytest.mark.parametrize("order", ["latest", "slowest"])
@pytest.mark.parametrize("limit", [7, 137])
def test_calls_without_ids_are_each_on_one_page(ties: httpx.Client, order: str, limit: int) -> None:
    found = pages(ties, "/v1/calls", "calls", kind="model", order=order, limit=limit)
    calls = [row for page in found for row in page]
    assert len(calls) == SESSIONS * CALLS
    assert len({(row["session"], row["at"]) for row in calls}) == SESSIONS * CALLS
    assert all(len(page) == limit for page in found[:-1])


def test_calls_without_ids_in_one_moment_have_each_an_id_that_finds_them(ties: httpx.Client) -> None:
    (calls,) = pages(ties, "/v1/calls", "calls", kind="model", limit=40, until="2026-01-05T09:00:01Z")
    assert len({row["id"] for row in calls}) == SESSIONS
    for row in calls[:3]:
        found = ties.get(f"/v1/calls/{row['id']}").json()["call"]
        assert found["SessionId"] == row["session"]
        assert "KeySession" not in found


def test_calls_without_ids_in_one_moment_count_in_each_of_their_sessions(ties: httpx.Client) -> None:
    listed = ties.get("/v1/calls", params={"kind": "model", "limit": 1}).json()
    assert listed["total"] == SESSIONS * CALLS
    sql = "SELECT count(), sum(InputTokens) FROM model_calls FINAL"
    assert ties.post("/v1/sql", json={"sql": sql}).json()["rows"] == [[SESSIONS * CALLS, 1000 * SESSIONS * CALLS]]
    sessions = [row for page in pages(ties, "/v1/sessions", "sessions", limit=50) for row in page]
    assert {row["model_calls"] for row in sessions if row["session_id"] != "busy"} == {CALLS}
    assert len(sessions) == SESSIONS + 1


@pytest.mark.parametrize("limit", [1, 7])
def test_steps_that_began_at_once_are_each_on_one_page(ties: httpx.Client, limit: int) -> None:
    (whole,) = pages(ties, "/v1/sessions/busy", "steps", limit=200)
    paged = pages(ties, "/v1/sessions/busy", "steps", limit=limit)
    assert [row for page in paged for row in page] == whole
    assert len(whole) > 10
