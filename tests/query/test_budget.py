"""The budget holds, whatever telemetry put in, and what telemetry wrote stays where it belongs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.budget import cost, fit
from query.tokens import estimated_tokens
from schemas.errors import QueryError
from tests.query.fleet import HOSTILE, INJECTION, TRACE

ASKED = (
    "/v1/overview",
    "/v1/findings",
    "/v1/findings/bbbb",
    f"/v1/sessions/{quote(HOSTILE, safe='')}",
    f"/v1/sessions/{quote(HOSTILE, safe='')}?detail=turns",
    f"/v1/traces/{TRACE}",
    f"/v1/traces/{TRACE}?span=d0",
    "/v1/calls?outcome=error",
    "/v1/calls?outcome=error&limit=1",
    "/v1/calls?kind=log",
    "/v1/calls?kind=span",
    "/v1/series",
    "/v1/compare?service=checkout",
    "/v1/schema",
    "/v1/schema/otel_traces",
)


@pytest.mark.parametrize("max_tokens", [200, 400, 1000, 2000, 6000])
@pytest.mark.parametrize("path", ASKED)
def test_no_answer_costs_more_than_its_budget(fleet: httpx.Client, path: str, max_tokens: int) -> None:
    response = fleet.get(path, params={"max_tokens": max_tokens} if "?" not in path else None)
    if "?" in path:
        response = fleet.get(f"{path}&max_tokens={max_tokens}")
    if response.status_code == 400:
        error = response.json()["error"]
        assert (error["code"], error["field"]) == ("budget_too_small", "max_tokens")
        assert max_tokens <= 1000, "an ordinary budget is enough for the fixed part of every answer"
        max_tokens = told_to_do(error["hint"])
        response = fleet.get(f"{path}{'&' if '?' in path else '?'}max_tokens={max_tokens}")
        assert response.status_code == 200, "what the error says would do does"
    answer = response.json()
    assert estimated_tokens(response.text) <= answer["tokens"] <= max_tokens


def told_to_do(hint: str | None) -> int:
    """The budget that an error says is enough."""
    return int("".join(filter(str.isdigit, hint or "")))


def test_ids_that_an_agent_chose_do_not_break_the_budget_through_the_cursor(fleet: httpx.Client) -> None:
    asked: dict[str, str | int] = {"since": "60d", "until": "10d", "limit": 1, "max_tokens": 1_500}
    seen = []
    for _ in range(2):
        response = fleet.get("/v1/sessions", params=asked)
        assert response.status_code == 200, response.text
        answer = response.json()
        assert estimated_tokens(response.text) <= answer["tokens"] <= 1_500
        seen += [row["session_id"] for row in answer["sessions"]]
        asked["cursor"] = answer["next_cursor"]
    assert answer["next_cursor"] is None
    assert {one[-1] for one in seen} == {"0", "1"}


def test_every_row_of_sql_is_cut_to_the_budget_too(fleet: httpx.Client) -> None:
    for sql in ("SELECT * FROM tool_calls", "SELECT repeat('ሀ', 100000) FROM numbers(3)", "SELECT range(50000)"):
        response = fleet.post("/v1/sql", json={"sql": sql})
        assert response.status_code == 200, response.text
        assert estimated_tokens(response.text) <= 2000


def outside(value: Any) -> Iterator[str]:
    """Texts that stand below no `untrusted`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, below in value.items():
            if key != "untrusted":
                yield from outside(below)
    elif isinstance(value, list):
        for below in value:
            yield from outside(below)


@pytest.mark.parametrize("path", [p for p in ASKED if "sessions" not in p])
def test_sentences_of_telemetry_stand_below_untrusted_or_are_bounded_names(fleet: httpx.Client, path: str) -> None:
    answer = fleet.get(path).json()
    names = ("name", "error_type", "tool", "session", "session_id")
    for text in outside(answer):
        assert len(text) <= 600
    for command in answer["next"]:
        assert INJECTION not in command
        assert command.startswith("telltale ")
    assert INJECTION not in orjson.dumps({k: v for k, v in answer.items() if k in ("next", "coverage")}).decode()
    assert names


texts = st.text(max_size=300)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda below: st.lists(below, max_size=5) | st.dictionaries(texts, below, max_size=5),
    max_leaves=20,
)


@given(
    st.lists(values, max_size=20),
    st.dictionaries(texts, values, max_size=4),
    st.integers(50, 3000),
    st.integers(0, 400),
)
def test_whatever_an_answer_holds_it_fits_or_says_what_would(
    rows: list[Any], more: dict[str, Any], most: int, around: int
) -> None:
    body = {**more, "untrusted": {"text": str(more)}, "rows": rows}
    refused: QueryError | None = None
    try:
        fitted = fit(body, "rows", most, around)
    except QueryError as error:
        refused = error
    if refused is not None:
        assert (refused.code, refused.field) == ("budget_too_small", "max_tokens")
        most = told_to_do(refused.hint)
        fitted = fit(body, "rows", most, around)
    assert cost(fitted.body) <= most - around
    assert fitted.shown == len(fitted.body["rows"]) <= len(rows)


MEASURED = {
    "the quick brown fox jumps over the lazy dog " * 20: 181,
    "qxzj vkwq xzjk " * 40: 361,
    "0123456789" * 50: 167,
    "5caa9e40a9dd7006e63b15aefd6c8c7a " * 20: 500,
    "~!@#$%^&*()_+{}|:<>?" * 20: 320,
    "中文字符测试内容" * 30: 150,
    "ሀለሐመሠረሰሸ" * 20: 460,
    "🜀🜁🜂🜃" * 40: 480,
}
"""Text -> the most tokens that any of four public byte-pair vocabularies made of it."""


@pytest.mark.parametrize(("text", "most"), MEASURED.items(), ids=lambda value: str(value)[:12])
def test_the_estimate_is_not_below_what_was_measured(text: str, most: int) -> None:
    assert estimated_tokens(text) >= most


@given(st.text(), st.text())
def test_a_text_costs_no_more_than_its_bytes_and_its_parts_no_less_than_the_whole(first: str, second: str) -> None:
    whole = estimated_tokens(first + second)
    assert whole <= len((first + second).encode()) + 2
    assert whole <= estimated_tokens(first) + estimated_tokens(second) + 2
