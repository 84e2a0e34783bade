"""The role of the API: questions about what is stored, and telling others of findings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from cli.access import access
from cli.addresses import host_port, with_port
from cli.notified import notified
from pipeline.putting_back import OpenLog
from pipeline.receiver.servers import AsgiServer
from pipeline.settings import Settings
from query.api import Process, api_app
from query.dead_letters.letters import DeadLetters
from query.dead_letters.stored import StoredLetters
from query.feed.consumers import Consumers
from query.feed.decisions import Decisions
from query.feed.feed import Feed, feed_reader
from query.feed.routes import Doors
from query.feed.writer import Writer
from query.findings import still_open
from query.notify.notifier import Notifier, parts
from query.notify.parked import Parking
from query.notify.turn import Turn
from query.reader import Reader
from query.service import Service
from schemas.errors import QueryError, SettingsError
from sinks.clickhouse import embedded
from sinks.prometheus import OpenFinding, PrometheusMetrics

NEWEST: Final = "SELECT toUnixTimestamp64Nano(max(Timestamp)) FROM otel_traces WHERE Timestamp > now() - INTERVAL 1 DAY"
NEWEST_S: Final = 5.0
"""How often a process without a worker asks how far the store has come."""


class Answering:
    """Contract: `cli.part.Part`.

    Args:
        settings: Where the store is and where to listen.
        metrics: For `/metrics`.
        as_of: The worker's watermark; None: there is no worker in this process.
        lag: Messages that wait to be judged; None: not known in this process.
        log: Where dead letters are put back; None: nowhere.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: PrometheusMetrics,
        as_of: Callable[[], int] | None,
        lag: Callable[[], int | None],
        log: OpenLog | None = None,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._log = log
        self._alone = as_of is None
        self._newest_unix_nano = 0
        self._asking: asyncio.Task[None] | None = None
        self._reader, self._writer = Reader(settings.store_url), Writer(settings.store_url)
        self._following = feed_reader(settings.store_url)
        self.feed = Feed(self._following)
        service = Service(self._reader, as_of or (lambda: self._newest_unix_nano), lag, judged=not self._alone)
        consumers, parking = Consumers(self._following, self._writer), Parking(self._following, self._writer)
        letters = DeadLetters(StoredLetters(self._reader, self._writer), log)
        doors = Doors(self.feed, consumers, Decisions(self._reader, self._writer), parking, letters)
        told = parts(notified(settings), self.feed, consumers, parking, metrics.notified)
        # The embedded engine takes one process a folder; of a server's API processes each receiver has one that tells.
        turn = None if embedded(settings.store_url) else partial(Turn, reader=self._following, writer=self._writer)
        self._notifier = Notifier(told, turn)
        process = Process(metrics.render, metrics.content_type)
        app = api_app(service, doors, process, access(settings))
        self._server = AsgiServer(app, *host_port(settings.api), "the API")

    async def start(self) -> dict[str, str]:
        """The store has to be there."""
        try:
            self._metrics.restore_findings(OpenFinding(*one) for one in await still_open(self._reader))
        except QueryError as error:
            raise SettingsError(f"the store cannot be asked: {error}. {error.hint}") from error
        await self._server.start()
        self._notifier.start()
        if self._alone:
            self._asking = asyncio.create_task(self._ask())
        return {"api": with_port(self._settings.api, self._server.port)}

    async def failed(self) -> None:
        """Only telling others can break; a store that is down is told to who asks."""
        await self._notifier.failed()

    async def stop(self) -> None:
        """Answer what is under way."""
        if self._asking is not None:
            self._asking.cancel()
        await self._notifier.stop()
        await self.feed.close()
        await self._server.stop()
        if self._log is not None:
            await self._log.close()
        await asyncio.to_thread(self._writer.close)
        await asyncio.to_thread(self._following.close)
        await asyncio.to_thread(self._reader.close)

    async def _ask(self) -> None:
        while True:
            try:
                found = await self._reader.query(NEWEST)
                self._newest_unix_nano = max(0, int(found.rows[0][0]))
            except QueryError:
                pass  # who asks a question is told that the store is down
            await asyncio.sleep(NEWEST_S)
