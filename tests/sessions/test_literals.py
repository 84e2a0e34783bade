from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sessions.literals import parse, string_at

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=15,
)


@given(VALUES)
def test_what_python_prints_is_read_back(value: Any) -> None:
    assert parse(repr(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("('a', 1)", ["a", 1]),
        ("{'b', 'a'}", ["a", "b"]),
        ("b'x'", "x"),
        ("r'a\\b'", "a\\b"),
        (" { 'a' : [ 1 , 2 , ] } ", {"a": [1, 2]}),
        ("{}", {}),
        ("()", []),
        ("{1: 'x', None: 2}", {"1": "x", "None": 2}),
        ("-1.5e3", -1500.0),
        ("'\\ud800'", "\ufffd"),
    ],
)
def test_other_literals_become_what_json_has(text: str, value: Any) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "x", "f()", "1 2", "[1", "{'a': 1", "{'a': 1, 2}", "'a", "__import__('os')", "[" * 1_000, "{'a':" * 1_000,
     "'" * 300_000, "-" * 100_000 + "1", "'" + "\\" * 99_999, "(" * 60 + "'" + "a" * 200_000],
)  # fmt: skip
def test_anything_else_is_refused_in_bounded_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"literal|too|bracket|set"):
        parse(text)


@given(st.text(alphabet="'\"\\{}[](),: 1eE.+-nrbuxTFN\n"))
def test_it_agrees_with_python_wherever_both_read_a_text(text: str) -> None:
    try:
        mine = parse(text)
    except ValueError:
        return
    try:
        theirs = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError):
        return
    if isinstance(mine, str | int | float | bool | None) and not isinstance(theirs, bytes):
        assert mine == theirs


def test_a_string_is_read_out_of_the_middle_of_a_text() -> None:
    assert string_at("content='it\\'s' name='x'", 8) == "it's"
    with pytest.raises(ValueError, match="no literal"):
        string_at("content=", 8)
