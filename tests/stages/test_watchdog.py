"""The watchdog: what stands still is ended, what merely waits is not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from faust.types import TP

from pipeline.message import Message
from pipeline.stages.planned import BatchLimits
from pipeline.watchdog import EXIT_STALLED, Watchdog
from schemas.errors import RetryableSinkError
from tests.stages.rig import Rig, until

ROOT = Path(__file__).parents[2]
STALL_S = 0.6


def watch(rig: Rig, reasons: list[str]) -> Watchdog:
    dog = Watchdog(rig.app, [rig.planned, rig.keyed], STALL_S, reasons.append)
    dog.start()
    return dog


@asynccontextmanager
async def silent_store(rig: Rig) -> AsyncIterator[list[str]]:
    """One message is on its way to a store that does not answer, watched; gives what the watchdog says."""
    go_on = asyncio.Event()

    async def hang(*_: object) -> None:
        await go_on.wait()

    reasons: list[str] = []
    rig.store.before = hang
    dog = watch(rig, reasons)
    await rig.put("k 1")
    try:
        yield reasons
    finally:
        await dog.stop()
        go_on.set()


async def test_an_agent_that_stands_still_is_ended_and_the_partition_named(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig, silent_store(rig) as reasons:
        await until(lambda: bool(reasons))
        assert "otlp_spans partition 0 has stood at offset 0 of 1" in reasons[0]


async def test_a_write_that_the_store_has_not_answered_is_no_standstill_for_as_long_as_it_may_take(
    tmp_path: Path,
) -> None:
    limits = BatchLimits(linger_s=0.05, write_s=4 * STALL_S)
    async with Rig(tmp_path, limits=limits) as rig, silent_store(rig) as reasons:
        began = time.monotonic()
        await until(lambda: bool(reasons))
        assert time.monotonic() - began > limits.write_s
        assert "otlp_spans partition 0 has stood at offset 0 of 1" in reasons[0]


async def test_a_process_that_was_stopped_and_goes_on_did_not_stand_still(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        await rig.put("k 1")
        await rig.settle()
        reasons: list[str] = []
        dog = Watchdog(rig.app, [rig.planned, rig.keyed], 60.0, reasons.append)
        await rig.app._fetcher.stop()
        await rig.put("k 1")
        for _ in range(4):
            assert await dog._stalled() == ""
            dog._looked_at -= 600
        for _ in range(40):
            dog._looked_at -= 600
            if told := await dog._stalled():
                break
        assert "has stood at offset 1 of 2 for 62 s" in told


async def test_a_dead_fetcher_is_noticed(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        await rig.put("k 1")
        await rig.settle()
        reasons: list[str] = []
        dog = watch(rig, reasons)
        await rig.app._fetcher.stop()
        await rig.put("k 1")
        await until(lambda: bool(reasons))
        assert "otlp_spans partition 0 has stood at offset 1 of 2" in reasons[0]
        await dog.stop()


async def test_waiting_for_a_store_that_is_down_is_no_standstill(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        down = True

        async def fail(_messages: Sequence[Message], _replay: bool) -> None:
            if down:
                raise RetryableSinkError("down", retry_after_s=0.1)

        reasons: list[str] = []
        dog = watch(rig, reasons)
        rig.store.before = fail
        await rig.put("k 1")
        await asyncio.sleep(4 * STALL_S)
        assert reasons == []
        down = False
        await rig.settle()
        await dog.stop()


async def test_a_stage_whose_write_stands_behind_the_retries_of_another_is_not_ended(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig, silent_store(rig) as reasons:
        for _ in range(8):
            await asyncio.sleep(STALL_S / 2)
            rig.keyed._retries += 1
        assert reasons == []
        await until(lambda: bool(reasons))  # nobody tries any more


async def test_a_stream_that_works_and_one_that_is_idle_are_left_alone(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        reasons: list[str] = []
        dog = watch(rig, reasons)
        end = time.monotonic() + 4 * STALL_S
        while time.monotonic() < end:
            await rig.put("k 1")
            await asyncio.sleep(0.02)
        await rig.settle()
        await asyncio.sleep(2 * STALL_S)
        assert reasons == []
        await dog.stop()


async def test_a_blocked_loop_is_noticed_from_outside_of_it(tmp_path: Path) -> None:
    class Deaf:
        """A stage whose ends of the log cannot be asked: as with a loop that does not answer."""

        topics = ("otlp_spans",)
        retries = 0

        def done(self, _tp: object) -> int | None:
            return None

        def watermark(self, tp: TP) -> int:
            raise AssertionError(f"nobody asks here: {tp}")

        async def caught_up(self) -> bool:
            return False

        async def drain(self) -> None:
            return

        async def close(self) -> None:
            return

    async with Rig(tmp_path) as rig:
        reasons: list[str] = []
        dog = Watchdog(rig.app, [Deaf()], 0.4, reasons.append)
        dog.start()
        dog._beat -= 100
        end = time.monotonic() + 60
        while not reasons and time.monotonic() < end:
            time.sleep(0.01)  # the loop is blocked: only the thread can notice
        assert len(reasons) == 1
        assert "the event loop has not answered" in reasons[0]
        await dog.stop()


def test_the_process_ends_with_its_own_exit_code_and_says_why(tmp_path: Path) -> None:
    code = f"""
import asyncio
from pathlib import Path
from pipeline.watchdog import Watchdog
from tests.stages.rig import Rig

async def main():
    async with Rig(Path({str(tmp_path)!r})) as rig:
        async def hang(*_):
            await asyncio.Event().wait()
        rig.store.before = hang
        Watchdog(rig.app, [rig.planned, rig.keyed], 0.5).start()
        await rig.put("k 1")
        await asyncio.sleep(60)

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == EXIT_STALLED, done.stderr
    assert "stopped by its watchdog: otlp_spans partition 0 has stood at offset 0 of 1" in done.stderr
