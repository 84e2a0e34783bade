"""The Faust agents of a stage and its work beside them, with one way to fail.

Faust, left alone, would lose messages here: an error raised in an agent skips the message and its neighbours, an
agent that was cancelled is not started again, and a task that nobody awaits fails in silence. So nothing is raised:
the first failure makes the stage take nothing more, ends the app, and surfaces where the app is awaited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from faust.types import TP

from pipeline.stages.place import P, Place
from schemas.errors import TelltaleError


class Agents:
    """One agent for each topic, all of them giving their messages to `take`, and one flush at a time a partition."""

    def __init__(self, app: Any, take: Callable[[Any], Awaitable[None]], tick: Callable[[], Awaitable[None]]) -> None:
        self._app = app
        self._take = take
        self._tick = tick
        self._flushes: dict[TP, asyncio.Task[None]] = {}
        self._taking = 0
        self.failed = False
        self.draining = False
        """Set where the stage takes nothing more because it is being stopped."""

    def follow(self, topic: str, name: str, partitions: int | None = None) -> None:
        """Declare the agent of a topic; before the app starts."""

        async def agent(stream: Any) -> None:
            await self._follow(topic, stream)

        raw = {"key_serializer": "raw", "value_serializer": "raw"}
        self._app.agent(self._app.topic(topic, acks=False, partitions=partitions, **raw), name=name)(agent)

    async def _follow(self, topic: str, stream: Any) -> None:
        try:
            async for arrival in stream.noack().events():
                if self.failed or self.draining:
                    continue  # it is in the log, and taken again by who comes next
                self._taking += 1
                try:
                    await self._take(arrival.message)
                except Exception as exc:
                    await self.fail(exc)
                finally:
                    self._taking -= 1
        finally:
            if not (self.failed or self.draining or self._app.should_stop):
                await self.fail(TelltaleError(f"the agent of {topic} ended"))

    def every(self, period_s: float) -> None:
        """Declare that `tick` is called again and again while the app runs."""

        async def ticking() -> None:
            while not self.failed:
                await asyncio.sleep(period_s)
                await self._tick()

        self._app.task(ticking)

    async def fail(self, reason: Exception) -> None:
        """Take nothing more (a message left out here would be acknowledged by the next one) and end the app."""
        self.failed = True
        await self._app.crash(reason)

    @property
    def idle(self) -> bool:
        """Whether no message is being taken: then none waits behind it either."""
        return not self._taking

    def busy(self, place: Place) -> bool:
        """Whether a flush of this partition is at work."""
        flush = self._flushes.get(place.tp)
        return place.lock.locked() or (flush is not None and not flush.done())

    def flush(self, place: P, work: Callable[[P], Coroutine[Any, Any, None]]) -> None:
        """Flush a partition that is not busy, without waiting for it."""
        self._flushes[place.tp] = asyncio.create_task(self._guarded(place, work))

    async def _guarded(self, place: P, work: Callable[[P], Coroutine[Any, Any, None]]) -> None:
        try:
            await work(place)
        except Exception as exc:
            await self.fail(exc)

    async def close(self) -> None:
        """Take nothing more and end flushes that are still at work."""
        self.draining = True
        for flush in self._flushes.values():
            flush.cancel()
        await asyncio.gather(*self._flushes.values(), return_exceptions=True)
