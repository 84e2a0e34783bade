"""A Faust app inside our own event loop: no Faust worker, no signal handlers, no web server, no root logger.

app = make_app(settings.broker_url, data_dir, partitions)
stages = [PlannedStage(app, ...), KeyedStage(app, ...)]
running = EmbeddedApp(app, stages)
await running.start()      # every partition is ours and restored
await running.failed()     # returns only by raising what crashed
await running.stop()       # drained and committed
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, Protocol

import faust
from faust.types import TP

from pipeline.transport import local
from pipeline.transport.tables import PromptTableManager
from schemas.errors import TelltaleError

APP_ID: Final = "telltale"
START_TIMEOUT_S: Final = 60.0
DRAIN_TIMEOUT_S: Final = 15.0
LOOK_S: Final = 0.5

_log = logging.getLogger(__name__)


class Stage(Protocol):
    """What the host asks of a stage."""

    @property
    def topics(self) -> Collection[str]:
        """The topics that it consumes."""
        ...

    @property
    def retries(self) -> int:
        """Times that it waited for a store that was down: progress, for a watchdog."""
        ...

    def done(self, tp: TP) -> int | None:
        """Everything before this offset is processed; None: the partition is not open."""
        ...

    def watermark(self, tp: TP) -> int:
        """Event time up to which a partition's keys were judged, nanoseconds since 1970; 0: there is none."""
        ...

    async def caught_up(self) -> bool:
        """Whether everything that has arrived is processed."""
        ...

    async def drain(self) -> None:
        """Take nothing more, finish what was taken, commit."""
        ...

    async def close(self) -> None:
        """End what is still at work, finished or not; the next start repairs it."""
        ...


def make_app(
    broker_url: str,
    data_dir: Path,
    *,
    partitions: int = 1,
    group: str = APP_ID,
    options: Mapping[str, Any] | None = None,
) -> Any:
    """The Faust app with the settings that were found safe (`docs/`); declare stages on it before it starts.

    Args:
        broker_url: `local:///DIR`, or anything where `options` say more.
        data_dir: a folder of ours; Faust's own files go to `faust` in it.
        partitions: of topics that the app creates.
        group: names the consumer group; topics with states are named after it.
        options: what the transport asks for besides; see `pipeline.transport.kafka.app_options`.
    """
    local.register()
    faust_dir = data_dir / "faust"
    faust_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings: dict[str, Any] = {
        "broker": broker_url,
        "datadir": str(faust_dir),
        "store": "memory://",
        "topic_partitions": partitions,
        "topic_disable_leader": True,
        "web_enabled": False,
        "TableManager": PromptTableManager,
        "table_standby_replicas": 0,
        "consumer_auto_offset_reset": "earliest",
        "producer_linger": 0.005,
        "stream_buffer_maxsize": 128,
        "stream_recovery_delay": 0.0,
    }
    return faust.App(group, **settings | dict(options or {}))


class EmbeddedApp:
    """Starts, watches and stops an app and its stages. Used once."""

    def __init__(self, app: Any, stages: Sequence[Stage]) -> None:
        self.app = app
        self._stages = tuple(stages)
        self._stopping = False

    async def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Return when every partition is assigned and every table restored.

        Raises:
            TelltaleError: nothing was restored for `timeout_s`, and it was not ready yet.
            Exception: whatever crashed a service meanwhile.
        """
        try:
            async with asyncio.timeout(timeout_s) as limit:
                watching = asyncio.create_task(self._extend(limit, timeout_s))
                try:
                    await self.app.start()
                finally:
                    watching.cancel()
                self._raise_crash()
        except TimeoutError as exc:
            await self.stop()
            raise TelltaleError(f"the stream was not ready after {timeout_s:g} s without progress") from exc
        except BaseException:
            await self.stop()
            raise

    async def _extend(self, limit: asyncio.Timeout, timeout_s: float) -> None:
        """Give a long restore its time, as long as it goes on."""
        before = self.app.tables.restored
        while True:
            await asyncio.sleep(LOOK_S)
            if (now := self.app.tables.restored) != before:
                before = now
                limit.reschedule(asyncio.get_running_loop().time() + timeout_s)

    async def failed(self) -> None:
        """Wait for a service to crash and raise why; returns only when the app was stopped."""
        await self.app.wait_until_stopped()
        if not self._stopping:
            self._raise_crash()

    async def settle(self, timeout_s: float) -> bool:
        """Wait until every stage has processed all that has arrived; False: not within `timeout_s`.

        What waits for time to pass only (a call for its session, a silence) is not waited for.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not await self._settled():
                    self._raise_crash()
                    await asyncio.sleep(0.02)
        except TimeoutError:
            return False
        return True

    async def _settled(self) -> bool:
        for stage in self._stages:
            if not await stage.caught_up():
                return False
        return True

    async def stop(self, drain_timeout_s: float = DRAIN_TIMEOUT_S) -> None:
        """Finish what the stages have taken, commit it, stop. What waits in the log waits for the next start."""
        if self._stopping:
            return
        self._stopping = True
        async with AsyncExitStack() as stack:  # each of it, whatever fails before
            stack.push_async_callback(self.app.stop)
            for stage in reversed(self._stages):
                stack.push_async_callback(stage.close)
            if self.app.started and not self.app.crashed:
                await self._drain(drain_timeout_s)

    async def _drain(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                for stage in self._stages:
                    await stage.drain()
        except TimeoutError:
            _log.warning("the stages were not drained after %g s; the next start repairs it", timeout_s)

    def _raise_crash(self) -> None:
        if self.app.crashed:
            reason = self.app.crash_reason
            raise reason if reason is not None else TelltaleError("the stream crashed and did not say why")
