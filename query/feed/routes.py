"""The answers of the feed's tasks (`query.feed.tasks`), and the table that `query.api` makes routes of."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from starlette.requests import Request

from query.asked import read
from query.dead_letters.letters import DeadLetters
from query.dead_letters.tasks import DEAD_LETTER, DEAD_LETTER_REPLAY, DEAD_LETTERS
from query.feed import tasks
from query.feed.consumers import WEBHOOK, Consumers, check_name
from query.feed.cursor import Place
from query.feed.decisions import Action, Decisions
from query.feed.feed import Feed
from query.feed.follow import Followed, follow
from query.feed.stream import FindingStream
from query.notify.parked import Parking
from query.tasks import Task
from schemas.errors import QueryError

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Doors:
    """What the routes of the feed answer from."""

    feed: Feed
    consumers: Consumers
    decisions: Decisions
    parking: Parking
    dead_letters: DeadLetters

    async def follow(self, given: Mapping[str, object], head: Mapping[str, Any]) -> dict[str, Any]:
        """The long poll; `head` is what every answer begins with."""
        asked = read(tasks.FOLLOW, given, time.time_ns())
        place = await self.begin(asked["after"], asked["consumer"])
        limits = Followed(place, asked["wait_s"], asked["max_tokens"], asked["min_severity"], asked["every"])
        return await follow(self.feed, limits, head)

    async def stream(self, request: Request) -> FindingStream:
        """Server-sent events; a client that comes back says where it was."""
        asked = read(tasks.STREAM, dict(request.query_params), time.time_ns())
        last = request.headers.get("last-event-id", "")
        place = await self.begin(last or asked["after"], None if last else asked["consumer"])
        return FindingStream(self.feed, place)

    async def begin(self, after: str | None, consumer: str | None) -> Place:
        """Where the feed begins: at a cursor, or where a consumer has acknowledged."""
        if consumer is None:
            return await self.feed.place(after or "")
        if after is not None:
            raise QueryError(
                "bad_combination", "a consumer has its own place", field="after", hint="leave after or consumer out"
            )
        known = await self.consumers.place(check_name(consumer))
        return () if known is None else known


async def _consumers(doors: Doors, _: Values) -> dict[str, Any]:
    return {"consumers": await doors.consumers.listing()}


async def _acknowledge(doors: Doors, asked: Values) -> dict[str, Any]:
    name = check_name(asked["consumer"])
    reached = await doors.consumers.acknowledge(name, await doors.feed.place(asked["cursor"]))
    return {"consumer": name, "cursor": await doors.feed.cursor(reached)}


async def _forget(doors: Doors, asked: Values) -> dict[str, Any]:
    await doors.consumers.forget(check_name(asked["consumer"]))
    return {"consumer": asked["consumer"], "forgotten": True}


def _deciding(action: Action) -> Function:
    async def decide(doors: Doors, asked: Values) -> dict[str, Any]:
        decided = await doors.decisions.decide(asked["id"], action, asked["who"], asked["reason"])
        return decided | {"next": [f"telltale findings {decided['finding_id']}"]}

    return decide


async def _webhooks(doors: Doors, asked: Values) -> dict[str, Any]:
    """How far each is, and what is parked; of one where it is named."""
    name = asked.get("webhook", "")
    places = {one["consumer"]: one for one in await doors.consumers.listing()}
    counts = await doors.parking.counts()
    names = sorted({own.removeprefix(WEBHOOK) for own in places if own.startswith(WEBHOOK)} | set(counts))
    if name and name not in names:
        raise QueryError(
            "not_found", f"there is no webhook {name!r}", field="webhook", hint="telltale webhooks", status=404
        )
    told = [
        {
            "webhook": one,
            "behind": places.get(WEBHOOK + one, {}).get("behind"),
            "parked": counts.get(one, (0, 0))[0],
            "queued": counts.get(one, (0, 0))[1],
        }
        for one in names
        if name in ("", one)
    ]
    again = [f"telltale webhooks replay {one['webhook']}" for one in told if one["parked"]]
    return {"webhooks": told, "parked": await doors.parking.listing(name), "next": again[:3]}


async def _replay(doors: Doors, asked: Values) -> dict[str, Any]:
    await _webhooks(doors, asked)
    queued = await doors.parking.replay(asked["webhook"], asked["finding_id"] or "")
    return {"webhook": asked["webhook"], "queued": queued, "next": ["telltale webhooks"]}


Function = Callable[[Doors, Values], Awaitable[dict[str, Any]]]


JSON_TYPES: Final = {"text": str, "choice": str, "moment": str, "integer": int, "flag": bool, "texts": list}


def _check_types(task: Task, given: Mapping[str, object]) -> None:
    """Where something changes nothing is read into a value of another type, nor a default taken for a null."""
    for parameter in task.parameters:
        value = given.get(parameter.name)
        fits = isinstance(value, JSON_TYPES[parameter.kind]) and (parameter.kind == "flag") == isinstance(value, bool)
        if parameter.name in given and not fits:
            raise parameter.refusal(
                value, f"a value of the type {JSON_TYPES[parameter.kind].__name__}, or leave it out"
            )


class Door(NamedTuple):
    """A task and what answers it."""

    task: Task
    answer: Function
    rows: str = ""
    """Of what is only read: the list that may lose its end to the budget."""

    async def open(self, doors: Doors, given: Mapping[str, object]) -> dict[str, Any]:
        """Read the parameters and answer; raises QueryError."""
        if self.task.scope == "write":
            _check_types(self.task, given)
        return await self.answer(doors, read(self.task, given, time.time_ns()))


async def _dead_letters(doors: Doors, asked: Values) -> dict[str, Any]:
    return await doors.dead_letters.listing(asked)


async def _dead_letter(doors: Doors, asked: Values) -> dict[str, Any]:
    return await doors.dead_letters.one(asked)


async def _put_back(doors: Doors, asked: Values) -> dict[str, Any]:
    return await doors.dead_letters.replay(asked)


DOORS: Final = (
    Door(DEAD_LETTERS, _dead_letters, "dead_letters"),
    Door(DEAD_LETTER, _dead_letter),
    Door(DEAD_LETTER_REPLAY, _put_back),
    Door(tasks.CONSUMERS, _consumers, "consumers"),
    Door(tasks.ACKNOWLEDGE, _acknowledge),
    Door(tasks.FORGET, _forget),
    Door(tasks.ACK, _deciding("ack")),
    Door(tasks.RESOLVE, _deciding("resolve")),
    Door(tasks.REOPEN, _deciding("reopen")),
    Door(tasks.WEBHOOKS, _webhooks, "parked"),
    Door(tasks.WEBHOOK, _webhooks, "parked"),
    Door(tasks.REPLAY, _replay),
)
