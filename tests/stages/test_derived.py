"""Messages between stages."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from pipeline.stages import derived
from pipeline.stages.derived import Derived, Event
from schemas.errors import DecodeError

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
events = st.builds(
    Event,
    st.text(),
    st.none() | st.integers(0, 2**40),
    st.text(),
    st.lists(json_values, max_size=4),
    st.integers(0, 2**62),
)
messages = st.builds(
    Derived, st.text(), st.integers(0, 100), st.integers(0, 2**40), st.integers(0, 2**40), st.integers(0, 2**62),
    st.lists(events, max_size=10),
)  # fmt: skip


@given(messages)
def test_decode_is_the_inverse_of_encode(message: Derived) -> None:
    assert derived.decode(derived.encode(message)) == message


HEAD = b'{"source":"s","partition":0,"first":0,"last":0,"watermark":0,"events":'


@pytest.mark.parametrize(
    "value",
    [
        *[b"", b"\xff", b"null", b"[]", b"{}", b'{"source": "s"}', HEAD + b"1}", HEAD + b"[1]}", HEAD + b'[["k"]]}'],
        HEAD.replace(b'"partition":0', b'"partition":"x"') + b"[]}",
    ],
)
def test_what_is_no_message_is_a_decode_error(value: bytes) -> None:
    with pytest.raises(DecodeError):
        derived.decode(value)


def message(told: list[Event]) -> Derived:
    return Derived("otlp_spans", 0, 0, 9, 100, told)


@given(st.lists(events, max_size=30), st.integers(1, 5))
def test_splitting_loses_nothing_and_puts_each_key_in_its_partition(told: list[Event], partitions: int) -> None:
    cut = derived.split(message(told), partitions)
    assert sorted(map(repr, (e for _, one in cut for e in one.events))) == sorted(map(repr, told))
    for partition, one in cut:
        assert all(derived.partition_of(e.key, partitions) == partition for e in one.events)


def test_every_partition_hears_the_watermark_even_without_an_event() -> None:
    cut = derived.split(message([Event("k", 1, "x", [], 5)]), 3)
    assert sorted(partition for partition, _ in cut) == [0, 1, 2]
    assert {one.watermark_unix_nano for _, one in cut} == {100}


def test_events_are_put_in_order_of_time() -> None:
    told = [Event("k", 1, "tool", [], 30), Event("k", 2, "tool", [], 50), Event("k", 1, "marker", [], 10)]
    ((_, one),) = derived.split(message(told), 1)
    assert [e.time_unix_nano for e in one.events] == [10, 30, 50]


def test_an_event_without_a_time_keeps_its_place() -> None:
    told = [Event("k", None, "a", [], 30), Event("k", None, "moved", []), Event("k", None, "b", [], 10)]
    ((_, one),) = derived.split(message(told), 1)
    assert [e.kind for e in one.events] == ["a", "moved", "b"]


def test_a_large_message_is_cut_between_source_offsets_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derived, "EVENTS_A_MESSAGE", 10)
    told = [Event("k", offset, "x", [i], 1 + i) for offset in (3, 1, 2) for i in range(6)]
    cut = derived.split(message(told), 1)
    offsets: list[set[Any]] = [{e.source_offset for e in one.events} for _, one in cut]
    assert offsets == [{1}, {2}, {3}]
    # the watermark stands behind all of them, or the later messages would be late
    assert [one.watermark_unix_nano for _, one in cut] == [0, 0, 100]


def test_partitions_of_keys_never_change() -> None:
    # states are found again by these: a change here loses all of them
    assert [derived.partition_of(key, 16) for key in ("", "a", "session-1", "agent\x1fö")] == [2, 15, 5, 6]
