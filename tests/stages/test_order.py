"""Cuts: what is held back, what is folded together, and in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stages.derived import Derived, Event
from pipeline.stages.order import MAX_BEHIND_S, MAX_HELD_BYTES, MAX_HELD_S, Cut, Cuts, Held, in_time
from pipeline.stages.states import KeyedStates
from tests.stages.folds import Sums, Told

RAW = "otlp_spans"
TOPICS = frozenset({RAW})
CEILING = 1 << 62


def event(offset: int | None, at: int, key: str = "k") -> Event:
    return Event(key, offset, "add", [at, at], at)


def message(*events: Event, partition: int = 0, last: int = 0, source: str = RAW) -> Derived:
    return Derived(source, partition, 0, last, 99, list(events))


def held(*messages: Derived) -> Held:
    one = Held(TOPICS)
    for offset, told in enumerate(messages):
        one.add(offset, told, 100, float(offset))
    return one


def times(messages: list[Derived]) -> list[int]:
    return [one.time_unix_nano for _, events in in_time(messages) for one in events]


def test_what_came_from_before_the_cut_is_taken_from_all_partitions_in_order_of_time() -> None:
    one = held(
        message(event(0, 10), event(1, 40), last=1),
        message(event(7, 20), event(8, 30), partition=1, last=8),
    )
    taken = one.before(Cut(1, {f"{RAW}:0": 1, f"{RAW}:1": 9}))
    assert times(taken) == [10, 20, 30]
    assert [told.watermark_unix_nano for told in taken] == [0, 99], "the first message is not whole"
    assert (len(one), one.first) == (1, 0)
    assert times(one.before(Cut(2, {f"{RAW}:0": 2, f"{RAW}:1": 9}))) == [40]
    assert (len(one), one.first) == (0, None)


def test_a_partition_that_no_cut_knows_yet_is_held_and_what_comes_from_elsewhere_is_not() -> None:
    one = held(message(event(0, 1), partition=5), message(event(None, 2), source="telltale.links"))
    assert times(one.before(Cut(1, {f"{RAW}:0": 100}))) == [2]
    assert one.first == 0


def test_a_message_without_events_holds_its_watermark_until_the_cut() -> None:
    one = held(message(last=3))
    assert one.before(Cut(1, {f"{RAW}:0": 3})) == []
    assert one.before(Cut(2, {f"{RAW}:0": 4})) == [message(last=3)]


def test_what_waited_for_a_minute_is_folded_with_what_is_as_early() -> None:
    one = Held(TOPICS)
    one.add(0, message(event(0, 90), last=0)._replace(watermark_unix_nano=90), 100, 0.0)
    one.add(1, message(event(0, 80), event(1, 120), partition=1, last=1), 100, 50.0)
    assert one.overdue(MAX_HELD_S, 0.0) == []
    assert times(one.overdue(MAX_HELD_S + 0.5, 0.0)) == [80, 90]
    assert one.first == 1


def test_for_a_partition_that_comes_forward_it_is_waited_longer() -> None:
    one = Held(TOPICS)
    one.add(0, message(event(0, 90), last=0)._replace(watermark_unix_nano=90), 100, 0.0)
    for now_s in range(100, int(MAX_BEHIND_S), 50):
        assert one.overdue(now_s, now_s - 1.0) == []
    assert times(one.overdue(MAX_BEHIND_S + 0.5, MAX_BEHIND_S)) == [90]


def test_no_message_waits_twice_as_long_for_the_times_that_producers_say() -> None:
    one = held(message(event(0, 5))._replace(watermark_unix_nano=1 << 62), message(event(0, 6), partition=1))
    assert times(one.overdue(MAX_HELD_S + 0.5, 0.0)) == []
    assert times(one.overdue(2 * MAX_HELD_S + 0.5, 0.0)) == [5]
    assert one.first == 1


def test_where_too_much_is_held_the_earlier_half_is_folded() -> None:
    one = Held(TOPICS)
    for offset in range(20):  # partition 0 was read first, and the other one tells of the same time
        told = message(event(offset % 10, 1 + offset % 10), partition=offset // 10, last=offset % 10)
        one.add(offset, told._replace(watermark_unix_nano=1 + offset % 10), MAX_HELD_BYTES // 20, 0.0)
    assert one.overflowing() == []
    one.add(20, message(event(10, 11), last=10)._replace(watermark_unix_nano=11), MAX_HELD_BYTES // 20, 0.0)
    assert times(one.overflowing()) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    assert len(one) == 9
    assert one.overflowing() == []


def test_a_source_whose_times_are_wrong_does_not_fill_the_memory() -> None:
    one = Held(TOPICS)
    one.add(0, message(event(0, 1 << 62)), MAX_HELD_BYTES, 0.0)
    one.add(1, message(event(0, 5), partition=1), 100, 0.0)
    one.add(2, message(event(1, 6), partition=1, last=1), 100, 0.0)
    assert sorted(times(one.overflowing())) == [5, 6, 1 << 62]
    assert (len(one), one.first) == (0, None)


def test_a_message_of_which_a_part_is_folded_counts_for_its_rest() -> None:
    one = Held(TOPICS)
    one.add(
        0, message(*[event(n, n) for n in range(10)], last=9)._replace(watermark_unix_nano=9), MAX_HELD_BYTES + 1, 0.0
    )
    assert times(one.overflowing()) == [0, 1, 2, 3, 4, 5]
    assert times(one.before(Cut(1, {f"{RAW}:0": 10}))) == [6, 7, 8, 9]


def test_an_event_without_a_time_keeps_its_place() -> None:
    assert times([message(event(0, 30), event(0, 0), event(0, 20)), message(event(0, 10), partition=1)]) == [
        30,
        0,
        10,
        20,
    ]


def test_an_offset_below_another_of_its_source_is_folded_though_its_time_is_later() -> None:
    states: KeyedStates[dict[str, Any], Told] = KeyedStates(Sums())
    told = [message(event(0, 30), event(1, 10), last=1), message(event(0, 20), partition=1)]
    for _ in range(2):
        states.merge(in_time(told), 99, CEILING)
    assert [one.value for one in states.take_outputs()] == [10, 30, 60]
    assert states.counters.repeated == 3


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 50)), max_size=30), st.randoms())
def test_whoever_is_behind_the_order_is_that_of_one_log(arrivals: list[tuple[int, int]], chance: Any) -> None:
    """Partitions are told of in any interleaving; cuts are folded in the order of one log that is cut there, too."""
    logs: list[list[Derived]] = [[], [], []]
    ends = []
    for number, (partition, at) in enumerate(arrivals):
        log = logs[partition]
        log.append(message(event(len(log), at, f"k{number % 3}"), partition=partition, last=len(log)))
        if chance.random() < 0.3:
            ends.append({f"{RAW}:{n}": len(one) for n, one in enumerate(logs)})
    ends.append({f"{RAW}:{n}": len(one) for n, one in enumerate(logs)})
    heard, calm = Held(TOPICS), []
    waiting = [list(log) for log in logs]
    while any(waiting):
        log = chance.choice([one for one in waiting if one])
        heard.add(0, log.pop(0), 1, 0.0)
    folded = [times(heard.before(Cut(n, end))) for n, end in enumerate(ends)]
    before = dict.fromkeys(ends[0], 0)
    for end in ends:
        between = [one for n, log in enumerate(logs) for one in log[before[f"{RAW}:{n}"] : end[f"{RAW}:{n}"]]]
        calm.append(sorted(one.events[0].time_unix_nano for one in between))
        before = end
    assert folded == calm


class Slow:
    """Sources that come to their end when they are told to."""

    def __init__(self) -> None:
        self.end = 5
        self.there = False
        self.asked = 0

    async def ends(self, topics: Collection[str]) -> Mapping[TP, int] | None:
        return {TP(topic, 0): self.end for topic in topics}

    async def behind(self, ends: Mapping[TP, int]) -> int | None:
        self.asked += 1
        return 0 if self.there else 3


class NoApp:
    """Runs no tasks."""

    def task(self, work: Any) -> None:
        del work


async def test_a_cut_is_known_once_the_sources_have_come_to_where_they_ended_when_it_began() -> None:
    sources = Slow()
    cuts = Cuts(NoApp(), sources, TOPICS)
    cutting = asyncio.create_task(cuts.cut())
    while sources.asked < 2:
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
    sources.end = 9
    assert cuts.latest.number == 0
    assert cuts.waits > 0
    sources.there = True
    await cutting
    assert cuts.latest == Cut(1, {f"{RAW}:0": 5})
