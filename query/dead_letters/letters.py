"""The answers about dead letters, and putting them back.

    a letter is put back      1  refused where it was before, or where rows of it are stored
                              2  the original: from the log, else the bytes kept if they are whole
                              3  recorded as begun; refused where somebody else has begun meanwhile
                              4  sent to its topic and partition, with a header that names the letter
                              5  recorded as sent

Who dies between 3 and 5 leaves `begun`: it may have been sent, and is not sent twice by itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from query.budget import UNTRUSTED
from query.dead_letters.stored import LATEST, MAX_REASON, OLDEST, Letter, Replay, StoredLetters
from query.fencing import command, runnable
from schemas.dead_letters import HEADER, Original, Place, place_of
from schemas.errors import PutBackError, QueryError
from schemas.topics import SIGNALS

Values = Mapping[str, Any]
MAX_TEXT: Final = 4_000


class Log(Protocol):
    """The log that the letters came from."""

    async def original(self, place: Place, unix_nano: int) -> Original | str:
        """The message that stood there when the log took it at this time; a text: why it cannot be had.

        Raises PutBackError where the log does not answer.
        """
        ...

    async def put_back(self, place: Place, original: Original, headers: Mapping[str, str]) -> tuple[int, int]:
        """Send a message to its topic; returns partition and offset once it is durable. Raises PutBackError."""
        ...


class Outcome(NamedTuple):
    """What became of one letter."""

    id: str
    outcome: str
    """`sent`, `would_send`, `refused` (`again` would do it), `cannot`, `failed` or `not_found`."""
    why: str = ""
    origin: str = ""
    """`log` or `kept`."""
    sent_to: str = ""


class _LeftError(Exception):
    """A letter is left where it is; the text says why."""

    def __init__(self, outcome: str, why: str, origin: str = "") -> None:
        super().__init__(why)
        self.outcome = outcome
        self.origin = origin


class DeadLetters:
    """Answers; `log` None: this process has none, and puts nothing back."""

    def __init__(self, stored: StoredLetters, log: Log | None) -> None:
        self._stored = stored
        self._log = log

    async def listing(self, asked: Values) -> dict[str, Any]:
        """Counts by kind, and the latest."""
        letters = await self._stored.chosen(LATEST, asked)
        total, kinds = await self._stored.kinds(asked)
        places = [letter.place for letter in letters]
        replays = await self._stored.replays(places) if places else {}
        origins = await self._stored.replay_of(places) if places else {}
        shown = [_shown(one, replays.get(str(one.place), ()), origins.get(str(one.place))) for one in letters]
        first = next((str(one.place) for one in letters), None)
        return {
            "total": total,
            "kinds": [
                {
                    "topic": kind["topic"],
                    "letters": int(kind["letters"]),
                    "first": kind["first"],
                    "last": kind["last"],
                    UNTRUSTED: {"reason": kind["reason"]},
                }
                for kind in kinds
            ],
            "dead_letters": shown,
            "next": runnable([command("dead-letters", "show", first)] if first else []),
        }

    async def one(self, asked: Values) -> dict[str, Any]:
        """One with its bytes."""
        try:
            letter = await self._found(asked["id"])
        except _LeftError as error:
            raise QueryError(
                error.outcome, str(error), field="id", hint="telltale dead-letters list", status=404
            ) from None
        replays = await self._stored.replays([letter.place])
        origins = await self._stored.replay_of([letter.place])
        value = (letter.value or b"")[: asked["max_bytes"]]
        told = _shown(letter, replays.get(str(letter.place), ()), origins.get(str(letter.place)))
        told |= {"kept": letter.kept, "stored_rows": await self._stored.rows(letter.place)}
        told[UNTRUSTED] = {
            "reason": letter.reason,
            "text": value.decode("utf-8", "replace")[:MAX_TEXT],
            "hex": value.hex(),
        }
        return {"dead_letter": told, "next": [f"telltale dead-letters replay {letter.place} --dry-run"]}

    async def replay(self, asked: Values) -> dict[str, Any]:
        """Put letters back, one after the other."""
        ids = asked["ids"] or [str(one.place) for one in await self._stored.chosen(OLDEST, asked)]
        outcomes = [await self._replayed(one, asked["again"], asked["dry_run"]) for one in dict.fromkeys(ids)]
        counts: dict[str, int] = {}
        for one in outcomes:
            counts[one.outcome] = counts.get(one.outcome, 0) + 1
        return {
            "counts": counts,
            "letters": [one._asdict() for one in outcomes],
            "next": ["telltale dead-letters list"],
        }

    async def _found(self, text: str) -> Letter:
        try:
            letter = await self._stored.one(place_of(text))
        except ValueError:
            raise _LeftError("not_found", f"{text[:60]!r} is no id: write TOPIC:PARTITION:OFFSET") from None
        if letter is None:
            raise _LeftError("not_found", f"there is no dead letter {text[:300]}")
        return letter

    async def _replayed(self, text: str, again: bool, dry_run: bool) -> Outcome:
        try:
            letter = await self._found(text)
            earlier = (await self._stored.replays([letter.place])).get(str(letter.place), [])
            if not again and (why := _before(earlier) or _in_part(await self._stored.rows(letter.place))):
                raise _LeftError("refused", why)
            original, origin = await self._original(letter)
            if dry_run:
                return Outcome(str(letter.place), "would_send", origin=origin)
            return await self._sent(letter.place, original, origin, {one.id for one in earlier})
        except _LeftError as left:
            return Outcome(text[:300], left.outcome, str(left), left.origin)

    async def _original(self, letter: Letter) -> tuple[Original, str]:
        if self._log is None:
            raise QueryError(
                "no_log",
                "this process has no log to put messages back into",
                hint="telltale dead-letters replay --kafka kafka://HOST:9092 --clickhouse URL",
                status=409,
            )
        if letter.place.topic not in SIGNALS:
            raise _LeftError("cannot", "its topic is none that telemetry comes by")
        try:
            found = await self._log.original(letter.place, letter.unix_nano)
        except PutBackError as error:
            raise _LeftError("failed", str(error)) from error
        if not isinstance(found, str):
            return found, "log"
        if letter.kept == "whole":
            return Original(letter.value or b"", None), "kept"
        raise _LeftError("cannot", f"{found}, and the bytes kept are {letter.kept}: ask its sender to send it again")

    async def _sent(self, place: Place, original: Original, origin: str, earlier: set[str]) -> Outcome:
        if self._log is None:
            raise RuntimeError("looked at before")
        replay = uuid.uuid4().hex
        await self._stored.record(replay, place, "begun", origin)
        others = (await self._stored.replays([place])).get(str(place), [])
        if {one.id for one in others} - earlier - {replay}:
            await self._stored.record(replay, place, "withdrawn", origin)
            raise _LeftError("refused", "somebody else is putting it back at this moment")
        try:
            sent = await self._log.put_back(place, original, {HEADER: str(place)})
        except PutBackError as error:
            if not error.uncertain:
                await self._stored.record(replay, place, "withdrawn", origin)
            may = "; it may be in the log all the same" if error.uncertain else ""
            raise _LeftError("failed", f"{error}{may}", origin) from error
        await self._stored.record(replay, place, "sent", origin, sent)
        return Outcome(str(place), "sent", origin=origin, sent_to=str(Place(place.topic, *sent)))


def _before(replays: Sequence[Replay]) -> str:
    """Why it is not put back again; "": it was not."""
    if not replays:
        return ""
    last = replays[-1]
    if last.state == "sent":
        return f"it was put back at {last.at}, as {last.sent_to}"
    return f"putting it back was begun at {last.at} and not finished: it may be in the log"


def _in_part(rows: Mapping[str, int]) -> str:
    if not rows:
        return ""
    listed = ", ".join(f"{count} in {table}" for table, count in rows.items())
    return f"rows of it are stored ({listed}), and would be twice"


def _shown(letter: Letter, replays: Sequence[Replay], origin: str | None) -> dict[str, Any]:
    last = replays[-1] if replays else None
    return {
        "id": str(letter.place),
        "at": letter.at,
        "stored_at": letter.stored_at,
        "size_bytes": letter.size_bytes,
        "kept_bytes": letter.kept_bytes,
        "put_back": None if last is None else {"state": last.state, "at": last.at, "as": last.sent_to or None},
        "replay_of": origin,
        UNTRUSTED: {"reason": letter.reason[:MAX_REASON]},
    }
