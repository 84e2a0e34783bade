"""Several processes for one store: each receiver is told by one of them, and by another when that one is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from query.feed.consumers import Consumers
from query.feed.feed import Feed
from query.notify.configuration import Notified
from query.notify.notifier import Notifier, parts
from query.notify.parked import Parking
from query.notify.turn import Times, Turn
from sinks.webhook import Webhook
from tests.feed.conftest import Store, finding, until
from tests.feed.receivers import Receiver, receiver

QUICK = Times(lease_s=30.0, renew_s=0.1, settle_s=0.2)
SECRET = "0123456789abcdef"


def turn(store: Store, name: str, times: Times = QUICK) -> Turn:
    return Turn(name, store.reader, store.writer, times)


async def test_one_holds_it_and_goes_on_holding_it(store: Store) -> None:
    first, second = turn(store, "one"), turn(store, "one")
    assert await first.held()
    assert not await second.held()
    assert await first.held()
    assert await turn(store, "another").held()


async def test_of_two_that_take_it_at_once_one_has_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    both = turn(store, "race"), turn(store, "race")
    at_once = asyncio.Barrier(2)

    def together(write: Callable[[int, int], Awaitable[None]]) -> Callable[[int, int], Awaitable[None]]:
        async def written(now_ns: int, until_ns: int) -> None:
            await at_once.wait()  # both have seen that it is free
            await write(now_ns, until_ns)
            await at_once.wait()  # both have taken it

        return written

    for one in both:
        monkeypatch.setattr(one, "_write", together(one._write))
    assert sorted(await asyncio.gather(*(one.held() for one in both))) == [False, True]


async def test_a_lease_that_is_not_renewed_ends_by_itself(store: Store) -> None:
    short = Times(lease_s=3.0, renew_s=0.1, settle_s=0.01)
    first, second = turn(store, "gone", short), turn(store, "gone", short)
    assert await first.held()
    await until(second.held)
    assert not await first.held()


async def test_a_lease_is_no_consumer(store: Store) -> None:
    assert await turn(store, "hidden").held()
    listed = await Consumers(store.reader, store.writer).listing()
    assert not [one for one in listed if one["consumer"].startswith("lease:")]


async def caught_up(consumers: Consumers) -> bool:
    (place,) = [one for one in await consumers.listing() if one["consumer"] == "webhook:shared"]
    return bool(place["behind"] == 0)


@pytest.fixture
async def got() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


async def test_two_processes_deliver_once_and_the_second_goes_on_when_the_first_stops(
    store: Store, got: Receiver
) -> None:
    await store.append(0, finding("before"))
    webhook = Webhook("shared", got.url, SECRET, "suspect", timeout_s=20.0)
    consumers, parking = Consumers(store.reader, store.writer), Parking(store.reader, store.writer)
    feeds = [Feed(store.reader, poll_s=0.1) for _ in range(2)]
    notifiers = [
        Notifier(
            parts(Notified((webhook,), None), feed, consumers, parking, lambda *_: None),
            lambda name: turn(store, name),
        )
        for feed in feeds
    ]
    for one in notifiers:
        one.start()
    await until(lambda: consumers.place("webhook:shared"))
    await store.append(0, finding("x"), finding("x", 2))
    await until(lambda: len(got.keys()) == 2)
    await until(lambda: caught_up(consumers))  # what is under way when it stops is sent again, with the same key
    await notifiers[0].stop()
    await store.append(0, finding("y"))
    await until(lambda: len(got.keys()) == 3)
    await notifiers[1].stop()
    for feed in feeds:
        await feed.close()
    assert got.keys() == ["x-1", "x-2", "y-1"]
