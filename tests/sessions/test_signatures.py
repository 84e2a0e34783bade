from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.signatures import NOTHING, canonical, is_cut, of_content, of_error

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a": 1, "b": [1, 2]}', '{"b":[1,2],"a":1}'),
        ('{"a": 1.0}', '{"a": 1}'),
        ('{"a": -0.0}', '{"a": 0}'),
        ('{\n  "command": "x"\n}', '{"command":"x"}'),
        ('{"a": "\\u00e9"}', '{"a": "é"}'),
        ("  text ", "text"),
        ('{"v": "1.0", "n": 2.0}', '{"n": 2, "v": "1.0"}'),
        ('{"id": 12345678901234567890123, "a": 1}', '{"a":1,"id":12345678901234567890123}'),
    ],
)
def test_equal_values_have_one_canonical_text(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a": 1}', '{"a": "1"}'),
        ('{"a": 1.5}', '{"a": 1}'),
        ("[1, 2]", "[2, 1]"),
        ('{"v": "1.0"}', '{"v": "1"}'),
        ('{"id": 12345678901234567890123}', '{"id": 12345678901234567890124}'),
        ('{"id": 9007199254740993}', '{"id": 9007199254740992}'),
        ("a b", "ab"),
    ],
)
def test_different_values_do_not(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


@given(JSON)
def test_spelling_of_json_does_not_matter(value: Any) -> None:
    text = json.dumps({"v": value})
    assert canonical(json.dumps({"v": value}, indent=2, ensure_ascii=False)) == canonical(text)
    assert canonical(canonical(text).decode()) == canonical(text)


@given(st.text())
def test_any_text_has_a_canonical_form(text: str) -> None:
    assert isinstance(canonical(text), bytes)
    assert isinstance(canonical("[" + text), bytes)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 5_000, "[" * 2_000 + "]" * 2_000, '{"a": 1e999999}', "[" + "9" * 6_000 + "]"]
)
def test_hostile_json_is_text(text: str) -> None:
    assert isinstance(canonical(text), bytes)


def test_strength_falls_with_what_was_sent() -> None:
    assert of_content('{"a": 1}', 8).strength == "full"
    assert of_content(None, 8).strength == "size"
    assert of_content(None, -1) == NOTHING
    assert of_content("", -1).strength == "full"


def test_a_size_is_its_own_signature() -> None:
    assert of_content(None, 8).value == "size:8"
    assert of_content(None, 8) != of_content(None, 9)


def test_cut_texts_are_told_apart_by_their_size() -> None:
    cut = json.dumps({"content": "x" * 512 + "…"}, ensure_ascii=False)
    one, other = of_content(cut, 900), of_content(cut, 901)
    assert one.strength == other.strength == "truncated"
    assert one != other


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ('{"a": "' + "x" * 512 + '…"}', True),
        ('{"a": ["' + "x" * 512 + '…"]}', True),
        ('{"a": "short…"}', False),
        ('{"a": "' + "x" * 600 + '"}', False),
        ('{"a": "' + "y" * 4_000 + '", "b": "z…"}', True),
        ("abc...[TRUNCATED: original length 12000]", True),
        ('{"content": "abc...[TRUNCATED: original length 12000]"}', True),
        ("we wrote ...[TRUNCATED: original length 5] in the docs and went on", False),
        ("…", False),
    ],
)
def test_cuts_are_recognised_by_their_marks(text: str, cut: bool) -> None:
    assert is_cut(text) == cut


def test_a_failure_is_signed_over_its_text_else_its_size_else_its_kind() -> None:
    assert of_error("no such file", -1, "Error").strength == "full"
    assert of_error(None, 12, "Error").strength == "size"
    kind = of_error(None, -1, "ShellError")
    assert kind.strength == "name"
    assert kind.value
    assert kind != of_error(None, -1, "Timeout")
    assert of_error(None, -1, "") == NOTHING
