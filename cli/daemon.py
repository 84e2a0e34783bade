"""A process of ours: receiver, worker and API, or some of them, side by side in one event loop.

Start: store and stream first, doors last, so that nothing is accepted that could not be processed. Stop: doors
first, then the stream finishes what it has, then the API, which answers until the end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final, Literal

from cli.answering import Answering
from cli.exposing import Exposing
from cli.part import Part
from cli.receiving import Receiving
from cli.working import Working
from pipeline.journal import journal
from pipeline.putting_back import open_for_putting_back
from pipeline.settings import Settings
from pipeline.transport.kafka import is_kafka
from schemas.finding import Finding
from sinks.prometheus import PrometheusMetrics

Role = Literal["receiver", "worker", "api"]
ALL_ROLES: Final[frozenset[Role]] = frozenset({"receiver", "worker", "api"})


class Daemon:
    """Some roles in one process. `start` once, `stop` once."""

    def __init__(
        self, settings: Settings, version: str, tell: Callable[[Finding], None], roles: frozenset[Role] = ALL_ROLES
    ) -> None:
        metrics = PrometheusMetrics(started_unix_nano=time.time_ns())
        metrics.build(version)
        worker = Working(settings, metrics, self._told) if "worker" in roles else None
        as_of = None if worker is None else lambda: worker.watermark_unix_nano
        lag = (lambda: None) if worker is None else worker.lag
        # an API that runs apart only reads, unless it is told which Kafka
        log = open_for_putting_back(settings) if "receiver" in roles or is_kafka(settings.broker_url) else None
        api = Answering(settings, metrics, as_of, lag, log) if "api" in roles else None
        receiver = Receiving(settings, metrics, journal(settings)) if "receiver" in roles else None
        exposed = None if api is not None else Exposing(settings, metrics)
        self._tell, self._api, self._worker = tell, api, worker
        self._start: list[Part] = [part for part in (worker, api, receiver, exposed) if part is not None]
        self._stop: list[Part] = [part for part in (receiver, worker, api, exposed) if part is not None]

    def _told(self, finding: Finding) -> None:
        if self._api is not None:
            self._api.feed.tell()
        self._tell(finding)

    def reload(self) -> None:
        """Read the rules again; of roles that have none nothing."""
        if self._worker is not None:
            self._worker.reload()

    async def start(self) -> dict[str, str]:
        """Return when everything works; what listens where, name -> HOST:PORT. Raises TelltaleError."""
        addresses: dict[str, str] = {}
        try:
            for part in self._start:
                addresses |= await part.start()
        except BaseException:
            await self.stop()
            raise
        return addresses

    async def failed(self) -> None:
        """Wait for a part to break and raise why."""
        waiting = [asyncio.create_task(part.failed()) for part in self._start]
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in waiting:
                task.cancel()

    async def stop(self) -> None:
        """Stop in order; what has been acknowledged stays in the log until it is processed."""
        async with AsyncExitStack() as stack:  # each of them, whatever fails before
            for part in reversed(self._stop):
                stack.push_async_callback(part.stop)
