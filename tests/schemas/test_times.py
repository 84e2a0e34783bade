"""Times as text, wherever they come from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.finding import rfc3339
from schemas.times import LAST_UNIX_NANO, iso_unix_nano


@pytest.mark.parametrize(
    ("text", "unix_nano"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-01-05T09:00:00.000001Z", 1_767_603_600_000_001_000),
        ("2026-01-05T10:00:00+01:00", 1_767_603_600_000_000_000),
        ("2026-01-05T09:00:00", 1_767_603_600_000_000_000),
        ("2026-01-05", 1_767_571_200_000_000_000),
        ("1969-12-31T23:59:59Z", -1),
        ("9999-12-31T23:59:59-23:59", -1),
        ("0001-01-01T00:00:00+23:59", -1),
        ("2262-04-12", -1),
        ("yesterday", -1),
        ("", -1),
    ],
)
def test_a_time_is_read_in_utc_or_is_none(text: str, unix_nano: int) -> None:
    assert iso_unix_nano(text) == unix_nano


@given(st.integers(0, LAST_UNIX_NANO // 1000))
def test_what_was_written_is_read_again(micros: int) -> None:
    assert iso_unix_nano(rfc3339(micros * 1000)) == micros * 1000


@given(st.text(max_size=60))
def test_any_text_is_a_time_or_none(text: str) -> None:
    assert iso_unix_nano(text) >= -1
