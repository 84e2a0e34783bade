"""The newest records in memory."""

from __future__ import annotations

from pipeline.transport.records import Partition, Record
from pipeline.transport.tail import Tail

WHERE = Partition("t", 0)


def records(first: int, end: int, size: int = 10) -> list[Record]:
    return [Record(at, 1, None, bytes(size)) for at in range(first, end)]


def offsets(found: list[Record]) -> list[int]:
    return [record.offset for record in found]


def test_records_are_taken_once_in_order_and_in_portions() -> None:
    tail = Tail()
    tail.add(WHERE, records(5, 8))
    tail.add(WHERE, records(8, 10))
    assert tail.first(WHERE) == 5
    assert offsets(tail.take(WHERE, 5, 3, 1_000)) == [5, 6, 7]
    assert offsets(tail.take(WHERE, 8, 10, 1_000)) == [8, 9]
    assert tail.take(WHERE, 10, 10, 1_000) == []
    assert tail.first(WHERE) is None


def test_a_reader_that_is_behind_gets_nothing_and_takes_nothing_away() -> None:
    tail = Tail()
    tail.add(WHERE, records(5, 8))
    assert tail.take(WHERE, 2, 10, 1_000) == []
    assert tail.first(WHERE) == 5


def test_a_reader_that_is_ahead_drops_what_it_has_passed() -> None:
    tail = Tail()
    tail.add(WHERE, records(0, 10))
    assert offsets(tail.take(WHERE, 7, 10, 1_000)) == [7, 8, 9]


def test_a_portion_ends_at_its_byte_budget() -> None:
    tail = Tail()
    tail.add(WHERE, records(0, 10, size=936))  # 1,000 each with what a record costs beside its value
    assert offsets(tail.take(WHERE, 0, 10, 2_500)) == [0, 1, 2]


def test_over_its_bound_it_forgets_everything_and_begins_anew() -> None:
    tail = Tail(max_bytes=500)
    tail.add(WHERE, records(0, 5))
    tail.add(WHERE, records(5, 8))
    assert tail.first(WHERE) is None
    tail.add(WHERE, records(8, 9))
    assert offsets(tail.take(WHERE, 8, 10, 1_000)) == [8]


def test_taking_makes_room() -> None:
    tail = Tail(max_bytes=500)
    at = 0
    for _ in range(20):
        tail.add(WHERE, records(at, at + 4))
        assert offsets(tail.take(WHERE, at, 10, 1_000)) == list(range(at, at + 4))
        at += 4
