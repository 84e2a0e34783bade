"""Keyed state on the real log and real Faust."""

from __future__ import annotations

import asyncio
from pathlib import Path

from faust.types import TP

from pipeline.stages import derived
from pipeline.stages.derived import Derived, Event
from pipeline.stages.keyed import KeyedOptions
from pipeline.stages.states import Limits
from pipeline.transport.records import Partition
from schemas.errors import PermanentSinkError, RetryableSinkError
from tests.stages.folds import Sums
from tests.stages.rig import CALLS, Rig, until

SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND
CHANGELOG = "telltale-telltale.calls.state-changelog"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = T0

    def __call__(self) -> int:
        return self.now


def options(clock: Clock, **limits: int) -> KeyedOptions:
    return KeyedOptions(flush_s=0.05, store_s=0.05, clock=clock, limits=Limits(**limits))


async def tell(rig: Rig, *events: Event, watermark: int = 0, offset: int = 0) -> None:
    """Append one derived message, as a stage before would."""
    whole = Derived("elsewhere", 0, offset, offset, watermark, list(events))
    for partition, one in derived.split(whole, rig.store.partitions):
        await rig.log.append(CALLS, derived.encode(one), partition=partition)


async def test_states_are_there_after_a_restart_and_repeats_are_still_known(tmp_path: Path) -> None:
    for turn in range(3):
        async with Rig(tmp_path) as rig:
            for offset in range(20):
                await tell(rig, Event(f"k{offset % 4}", offset, "add", [1], T0), offset=offset)
            await tell(rig, Event("turns", None, "add", [1], T0))
            await rig.settle()
            assert rig.sums() == {"turns": 1 + turn} | ({} if turn else dict.fromkeys(["k0", "k1", "k2", "k3"], 5))
            assert rig.keyed.done(TP(CALLS, 0)) == 21 * (turn + 1)


async def test_a_table_larger_than_one_read_is_restored(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        for offset in range(10):
            events = [Event(f"k{offset}.{i}", offset, "add", [1], T0) for i in range(300)]
            await tell(rig, *events, offset=offset)
        await rig.settle()
    fold = Sums()
    async with Rig(tmp_path, fold=fold) as rig:
        await until(lambda: rig.keyed.places.get(TP(CALLS, 0)) is not None)
        place = rig.keyed.places.get(TP(CALLS, 0))
        assert place is not None
        assert len(place.states) == 3_000
        assert fold.decoded == 0
        await tell(rig, Event("k9.299", 10, "add", [1], T0), offset=10)
        await rig.settle()
        assert rig.sums() == {"k9.299": 2}


async def test_keys_live_in_their_partitions_and_are_restored_there(tmp_path: Path) -> None:
    async with Rig(tmp_path, partitions=3) as rig:
        await rig.put(*[f"k{i} 1" for i in range(60)])
        await rig.settle()
    async with Rig(tmp_path, partitions=3) as rig:
        await rig.put(*[f"k{i} 1" for i in range(60)])
        await rig.settle()
        assert rig.sums() == {f"k{i}": 2 for i in range(60)}
        assert sum(len(place.states) for place in rig.keyed.places) == 60


async def test_outputs_are_published_before_the_state_is_stored_and_the_offset_committed(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        seen: list[tuple[int, object]] = []

        async def look() -> None:
            changes = rig.log.next_of(Partition(CHANGELOG, 0))
            seen.append((changes, rig.log.committed("telltale", Partition(CALLS, 0))))

        rig.before_publish = look
        await tell(rig, Event("k", 0, "add", [1], T0), watermark=T0)
        await rig.settle()
        assert seen == [(0, None)]
        await until(lambda: rig.log.committed("telltale", Partition(CALLS, 0)) is not None)
        assert rig.log.next_of(Partition(CHANGELOG, 0)) == 1
        assert rig.origins[0] == (CALLS, 0, 0, 0, T0)


async def test_what_was_found_is_published_long_before_states_are_stored(tmp_path: Path) -> None:
    async with Rig(tmp_path, options=KeyedOptions(flush_s=0.05, store_s=60.0)) as rig:
        await tell(rig, Event("k", 0, "add", [1], T0), watermark=T0)
        await rig.settle()
        assert rig.sums() == {"k": 1}
        assert rig.log.committed("telltale", Partition(CALLS, 0)) is None
    async with Rig(tmp_path) as rig:
        await tell(rig, Event("k", 1, "add", [1], T0), watermark=T0, offset=1)
        await rig.settle()
        assert rig.sums() == {"k": 2}, "stopping stored what was folded"


async def test_publishing_is_tried_again_in_place_and_each_output_comes_once(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        down = 3

        async def fail() -> None:
            nonlocal down
            if down:
                down -= 1
                raise RetryableSinkError("down", retry_after_s=0.01)

        rig.before_publish = fail
        await tell(rig, Event("k", 0, "add", [1], T0))
        await rig.settle()
        assert [one.value for one in rig.told] == [1]
        assert rig.keyed.retries == 3


async def test_outputs_that_nobody_takes_are_counted_and_do_not_stop_the_stage(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:

        async def refuse() -> None:
            raise PermanentSinkError("no such column")

        rig.before_publish = refuse
        await tell(rig, Event("k", 0, "add", [1], T0), Event("k", 0, "add", [1], T0))
        await rig.settle()
        assert (rig.told, rig.keyed.refused) == ([], 2)
        rig.before_publish = None
        await tell(rig, Event("k", 1, "add", [1], T0), offset=1)
        await rig.settle()
        assert rig.sums() == {"k": 3}


async def test_a_message_that_is_none_is_left_out(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.log.create(CALLS, 1)
        await rig.log.append(CALLS, b"what is this")
        await tell(rig, Event("k", 0, "add", [1], T0))
        await rig.settle()
        assert (rig.sums(), rig.keyed.undecoded) == ({"k": 1}, 1)


async def test_an_expired_key_leaves_the_table_for_good(tmp_path: Path) -> None:
    clock = Clock()
    quick = options(clock, recheck_ns=10 * SECOND)
    async with Rig(tmp_path, fold=Sums(quiet_ns=10 * SECOND), options=quick) as rig:
        await tell(rig, Event("old", 0, "add", [1, T0], T0))
        await tell(rig, Event("new", 1, "add", [1, T0 + 60 * SECOND], T0 + 60 * SECOND), offset=1)
        await rig.settle()
    async with Rig(tmp_path, fold=Sums(quiet_ns=10 * SECOND), options=quick) as rig:
        await until(lambda: rig.keyed.places.get(TP(CALLS, 0)) is not None)
        place = rig.keyed.places.get(TP(CALLS, 0))
        assert place is not None
        assert list(place.states._keys) == ["new"]


async def test_while_nothing_comes_time_passes_at_the_pace_of_the_clock(tmp_path: Path) -> None:
    clock = Clock()
    async with Rig(tmp_path, options=options(clock)) as rig:
        old = T0 - 10**15  # posted days after it happened: it gets its own five seconds all the same
        await tell(rig, Event("k", 0, "due", [old + 5 * SECOND], old), watermark=old)
        await rig.settle()
        await until(lambda: all(place.quiet_since == clock.now for place in rig.keyed.places))
        clock.now += 4 * SECOND
        await until(lambda: rig.keyed.watermark_unix_nano == old + 4 * SECOND)
        assert rig.told == []
        clock.now += 2 * SECOND
        await until(lambda: bool(rig.told))
        assert rig.told == [("k", "advanced", old + 6 * SECOND)]
        assert rig.origins[0].last < rig.origins[0].first, "no message brought this about"


async def test_while_the_stage_before_has_work_no_time_passes(tmp_path: Path) -> None:
    clock = Clock()
    async with Rig(tmp_path, options=options(clock)) as rig:
        await tell(rig, Event("k", 0, "due", [T0 + 5 * SECOND], T0), watermark=T0)
        await rig.settle()
        go_on = asyncio.Event()

        async def wait(*_: object) -> None:
            await go_on.wait()

        rig.store.before = wait
        await rig.put("k 1")
        await until(lambda: bool(rig.store.batches))
        await until(lambda: all(place.quiet_since is None for place in rig.keyed.places))
        clock.now += 60 * SECOND
        await asyncio.sleep(0.6)
        assert rig.told == []
        go_on.set()
        await rig.settle()


async def test_silence_is_judged_after_a_restart_too(tmp_path: Path) -> None:
    clock = Clock()
    async with Rig(tmp_path, options=options(clock)) as rig:
        await tell(rig, Event("k", 0, "due", [T0 + 5 * SECOND], T0), watermark=T0)
        await rig.settle()
    clock.now += 3_600 * SECOND
    async with Rig(tmp_path, options=options(clock)) as rig:
        await until(lambda: any(place.quiet_since == clock.now for place in rig.keyed.places))
        assert rig.told == [], "nobody could have spoken while the process was down"
        assert rig.keyed.watermark_unix_nano == T0
        clock.now += 6 * SECOND
        await until(lambda: bool(rig.told))
        assert rig.told == [("k", "advanced", T0 + 6 * SECOND)]


async def test_a_clock_that_is_wrong_by_years_does_not_stop_the_others(tmp_path: Path) -> None:
    clock = Clock()
    async with Rig(tmp_path, options=options(clock)) as rig:
        await tell(rig, Event("wrong", 0, "add", [1], T0 + 10**18), watermark=T0 + 10**18)
        await tell(rig, Event("right", 1, "due", [T0 + 5 * SECOND], T0), watermark=T0, offset=1)
        await rig.settle()
        assert rig.keyed.watermark_unix_nano == T0 + 300 * SECOND
        await until(lambda: all(place.quiet_since == clock.now for place in rig.keyed.places))
        clock.now += 6 * SECOND
        await until(lambda: any(one.key == "right" for one in rig.told))
        assert ("right", "advanced", T0 + 6 * SECOND) in rig.told


async def test_the_stored_watermark_is_never_behind_what_was_judged(tmp_path: Path) -> None:
    clock = Clock()
    async with Rig(tmp_path, options=options(clock)) as rig:
        await tell(rig, Event("k", 0, "add", [1], T0), watermark=T0 + 7 * SECOND)
        await rig.settle()
        await until(lambda: rig.log.committed("telltale", Partition(CALLS, 0)) is not None)
        stored = rig.log.committed("telltale", Partition(CALLS, 0))
        assert stored is not None
        assert stored.metadata == f'{{"watermark":{T0 + 7 * SECOND}}}'


async def test_a_flush_that_is_cancelled_is_done_again_from_what_is_stored(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        hang = True

        async def wait() -> None:
            if hang:
                await asyncio.Event().wait()

        await tell(rig, Event("k", 0, "add", [1], T0))
        await rig.settle()
        rig.before_publish = wait
        await tell(rig, Event("k", 1, "add", [1], T0), offset=1)
        await until(lambda: any(place.lock.locked() for place in rig.keyed.places))
        hang = False
        for task in rig.keyed._agents._flushes.values():
            task.cancel()
        await tell(rig, Event("k", 2, "add", [1], T0), offset=2)
        await rig.settle()
        assert rig.sums() == {"k": 3}
        (place,) = rig.keyed.places
        assert place.states._keys["k"].state["count"] == 3


async def test_who_lost_the_partition_in_its_sleep_writes_no_states(tmp_path: Path) -> None:
    fenced = KeyedOptions(flush_s=0.05, store_s=0.05, fenced=True)
    async with Rig(tmp_path, options=fenced) as rig:
        await tell(rig, Event("k", 0, "add", [1], T0))
        await rig.settle()
        await until(lambda: rig.log.next_of(Partition(CHANGELOG, 0)) == 1)
        tried = 0

        async def refuse(*_: object) -> bool:
            nonlocal tried
            tried += 1
            return False

        rig.app.consumer.commit_meta = refuse
        await tell(rig, Event("k", 1, "add", [1], T0), offset=1)
        await until(lambda: tried > 1)
        assert rig.log.next_of(Partition(CHANGELOG, 0)) == 1
