"""Ends the process when it stands still: a supervisor starts it again, and nothing is lost by that.

Measured, not guessed: once a second each partition's own done offset is held against the log's end, asked anew (the
consumer's cached one lies when the fetcher is dead). A plain thread watches the check itself, for a blocked event
loop. Waiting for a store that is down is no standstill: retries count as progress, those of any stage for all, since
all wait for the same store and their writes stand in one queue.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from faust.types import TP

from pipeline.stages.embedded import Stage

EXIT_STALLED: Final = 75
"""EX_TEMPFAIL of sysexits.h: try again."""
CHECK_S: Final = 1.0
ASK_S: Final = 5.0


def end_process(reason: str) -> None:
    """Say why and end at once: nothing orderly can be expected of a process that stands still."""
    sys.stderr.write(f"telltale: stopped by its watchdog: {reason}\n")
    sys.stderr.flush()
    os._exit(EXIT_STALLED)


class Watchdog:
    """Watches the stages of one app. `end` is called from the event loop or from the watching thread."""

    def __init__(
        self, app: Any, stages: Sequence[Stage], stall_s: float, end: Callable[[str], None] = end_process
    ) -> None:
        self._app = app
        self._stages = tuple(stages)
        self._stall_s = stall_s
        self._period_s = min(CHECK_S, stall_s / 4)
        self._looked_at = time.monotonic()
        self._end = end
        self._beat = time.monotonic()
        self._doing = "starting"
        self._restored = 0
        self._stopped = threading.Event()
        self._seen: dict[TP, tuple[object, float]] = {}
        """How far each partition that has not come to its end was, and for how many seconds it has been there."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the running loop, once the app is ready."""
        self._beat = time.monotonic()
        self._task = asyncio.create_task(self._check_for_ever())
        threading.Thread(target=self._watch_beat, name="telltale-watchdog", daemon=True).start()

    async def stop(self) -> None:
        """Stop watching; before the app stops, which is no progress either."""
        self._stopped.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _check_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._period_s)
            # while it rebalances, or restores and comes no further, the beat is not renewed: the thread bounds that
            if self._app.rebalancing or self._app.in_recovery:
                self._doing = "rebalancing or restoring"
                if (restored := self._app.tables.restored) != self._restored:
                    self._restored, self._beat = restored, time.monotonic()
                self._seen.clear()
                continue
            self._doing = "asking for the ends of the log"
            try:
                stalled = await asyncio.wait_for(self._stalled(), ASK_S)
            except TimeoutError:
                continue
            if stalled:
                self._end(stalled)
            self._beat, self._doing = time.monotonic(), "waiting for the next check"

    async def _stalled(self) -> str:
        """Which partition stands still, and where; "" if none does."""
        consumer = self._app.consumer
        now = time.monotonic()
        # a process that was stopped and goes on did not stand still meanwhile
        since_s, self._looked_at = min(now - self._looked_at, 2 * self._period_s), now
        retries = sum(stage.retries for stage in self._stages)
        for stage in self._stages:
            ours = [tp for tp in consumer.assignment() if tp.topic in stage.topics]
            ends = await consumer.highwaters(*ours)
            committed = await consumer.committed_meta(ours)
            for tp in ours:
                stored = committed[tp]
                done = stage.done(tp)
                if done is None:
                    done = 0 if stored is None else stored.offset
                if done >= ends[tp]:
                    self._seen.pop(tp, None)
                    continue
                progress = (done, retries)
                before = self._seen.get(tp)
                if before is None or before[0] != progress:
                    self._seen[tp] = (progress, 0.0)
                    continue
                stood_s = before[1] + since_s
                self._seen[tp] = (progress, stood_s)
                if stood_s > self._stall_s:
                    return (
                        f"{tp.topic} partition {tp.partition} has stood at offset {done} of {ends[tp]} "
                        f"for {stood_s:.0f} s"
                    )
        return ""

    def _watch_beat(self) -> None:
        last = time.monotonic()
        while not self._stopped.wait(self._period_s):
            now = time.monotonic()
            if now - last > self._period_s + ASK_S:
                self._beat = now  # the whole process was stopped, not the loop
            last = now
            if now - self._beat > 2 * self._stall_s + ASK_S:
                self._end(f"the event loop has not answered for {now - self._beat:.0f} s ({self._doing})")
                return
