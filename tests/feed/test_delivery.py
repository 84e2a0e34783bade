"""Webhooks against real receivers and a real store: everything once, in order, whatever the receiver does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from query.feed.consumers import Consumers
from query.feed.cursor import Place
from query.feed.decisions import Decisions
from query.feed.feed import Feed
from query.feed.shown import shown
from query.notify.parked import Parking
from query.notify.webhooks import MAX_BODY_BYTES, WebhookDelivery, key, payload
from schemas.finding import Evidence
from sinks.webhook import Webhook
from tests.feed.conftest import Store, drain, finding, until
from tests.feed.receivers import Receiver, receiver, status

SECRET = "0123456789abcdef"


class Delivering:
    """One webhook; may be stopped and started as often as needed."""

    def __init__(self, store: Store, webhook: Webhook) -> None:
        self._store = store
        self._webhook = webhook
        self._task: asyncio.Task[None] | None = None
        self._feed: Feed | None = None
        self.outcomes: list[str] = []
        self.parking = Parking(store.reader, store.writer)

    async def start(self) -> None:
        self._feed = Feed(self._store.reader, poll_s=0.1)
        consumers = Consumers(self._store.reader, self._store.writer)
        delivery = WebhookDelivery(
            self._webhook, self._feed, consumers, self.parking, lambda _, outcome: self.outcomes.append(outcome)
        )
        self._task = asyncio.create_task(delivery.run())
        await until(lambda: consumers.place(delivery.consumer))

    async def kill(self) -> None:
        """Stop in the middle of whatever it does."""
        assert self._task is not None
        assert self._feed is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._feed.close()

    async def parked(self) -> list[dict[str, Any]]:
        return [row for row in await self.parking.listing(self._webhook.name) if row["state"] == "parked"]


@contextlib.asynccontextmanager
async def delivering(store: Store, got: Receiver, name: str, **changes: Any) -> AsyncIterator[Delivering]:
    fields: dict[str, Any] = {"timeout_s": 20.0, "attempts": 3, "retry_s": 0.02, "min_severity": "suspect", **changes}
    made = Delivering(store, Webhook(name, got.url, SECRET, **fields))
    await made.start()
    try:
        yield made
    finally:
        await made.kill()


@pytest.fixture(autouse=True)
async def something_is_stored(store: Store) -> None:
    """A webhook that is new begins behind what there is."""
    await store.append(0, finding("before it was set up"))


async def test_revisions_come_in_order_with_a_key_for_each(store: Store) -> None:
    async with receiver() as got, delivering(store, got, "order"):
        await store.append(0, finding("o"), finding("o", 2, severity="critical"))
        await store.append(0, finding("o", 3, severity="critical", status="resolved"))
        await until(lambda: len(got.requests) == 3)
    assert got.keys() == ["o-1", "o-2", "o-3"]
    bodies = [orjson.loads(body) for _, body in got.requests]
    assert [body["event"] for body in bodies] == ["opened", "updated", "resolved"]
    assert [body["key"] for body in bodies] == got.keys()
    assert bodies[1]["changed"]["severity"] == ["warning", "critical"]
    assert bodies[2]["finding"]["state"] == "resolved"
    assert {body["schema"] for body in bodies} == {"telltale.webhook/v1"}


async def test_only_findings_that_are_severe_enough_are_delivered(store: Store) -> None:
    async with receiver() as got, delivering(store, got, "severe", min_severity="critical"):
        await store.append(0, finding("s1", severity="suspect"), finding("s2"), finding("s3", severity="critical"))
        await store.append(0, finding("s2", 2, severity="critical"))
        await until(lambda: len(got.requests) == 2)
    assert got.keys() == ["s3-1", "s2-2"]


async def test_a_rule_on_trial_alerts_nobody(store: Store) -> None:
    async with receiver() as got, delivering(store, got, "trial"):
        await store.append(0, finding("trial", shadow=True), finding("earnest"))
        await until(lambda: got.requests)
    assert got.keys() == ["earnest-1"]


async def test_a_receiver_that_fails_for_a_while_gets_all_of_it_in_order(store: Store) -> None:
    async with (
        receiver(lambda n: status(500) if n in (0, 1, 3) else status(200)) as got,
        delivering(store, got, "shaky") as delivering_,
    ):
        await store.append(0, finding("r1"), finding("r2"))
        await until(lambda: len(delivering_.outcomes) == 5)
        assert await delivering_.parked() == []
    assert got.keys() == ["r1-1", "r1-1", "r1-1", "r2-1", "r2-1"]
    assert delivering_.outcomes == ["failed", "failed", "delivered", "failed", "delivered"]


async def test_a_receiver_that_hangs_is_given_up_and_what_is_parked_comes_when_asked_for(store: Store) -> None:
    async with receiver(lambda _: None) as got, delivering(store, got, "hangs", timeout_s=3.0) as delivering_:
        await store.append(0, finding("h1"), finding("h2"))
        parked = await until(lambda: _two(delivering_))
        # While nobody answers, the second had one attempt only.
        assert got.keys() == ["h1-1", "h1-1", "h1-1", "h2-1"]
        assert {(row["finding_id"], row["attempts"], row["reason"]) for row in parked} == {
            ("h1", 3, "no answer within 3 s"),
            ("h2", 1, "no answer within 3 s"),
        }
        got.behave = lambda _: status(200)
        await store.append(0, finding("h3"))
        await until(lambda: got.keys()[4:] == ["h3-1"])
        assert await delivering_.parking.replay("hangs", "h2") == 1
        await until(lambda: got.keys()[5:] == ["h2-1"])
        assert await delivering_.parking.replay("hangs", "") == 1
        await until(lambda: got.keys()[6:] == ["h1-1"])
        await until(lambda: _none(delivering_))
        assert await delivering_.parking.replay("hangs", "") == 0


async def _two(delivering_: Delivering) -> list[dict[str, Any]]:
    parked = await delivering_.parked()
    return parked if len(parked) == 2 else []


async def _none(delivering_: Delivering) -> bool:
    return not await delivering_.parking.listing("hangs")


@pytest.mark.parametrize(("code", "header"), [(302, "location: http://169.254.169.254/"), (404, ""), (413, "")])
async def test_what_is_refused_for_good_is_parked_at_once_and_holds_nothing_up(
    store: Store, code: int, header: str
) -> None:
    refusing = status(code, header) if header else status(code)
    async with (
        receiver(lambda n: refusing if n == 0 else status(200)) as got,
        delivering(store, got, f"refused-{code}") as delivering_,
    ):
        await store.append(0, finding(f"n{code}a"), finding(f"n{code}b"))
        await until(lambda: len(got.requests) == 2)
        assert got.keys() == [f"n{code}a-1", f"n{code}b-1"]
        [row] = await until(delivering_.parked)
        assert (row["finding_id"], row["attempts"]) == (f"n{code}a", 1)
        assert str(code) in row["reason"]


async def test_a_replay_that_fails_is_parked_again_with_all_its_attempts(store: Store) -> None:
    async with receiver(lambda _: status(410)) as got, delivering(store, got, "gone") as delivering_:
        await store.append(0, finding("g"))
        await until(delivering_.parked)
        await delivering_.parking.replay("gone", "")
        await until(lambda: len(got.requests) == 2)
        [row] = await until(delivering_.parked)
        assert row["attempts"] == 2


async def test_a_kill_leaves_nothing_out_and_repeats_at_most_what_was_under_way(store: Store) -> None:
    async with (
        receiver(lambda n: None if n == 1 else status(200)) as got,
        delivering(store, got, "killed", timeout_s=30) as delivering_,
    ):
        await store.append(0, finding("k1"), finding("k2"), finding("k3"))
        await until(lambda: len(got.requests) == 2)
        await delivering_.kill()
        await store.append(0, finding("k4"))
        await delivering_.start()
        await until(lambda: len(got.requests) == 5)
    assert got.keys() == ["k1-1", "k2-1", "k2-1", "k3-1", "k4-1"]


async def test_what_was_found_before_a_webhook_was_set_up_is_not_its_business(store: Store) -> None:
    async with receiver() as got, delivering(store, got, "new"):
        await store.append(0, finding("after"))
        await until(lambda: got.requests)
    assert got.keys() == ["after-1"]


async def test_a_large_finding_comes_without_its_evidence(store: Store, feed: Feed, start: Place) -> None:
    evidence = tuple(Evidence("t", "s", n, note="x" * 20_000) for n in range(20))
    await store.append(0, finding("large", evidence=evidence))
    [entry] = (await drain(feed, start))[0]
    body = payload(entry, (await shown(store.reader, [entry]))[0])
    assert len(body) < MAX_BODY_BYTES
    assert orjson.loads(body)["finding"]["evidence_left_out"] == 20


async def test_the_key_tells_a_revision_under_the_trace_from_one_under_the_session(
    store: Store, feed: Feed, start: Place
) -> None:
    await store.append(0, finding("p", session_id="t"), finding("p"))
    assert [key(entry) for entry in (await drain(feed, start))[0]] == ["p-t1", "p-1"]


async def test_a_decision_is_told_with_the_finding(store: Store, decisions: Decisions) -> None:
    async with receiver() as got, delivering(store, got, "decided"):
        await store.append(0, finding("d"))
        await until(lambda: got.requests)
        await decisions.decide("d", "ack", "ann", "mine")
        await store.append(0, finding("d", 2))
        await until(lambda: len(got.requests) == 2)
    told = orjson.loads(got.requests[1][1])["finding"]
    assert (told["state"], told["decision"]["who"]) == ("acknowledged", "ann")
