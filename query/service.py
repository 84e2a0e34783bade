"""What agents can ask: every door (HTTP, CLI through it, MCP) calls `Service.answer`, and gets the same answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from query.anything import schema, sql
from query.asked import Answer, Asked, mark_of, position, read
from query.assertion import assertion
from query.calls import calls
from query.compare import compare
from query.envelope import Freshness, coverage, moment, sealed
from query.findings import findings
from query.guard import guard
from query.overview import overview
from query.reader import Reader
from query.series import series
from query.sessions import sessions
from query.tasks import BY_NAME
from query.trace import trace

Function = Callable[[Asked], Awaitable[Answer]]

FUNCTIONS: Final[dict[str, Function]] = {
    "overview": overview,
    "findings": findings,
    "session": sessions,
    "trace": trace,
    "calls": calls,
    "series": series,
    "compare": compare,
    "assert": assertion,
    "sql": sql,
    "schema": schema,
    "guard": guard,
}
"""Task -> what answers it."""

DEAD_LETTERS: Final = "SELECT count() FROM dead_letters"
COUNTED_FOR_S: Final = 2.0
"""Seconds that a count of dead letters is used again."""


class Service:
    """Answers the tasks of `query.tasks` from the store.

    Args:
        reader: The store.
        as_of: The watermark in nanoseconds since 1970; 0 = nothing was judged yet.
        lag: Messages that wait to be judged; None = not known in this process.
        now: The time in nanoseconds since 1970, for `2h` ago.
        judged: Whether `as_of` says what was judged; False: it only says what is stored.
    """

    def __init__(
        self,
        reader: Reader,
        as_of: Callable[[], int],
        lag: Callable[[], int | None] = lambda: None,
        now: Callable[[], int] = time.time_ns,
        judged: bool = True,
    ) -> None:
        self._reader = reader
        self._as_of = as_of
        self._lag = lag
        self._now = now
        self._judged = judged
        self._dead_letters = 0
        self._counted = -COUNTED_FOR_S
        self._counting = asyncio.Lock()

    async def answer(self, task_name: str, given: Mapping[str, object]) -> dict[str, Any]:
        """The answer to one question, JSON values only.

        Args:
            task_name: One of `query.tasks.BY_NAME`.
            given: Its parameters by name, as text or as JSON; None = not given.

        Raises:
            QueryError: It cannot be answered as asked; the error says what would repair it.
        """
        task = BY_NAME[task_name]
        given = {name: value for name, value in given.items() if value is not None}
        now = self._now()
        values = read(task, given, now)
        mark = mark_of(task, given)
        after = position(mark, values.get("cursor"))
        fresh = await self._fresh()  # before the rows are read: what is told to be judged is in them
        asked = Asked(task, values, after, self._reader, now, fresh.as_of_unix_nano)
        return sealed(await FUNCTIONS[task.name](asked), asked["max_tokens"], mark, fresh)

    async def seal(self, answer: Answer, max_tokens: int) -> dict[str, Any]:
        """What another door has to say, as this one says it: how fresh, how complete, within a budget."""
        return sealed(answer, max_tokens, "", await self._fresh())

    def as_of(self) -> str | None:
        """The watermark as RFC 3339."""
        return moment(self._as_of())

    async def head(self) -> dict[str, Any]:
        """What every answer begins with: `as_of` and `coverage`."""
        fresh = await self._fresh()
        return {"as_of": moment(fresh.as_of_unix_nano), "coverage": coverage(Answer({}), fresh)}

    async def _fresh(self) -> Freshness:
        as_of, lag = self._as_of(), self._lag()
        async with self._counting:
            if time.monotonic() - self._counted >= COUNTED_FOR_S:
                self._dead_letters = (await self._reader.query(DEAD_LETTERS)).rows[0][0]
                self._counted = time.monotonic()
        return Freshness(as_of, lag, self._dead_letters, self._judged)
