"""Events of one key from several partitions are folded in order of time, also where one partition is behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from pipeline.message import Message
from pipeline.stages.order import Cuts
from testbed.kafka import Broker
from tests.kafka.rig import KafkaRig, prepare, producer, settings_of
from tests.stages.rig import until

COUNT = 40


class OrderedRig(KafkaRig):
    """Folds cut by cut, as the stages of a fleet do."""

    async def __aenter__(self) -> OrderedRig:
        self.keyed.in_order(Cuts(self.app, self.planned.places, (self.spans,)))
        await self.running.start()
        return self

    def folded(self) -> list[int]:
        """What was added to the key, in the order of folding."""
        sums = [0, *[one.value for one in self.told if one.kind == "sum"]]
        return [after - before for before, after in pairwise(sums)]


async def write(rig: KafkaRig, numbers: range) -> None:
    """Number after number of one key, a partition for each in turn."""
    start_ms = int(time.time() * 1000) - 60_000
    async with producer(rig.settings) as sending:
        for number in numbers:
            await sending.send_and_wait(
                rig.spans, f"k {number}".encode(), partition=number % 2, timestamp_ms=start_ms + number
            )


async def test_a_partition_that_is_behind_is_waited_for(broker: Broker, folder: Path) -> None:
    settings = settings_of(broker, folder, "behind")
    await prepare(settings)
    async with OrderedRig(settings) as rig:
        go_on = asyncio.Event()

        async def hold_first(messages: Sequence[Message], _replay: bool) -> None:
            if messages[0].partition == 0:
                await go_on.wait()

        rig.store.before = hold_first
        await write(rig, range(1, COUNT + 1))
        await until(lambda: len(rig.store.rows[rig.spans, 1]) == COUNT // 2)
        await asyncio.sleep(1.0)
        before = rig.folded()
        go_on.set()
        await rig.settle()
        assert before == sorted(before)
        assert len(before) < COUNT // 2, "the partition that is ahead waits"
        assert rig.folded() == list(range(1, COUNT + 1))


async def test_what_is_held_when_a_worker_ends_is_folded_in_order_by_the_next(broker: Broker, folder: Path) -> None:
    settings = settings_of(broker, folder, "held-over")
    await prepare(settings)
    async with OrderedRig(settings) as first:

        async def never(messages: Sequence[Message], _replay: bool) -> None:
            if messages[0].partition == 0:
                await asyncio.Event().wait()

        first.store.before = never
        await write(first, range(1, COUNT + 1))
        await until(lambda: len(first.store.rows[first.spans, 1]) == COUNT // 2)
        await asyncio.sleep(1.5)
        told = first.folded()
    async with OrderedRig(settings, store=first.store) as second:
        first.store.before = None
        await second.settle()
        numbers = second.folded()
        numbers[0] -= sum(told)
        assert told + numbers == list(range(1, COUNT + 1))


async def test_silence_is_not_judged_while_a_partition_is_behind(broker: Broker, folder: Path) -> None:
    settings = settings_of(broker, folder, "silence")
    await prepare(settings)
    async with OrderedRig(settings) as rig:
        await write(rig, range(1, 3))
        await rig.settle()
        watermark = rig.keyed.watermark_unix_nano
        go_on = asyncio.Event()

        async def hold(_messages: Sequence[Message], _replay: bool) -> None:
            await go_on.wait()

        rig.store.before = hold
        await write(rig, range(3, 5))
        await until(
            lambda: bool(rig.store.batches) and any(len(b.messages) or b.next > b.done for b in rig.planned.places)
        )
        await until(lambda: all(keyed.quiet_since is None for keyed in rig.keyed.places))
        watermark = max(watermark, rig.keyed.watermark_unix_nano)
        await asyncio.sleep(1.0)
        assert rig.keyed.watermark_unix_nano == watermark
        go_on.set()
        await rig.settle()
        assert rig.folded() == [1, 2, 3, 4]
