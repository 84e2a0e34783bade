"""A place in the feed never skips and never repeats, whatever is stored when."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.feed import revisions
from query.feed.cursor import Place
from query.feed.feed import MAX_WAITING, Feed, feed_reader
from query.feed.revisions import Entry, coalesced
from query.feed.shown import shown
from query.reader import SETTINGS, Reader
from schemas.errors import QueryError
from tests.feed.conftest import Store, drain, finding, told


@pytest.fixture(scope="module", params=["chdb", "server"])
def store_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_readers_that_stop_anywhere_see_every_revision_once(store: Store, feed: Feed, start: Place) -> None:
    chance = random.Random(6)
    revision = dict.fromkeys((f"w{n}" for n in range(6)), 0)
    stored: list[tuple[str, int]] = []
    readers: list[tuple[str, list[Entry]]] = [(await feed.cursor(start), []) for _ in range(4)]
    for _ in range(30):
        identity = chance.choice(sorted(revision))
        batch = []
        for _ in range(chance.randint(1, 3)):
            revision[identity] += 1
            batch.append(finding(identity, revision[identity]))
        stored += [(one.id, one.revision) for one in batch]
        await store.append(int(identity[1]) % 3, *batch)  # one finding, one partition
        at = chance.randrange(len(readers))
        cursor, seen = readers[at]
        found = await feed.read(await feed.place(cursor), chance.randint(1, 4))
        readers[at] = await feed.cursor(found.place), seen + found.entries
    for cursor, seen in readers:
        rest, _ = await drain(feed, await feed.place(cursor), 2)
        every = [(entry.finding["id"], entry.finding["revision"]) for entry in seen + rest]
        assert sorted(every) == sorted(stored)
        assert all(e.finding["revision"] == 1 or e.before is not None for e in seen + rest)
        assert all(e.before["revision"] == e.finding["revision"] - 1 for e in seen + rest if e.before)


async def test_a_batch_that_is_stored_again_does_not_come_again(store: Store, feed: Feed, start: Place) -> None:
    batch = [finding("again", 1), finding("again", 2)]
    await store.put(0, start[0], batch)
    first, place = await drain(feed, start)
    await store.put(0, start[0], batch)
    await store.put(0, start[0], [*batch, finding("again", 3)])
    assert told(first) == [("opened", "again", 1), ("updated", "again", 2)]
    assert told((await drain(feed, place))[0]) == [("updated", "again", 3)]
    assert told((await drain(feed, start))[0]) == [*told(first), ("updated", "again", 3)]


async def test_a_revision_that_is_told_again_later_does_not_count(store: Store, feed: Feed, start: Place) -> None:
    await store.append(1, finding("twice", 1), finding("twice", 2))
    await store.append(1, finding("twice", 1), finding("twice", 2), finding("twice", 3))
    expected = [("opened", "twice", 1), ("updated", "twice", 2), ("updated", "twice", 3)]
    assert told((await drain(feed, start))[0]) == expected
    assert told((await drain(feed, start, 1))[0]) == expected


async def test_what_is_told_under_the_session_replaces_what_stood_under_the_trace(
    store: Store, feed: Feed, start: Place
) -> None:
    under_trace = [finding("late", n, session_id="t") for n in (1, 2)]
    await store.append(1, *under_trace, finding("late", 1), finding("late", 3, session_id="t"), finding("late", 2))
    entries, _ = await drain(feed, start)
    assert told(entries) == [
        ("opened", "late", 1),
        ("updated", "late", 2),
        ("updated", "late", 1),
        ("updated", "late", 2),
    ]
    assert [entry.finding["session_id"] for entry in entries] == ["t", "t", *["session of late"] * 2]


async def test_a_row_that_comes_later_into_an_earlier_place_is_waited_for(
    store: Store, feed: Feed, start: Place
) -> None:
    offset = start[0]
    await store.put(0, offset + 1, [finding("second")])
    assert await drain(feed, start) == ([], start)
    await store.put(0, offset, [finding("first")])
    assert told((await drain(feed, start))[0]) == [("opened", "first", 1), ("opened", "second", 1)]


async def test_a_hole_that_stays_is_passed_and_those_who_wait_are_woken(
    store: Store, feed: Feed, start: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revisions, "HOLE_S", 2)
    await store.put(0, start[0] + 3, [finding("beyond")])
    assert (await feed.read(start)).entries == []
    found = await asyncio.wait_for(feed.wait(start, 30), 20)
    assert told(found.entries) == [("opened", "beyond", 1)]
    assert found.place[0] == start[0] + 4


async def test_revisions_that_are_too_large_for_one_answer_come_in_several(
    store: Store, start: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("max_result_bytes", 1_000_000), ("max_block_size", 1)):
        monkeypatch.setitem(SETTINGS, name, value)  # the engine looks at the bytes after each block
    await store.append(2, *(finding(f"large {n}", why="w" * 100_000) for n in range(40)))
    reader = Reader(store.url)
    feed = Feed(reader)
    found = await feed.read(start)
    assert 1 <= len(found.entries) < 40
    assert found.more
    assert [entry.finding["id"] for entry in (await drain(feed, start))[0]] == [f"large {n}" for n in range(40)]
    reader.close()


async def test_a_finding_that_comes_back_after_its_end_is_reopened(store: Store, feed: Feed, start: Place) -> None:
    await store.append(2, finding("flaps"), finding("flaps", 2, status="resolved"), finding("flaps", 3))
    entries, _ = await drain(feed, start)
    assert [entry.event for entry in entries] == ["opened", "resolved", "reopened"]
    [_, over, _] = await shown(store.reader, entries)
    assert over["changed"] == {"status": ["open", "resolved"], "observed": [1.0, 2.0], "count": [1, 2]}
    assert over["finding"]["untrusted"] == {"why": "revision 2 of flaps"}


async def test_those_who_wait_are_told_at_once(store: Store, start: Place) -> None:
    feed = Feed(store.reader, poll_s=600)
    waiting = [asyncio.create_task(feed.wait(start, 60)) for _ in range(5)]
    await asyncio.sleep(0.3)
    assert not any(task.done() for task in waiting)
    await store.append(0, finding("news"))
    feed.tell()
    found = await asyncio.wait_for(asyncio.gather(*waiting), 20)
    assert [told(one.entries) for one in found] == [[("opened", "news", 1)]] * 5
    await feed.close()


async def test_without_being_told_they_find_out_by_themselves(store: Store, feed: Feed, start: Place) -> None:
    waiting = asyncio.create_task(feed.wait(start, 60))
    await asyncio.sleep(0.3)
    await store.append(0, finding("elsewhere"))
    assert told((await asyncio.wait_for(waiting, 20)).entries) == [("opened", "elsewhere", 1)]


async def test_a_wait_ends_with_its_time_and_with_the_feed(store: Store, feed: Feed, start: Place) -> None:
    assert (await feed.wait(start, 0.2)).entries == []
    waiting = asyncio.create_task(feed.wait(start, 60))
    await asyncio.sleep(0.2)
    await feed.close()
    assert (await asyncio.wait_for(waiting, 20)).entries == []


async def test_as_many_as_may_wait_are_served_while_others_ask_long_questions(store: Store, start: Place) -> None:
    reader, asking = feed_reader(store.url), Reader(store.url)
    feed = Feed(reader, poll_s=0.1)
    long = [asyncio.create_task(asking.query("SELECT sum(sleepEachRow(0.9)) FROM numbers(3)")) for _ in range(4)]
    waiting = [asyncio.create_task(feed.wait(start, 60)) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0.5)
    await store.append(0, finding("for all"))
    found = await asyncio.wait_for(asyncio.gather(*waiting), 60)
    assert all(told(one.entries) == [("opened", "for all", 1)] for one in found)
    await asyncio.gather(*(shown(reader, one.entries) for one in found))
    await asyncio.gather(*long)
    await feed.close()
    for one in (reader, asking):
        one.close()


async def test_too_many_who_wait_are_told_to_come_back(
    feed: Feed, start: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("query.feed.feed.MAX_WAITING", 1)
    waiting = asyncio.create_task(feed.wait(start, 60))
    await asyncio.sleep(0.2)
    with pytest.raises(QueryError) as refused:
        await feed.wait(start, 1)
    assert (refused.value.code, refused.value.status) == ("busy", 429)
    await feed.close()
    await waiting


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=30))
def test_one_entry_a_finding_stands_for_all_of_its_revisions(steps: list[tuple[str, bool]]) -> None:
    entries: list[Entry] = []
    last: dict[str, dict[str, Any]] = {}
    for number, (identity, ends) in enumerate(steps, 1):
        told_ = finding(identity, number, status="resolved" if ends else "updated").as_json()
        entries.append(Entry((number,), "updated", told_, last.get(identity), number))
        last[identity] = told_
    folded = coalesced(entries)
    assert sum(entry.revisions for entry in folded) == len(entries)
    assert {entry.finding["id"]: entry.finding for entry in folded} == last
    assert all(entry.before is None for entry in folded)
    assert [entry.place for entry in folded] == sorted(entry.place for entry in folded)
