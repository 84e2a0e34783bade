"""Cursors: what was given comes back, and nothing else is taken."""

from __future__ import annotations

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.feed.cursor import MAX_CHARACTERS, Place, decode, encode, furthest, is_cursor
from schemas.errors import QueryError

PLACES = st.lists(st.integers(0, 2**63 - 1), max_size=12).map(tuple)


@given(st.integers(0, 2**32 - 1), PLACES)
def test_a_cursor_is_its_place(tag: int, place: Place) -> None:
    cursor = encode(tag, place)
    assert decode(cursor, tag) == place
    assert is_cursor(cursor)
    assert cursor.isascii()
    assert not set(cursor) & set(" \n\r\"'&?#%+=/\\")


@given(PLACES, st.integers(0, 400), st.characters())
def test_a_cursor_with_another_character_in_it_is_refused(place: Place, at: int, character: str) -> None:
    cursor = encode(7, place)
    at %= len(cursor)
    changed = cursor[:at] + character + cursor[at + 1 :]
    if changed != cursor:
        refused(changed)


@given(PLACES, st.integers(1, 400))
def test_a_cursor_that_was_cut_is_refused(place: Place, length: int) -> None:
    cursor = encode(7, place)
    if length < len(cursor):
        refused(cursor[:length])


@given(st.text())
def test_any_other_text_is_refused_with_the_repair(text: str) -> None:
    refused(text)
    refused(f"f1.{text}")


@pytest.mark.parametrize(
    "offsets",
    [b"\x80", b"\xff" * 9, b"\xff" * 9 + b"\x01", b"\x80\x00", b"\xff" * 5_000 + b"\x00", b"\x05\x80\x80\x00"],
)
def test_offsets_that_nobody_writes_so_are_refused(offsets: bytes) -> None:
    body = (7).to_bytes(4, "big") + offsets
    checked = zlib.crc32(body).to_bytes(4, "big") + body
    refused("f1." + base64.urlsafe_b64encode(checked).decode().rstrip("="))


def test_a_cursor_of_a_large_fleet_is_one_that_is_taken() -> None:
    place = (268_435_455,) * 1_024
    assert decode(encode(7, place), 7) == place
    assert len(encode(7, place)) < MAX_CHARACTERS


def test_a_cursor_of_another_store_is_refused_as_such() -> None:
    with pytest.raises(QueryError, match="another store") as error:
        decode(encode(7, (1,)), 8)
    assert error.value.code == "foreign_cursor"


@given(PLACES, PLACES)
def test_the_furthest_of_two_places_is_behind_neither(one: Place, other: Place) -> None:
    reached = furthest(one, other)
    assert reached == furthest(other, one)
    assert furthest(reached, one) == reached == furthest(reached, reached)
    assert len(reached) == max(len(one), len(other))


def refused(text: str) -> None:
    with pytest.raises(QueryError) as error:
        decode(text, 7)
    assert error.value.code == "bad_cursor"
    assert error.value.field == "after"
    assert "after=start" in error.value.hint
