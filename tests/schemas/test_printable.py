"""JSON that may be printed: one line for everybody, and nothing in it that steers a terminal."""

from __future__ import annotations

import unicodedata

import orjson
from hypothesis import given
from hypothesis import strategies as st

from schemas.printable import printable_json

VALUES = st.recursive(
    st.text() | st.sampled_from(["\x9b2J", "\x7f", "a\u2028b\u2029c\x85d", "é", "\U0001f642"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_it_is_the_same_value_in_one_line_without_a_control_character(value: object) -> None:
    text = printable_json(value)
    assert orjson.loads(text) == value
    assert len(text.decode().splitlines()) == 1
    assert not [one for one in text.decode() if unicodedata.category(one) in ("Cc", "Zl", "Zp")]


def test_everything_else_stays_as_it_is() -> None:
    assert printable_json({"é": "中 \U0001f642 \xa0"}).decode() == '{"é":"中 \U0001f642 \xa0"}'
