"""Decisions on findings, and the state that follows; places of consumers."""

from __future__ import annotations

import asyncio

import pytest

from query.feed.consumers import Consumers
from query.feed.cursor import Place
from query.feed.decisions import ACTIONS, Action, Decisions, history, states, with_states
from query.feed.feed import Feed
from schemas.errors import QueryError
from sinks.clickhouse import connect
from tests.feed.conftest import Store, finding


@pytest.fixture(scope="module", params=["chdb", "server"])
def store_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


STATE: list[tuple[list[Action], list[tuple[str, str]], str]] = [
    # decisions, what the detector says then (severity, status), the state
    ([], [], "open"),
    (["ack"], [], "acknowledged"),
    (["resolve"], [], "resolved"),
    (["ack", "reopen"], [], "open"),
    (["resolve", "reopen"], [], "open"),
    (["ack", "resolve"], [], "resolved"),
    (["resolve", "ack"], [], "acknowledged"),
    (["ack"], [("warning", "updated")], "acknowledged"),
    (["ack"], [("critical", "updated")], "open"),
    (["ack"], [("suspect", "updated")], "acknowledged"),
    (["resolve"], [("warning", "updated")], "open"),
    (["resolve"], [("warning", "resolved")], "resolved"),
    (["ack"], [("warning", "resolved")], "resolved"),
    (["ack"], [("warning", "resolved"), ("warning", "updated")], "acknowledged"),
    ([], [("warning", "resolved")], "resolved"),
]


@pytest.mark.parametrize(("decided", "then", "state"), STATE)
async def test_the_state_follows_from_decisions_and_from_what_is_found_since(
    store: Store, decisions: Decisions, decided: list[Action], then: list[tuple[str, str]], state: str
) -> None:
    identity = f"case {STATE.index((decided, then, state))}"
    await store.append(0, finding(identity))
    for action in decided:
        await decisions.decide(identity, action, "ann", f"{action} it")
    for revision, (severity, status) in enumerate(then, 2):
        await store.append(0, finding(identity, revision, severity=severity, status=status))
    [shown] = await with_states(
        store.reader, [finding(identity, len(then) + 1, status=(then or [("", "open")])[-1][1]).as_json()]
    )
    assert shown["state"] == state
    if decided:
        assert shown["decision"]["action"] == decided[-1]
        assert shown["decision"]["who"] == "ann"
        assert shown["decision"]["reason"] == f"{decided[-1]} it"
        assert [one["action"] for one in await history(store.reader, identity)] == decided[::-1]
    else:
        assert "decision" not in shown


async def test_the_beginning_of_an_id_is_enough_where_no_other_begins_so(store: Store, decisions: Decisions) -> None:
    await store.append(0, finding("prefix-one"), finding("prefix-two"), finding("prefix-two-more"))
    assert (await decisions.decide("prefix-o", "ack", "ann", "mine"))["finding_id"] == "prefix-one"
    assert (await decisions.decide("prefix-two", "ack", "ann", "mine"))["finding_id"] == "prefix-two"
    with pytest.raises(QueryError, match="several findings begin"):
        await decisions.decide("prefix", "ack", "ann", "mine")


async def test_of_an_id_that_is_not_there_the_nearest_is_named(store: Store, decisions: Decisions) -> None:
    await store.append(0, finding("mistyped-0123456789"))
    with pytest.raises(QueryError, match="there is no finding") as refused:
        await decisions.decide("mistyped-0123456798", "ack", "ann", "mine")
    assert refused.value.hint == "nearest: mistyped-0123456789; all: telltale findings"


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        (("nothing", "ann", "r"), "not_found", "id"),
        (("", "ann", "r"), "not_found", "id"),
        (("' OR 1=1 --", "ann", "r"), "not_found", "id"),
        (("bad", "ann", ""), "missing", "reason"),
        (("bad", "ann", " \t"), "missing", "reason"),
        (("bad", "", "r"), "missing", "who"),
        (("bad", "ann", "x" * 1001), "too_long", "reason"),
        (("bad", "x" * 101, "r"), "too_long", "who"),
        (("bad", "ann", "a\nb"), "bad_value", "reason"),
        (("bad", "ann\x1b[2J", "r"), "bad_value", "who"),
    ],
)
async def test_a_wrong_decision_is_refused_and_not_stored(
    store: Store, decisions: Decisions, given: tuple[str, str, str], code: str, field: str
) -> None:
    await store.append(0, finding("bad"))
    with pytest.raises(QueryError) as refused:
        await decisions.decide(given[0], "ack", given[1], given[2])
    assert (refused.value.code, refused.value.field) == (code, field)
    assert await history(store.reader, "bad") == []


async def test_what_the_detector_resolved_cannot_be_decided_on(store: Store, decisions: Decisions) -> None:
    await store.append(0, finding("over", 2, status="resolved"))
    for action in ACTIONS:
        with pytest.raises(QueryError) as refused:
            await decisions.decide("over", action, "ann", "why not")
        assert (refused.value.code, refused.value.status) == ("resolved_already", 409)


async def test_text_of_a_decision_is_kept_as_it_is(store: Store, decisions: Decisions) -> None:
    await store.append(0, finding("quoted"))
    reason = "it's \\' {x:String} \"; DROP TABLE findings -- ü 🙂"
    await decisions.decide("quoted", "ack", reason[:50], reason)
    found = (await states(store.reader, ["quoted"]))["quoted"]["decision"]
    assert (found["who"], found["reason"]) == (reason[:50], reason)


async def test_the_same_decision_twice_is_two_rows(store: Store, decisions: Decisions) -> None:
    await store.append(0, finding("often"))
    await asyncio.gather(*(decisions.decide("often", "ack", "ann", "mine") for _ in range(5)))
    assert len(await history(store.reader, "often")) == 5


async def test_a_consumer_stands_where_it_acknowledged_and_never_goes_back(
    store: Store, feed: Feed, consumers: Consumers
) -> None:
    assert await consumers.place("agent") is None
    await store.append(0, finding("c1"))
    await store.append(2, finding("c2"))
    first = await feed.read(())
    assert await consumers.acknowledge("agent", first.entries[0].place) == first.entries[0].place
    assert await consumers.acknowledge("agent", first.place) == first.place
    assert await consumers.acknowledge("agent", first.entries[0].place) == first.place
    assert await Consumers(store.reader, store.writer).place("agent") == first.place
    await store.append(2, finding("c3"), finding("c4"))
    behind = {one["consumer"]: one["behind"] for one in await consumers.listing()}
    assert behind["agent"] == 2


async def test_a_consumer_that_is_forgotten_begins_anew(store: Store, feed: Feed, consumers: Consumers) -> None:
    await store.append(0, finding("d1"))
    place = (await feed.read(())).place
    await consumers.acknowledge("gone", place)
    await consumers.forget("gone")
    assert await consumers.place("gone") is None
    assert "gone" not in {one["consumer"] for one in await consumers.listing()}
    with pytest.raises(QueryError) as refused:
        await consumers.forget("gone")
    assert refused.value.status == 404
    assert await consumers.acknowledge("gone", (1,)) == (1,)


async def test_acknowledgements_at_the_same_time_reach_the_furthest(consumers: Consumers) -> None:
    places: list[Place] = [(n, 10 - n) for n in range(10)]
    await asyncio.gather(*(consumers.acknowledge("both", place) for place in places))
    assert await consumers.place("both") == (9, 10)


async def test_there_is_a_bound_for_consumers(consumers: Consumers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("query.feed.consumers.MAX_CONSUMERS", len(await consumers.listing()) + 1)
    await consumers.acknowledge("bound 1", ())
    with pytest.raises(QueryError, match="have a place"):
        await consumers.acknowledge("bound 2", ())
    await consumers.acknowledge("bound 1", (3,))


async def test_a_place_before_what_is_kept_has_expired(store: Store, feed: Feed) -> None:
    await store.append(3, *(finding(f"old {n}") for n in range(5)))
    found = await feed.read((10**6, 10**6, 10**6), 2)
    early, end = await feed.cursor(found.place), await feed.cursor((*[10**6] * 3, 5))
    assert await feed.place(early) == found.place
    # What retention does: the oldest rows are gone.
    client = connect(store.url)
    client.command(
        "ALTER TABLE finding_revisions DELETE WHERE SourcePartition = 3 AND SourceOffset < 4",
        settings={"mutations_sync": 1},
    )
    client.close()
    with pytest.raises(QueryError) as refused:
        await feed.place(early)
    assert (refused.value.code, refused.value.status, refused.value.field) == ("cursor_expired", 410, "after")
    assert "after=start" in refused.value.hint
    assert await feed.place(end) == (*[10**6] * 3, 5)
    assert await feed.place("start") == ()
