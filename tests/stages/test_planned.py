"""Planned batches on the real log and real Faust."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from faust.types import TP

from pipeline.message import Message
from pipeline.stages.planned import BatchLimits
from pipeline.transport.records import Commit, Committed, Partition
from schemas.errors import PermanentSinkError, RetryableSinkError, TelltaleError
from tests.stages.rig import RAW, Rig, until

SPANS = Partition(RAW[0], 0)


async def test_messages_are_stored_once_in_order_and_sent_on(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        await asyncio.gather(*[rig.log.append(RAW[0], b"k%d 1" % (i % 7)) for i in range(500)])
        await rig.put("k0 1", "k1 1", topic=RAW[1])
        await rig.settle()
        assert rig.store.rows[RAW[0], 0] == list(range(500))
        assert rig.store.rows[RAW[1], 0] == [0, 1]
        assert sum(rig.sums().values()) == 502
        assert not any(replay for *_, replay in rig.store.batches)


async def test_batches_end_at_the_message_and_byte_bounds(tmp_path: Path) -> None:
    async with Rig(tmp_path, limits=BatchLimits(messages=10, bytes=1_000, linger_s=30)) as rig:
        await asyncio.gather(*[rig.log.append(RAW[0], b"k 1") for _ in range(25)])
        await until(lambda: len(rig.store.rows[SPANS]) == 20)
        await rig.log.append(RAW[0], b"k " + b"0" * 2_000 + b"1")
        await until(lambda: len(rig.store.rows[SPANS]) == 26)
        assert [len(offsets) for _, _, offsets, _ in rig.store.batches] == [10, 10, 6]


async def test_a_lone_message_waits_no_longer_than_the_linger(tmp_path: Path) -> None:
    async with Rig(tmp_path, limits=BatchLimits(messages=1_000, linger_s=0.1)) as rig:
        await rig.put("k 1")
        await until(lambda: rig.store.rows[SPANS] == [0])


async def test_an_idle_partition_is_committed_and_its_records_are_forgotten(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        await rig.put("k 1", "k 1")
        await until(lambda: rig.log.committed("telltale", SPANS) == Committed(2, ""))
        rig.log.keep_house()
        assert rig.log.start_of(SPANS) == 2


async def test_while_a_batch_is_processed_its_plan_stands_in_the_log(tmp_path: Path) -> None:
    async with Rig(tmp_path, limits=BatchLimits(messages=3, linger_s=30)) as rig:
        seen: list[Committed | None] = []

        async def look(_messages: Sequence[Message], _replay: bool) -> None:
            seen.append(rig.log.committed("telltale", SPANS))

        rig.store.before = look
        await rig.put("k 1", "k 1", "k 1")
        await rig.settle()
        assert seen == [Committed(0, '{"last":2}')]


async def test_an_unfinished_plan_is_processed_again_as_one_batch_with_replay(tmp_path: Path) -> None:
    rig = Rig(tmp_path, limits=BatchLimits(messages=3, linger_s=30))
    await rig.put(*["k 1"] * 12)
    await rig.log.submit([], [Commit("telltale", SPANS, 2, '{"last":8}')])
    rig.store.rows[SPANS] = [0, 1, 3, 4]  # what was stored before the crash
    async with rig:
        await rig.settle()
        assert rig.store.batches[0] == (*SPANS, [2, 3, 4, 5, 6, 7, 8], True)
        assert [offsets for *_, offsets, replay in rig.store.batches[1:]] == [[9, 10, 11]]
        assert sorted(rig.store.rows[SPANS]) == list(range(12))


async def test_a_plan_that_lies_behind_the_commit_is_no_plan(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await rig.put(*["k 1"] * 4)
    await rig.log.submit([], [Commit("telltale", SPANS, 3, '{"last":2}')])
    async with rig:
        await rig.settle()
        assert rig.store.batches == [(*SPANS, [3], False)]


async def test_a_store_that_is_down_is_tried_again_in_place_with_replay(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        down = 3

        async def fail(_messages: Sequence[Message], _replay: bool) -> None:
            nonlocal down
            if down:
                down -= 1
                raise RetryableSinkError("the store is down", retry_after_s=0.01)

        rig.store.before = fail
        await rig.put("k 1", "k 2")
        await rig.settle()
        assert rig.store.rows[SPANS] == [0, 1]
        assert [replay for *_, replay in rig.store.batches[:4]] == [False, True, True, True]
        assert rig.planned.retries == 3
        assert rig.sums() == {"k": 3}


async def test_one_message_that_the_store_refuses_goes_alone(tmp_path: Path) -> None:
    async with Rig(tmp_path, limits=BatchLimits(messages=16, linger_s=1)) as rig:

        async def refuse(messages: Sequence[Message], _replay: bool) -> None:
            if any(m.value == b"bad 0" for m in messages):
                raise PermanentSinkError("column too small")

        rig.store.before = refuse
        await asyncio.gather(*[rig.log.append(RAW[0], b"bad 0" if i == 5 else b"k 1") for i in range(16)])
        await rig.settle()
        assert rig.store.buried == [(5, "column too small")]
        assert rig.store.rows[SPANS] == [i for i in range(16) if i != 5]
        assert rig.sums() == {"k": 15}


async def test_partitions_of_a_topic_do_not_mix(tmp_path: Path) -> None:
    async with Rig(tmp_path, partitions=3) as rig:
        await asyncio.gather(*[rig.log.append(RAW[0], b"k%d 1" % i, partition=i % 3) for i in range(300)])
        await rig.settle()
        assert {place: len(rows) for place, rows in rig.store.rows.items() if rows} == dict.fromkeys(
            [(RAW[0], 0), (RAW[0], 1), (RAW[0], 2)], 100
        )
        assert rig.sums() == {f"k{i}": 1 for i in range(300)}


async def test_stop_and_start_goes_on_where_it_was(tmp_path: Path) -> None:
    total = 0
    for turn in range(3):
        async with Rig(tmp_path) as rig:
            await rig.put(*[f"k{i % 3} 1" for i in range(50)])
            total += 50
            if turn:
                await rig.settle()  # the first turn stops in the middle
                assert sum(rig.sums().values()) == total
            stored = rig.store.rows[SPANS]
        assert len(stored) == len(set(stored))


async def test_messages_ahead_of_the_expected_offset_are_held_back_and_read_again(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        await rig.put("k 1")
        await rig.settle()
        consumer = rig.app.consumer
        consumer.stop_flow()
        await rig.put(*["k 1"] * 5)
        # as Faust does around rebalances: it hands out records from the middle
        consumer._position[TP(*SPANS)] = 4
        consumer.resume_flow()
        await until(lambda: rig.planned.places.gaps > 0)
        await rig.settle()
        assert rig.store.rows[SPANS] == [0, 1, 2, 3, 4, 5]


async def test_messages_that_come_again_are_dropped(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        await rig.put(*["k 1"] * 5)
        await rig.settle()
        await rig.app.consumer.seek(TP(*SPANS), 1)
        await rig.put("k 1")
        await rig.settle()
        assert rig.store.rows[SPANS] == [0, 1, 2, 3, 4, 5]


async def test_what_another_generation_owns_is_neither_stored_nor_committed(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:

        async def lose(_messages: Sequence[Message], _replay: bool) -> None:
            rig.app.consumer_generation_id += 1
            raise RetryableSinkError("and meanwhile somebody else took over", retry_after_s=0.01)

        rig.store.before = lose
        await rig.put("k 1")
        await until(lambda: bool(rig.store.batches))
        await asyncio.sleep(0.3)
        assert rig.store.rows[SPANS] == []
        assert rig.log.committed("telltale", SPANS) == Committed(0, '{"last":0}')


async def test_a_rebalance_in_the_middle_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        for _ in range(3):
            await asyncio.gather(*[rig.log.append(RAW[0], b"k%d 1" % (i % 5)) for i in range(200)])
            await rig.app.consumer.subscribe([*RAW, "telltale.calls", "telltale-telltale.calls.state-changelog"])
        await rig.settle()
        assert sorted(rig.store.rows[SPANS]) == list(range(600))
        assert sum(rig.sums().values()) == 600


async def test_a_processor_that_breaks_ends_the_app_with_its_reason(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    async with rig:

        async def fail(_messages: Sequence[Message], _replay: bool) -> None:
            raise ZeroDivisionError("a bug")

        rig.store.before = fail
        await rig.put("k 1", "k 1")
        with pytest.raises(ZeroDivisionError, match="a bug"):
            await asyncio.wait_for(rig.running.failed(), 20)
    async with Rig(tmp_path) as again:
        await again.settle()
        assert again.store.rows[SPANS] == [0, 1]


async def test_after_a_failure_later_messages_do_not_acknowledge_the_failed_ones(tmp_path: Path) -> None:
    async with Rig(tmp_path, limits=BatchLimits(messages=2, linger_s=30)) as rig:

        async def fail(messages: Sequence[Message], _replay: bool) -> None:
            if messages[0].offset == 0:
                raise ZeroDivisionError("a bug")

        async def survive(_reason: BaseException) -> None:
            """Nobody stops the app."""

        rig.store.before = fail
        rig.app.crash = survive
        await asyncio.gather(*[rig.log.append(RAW[0], b"k 1") for _ in range(50)])
        await until(lambda: bool(rig.store.batches))
        await asyncio.sleep(0.3)
        assert rig.log.committed("telltale", SPANS) == Committed(0, '{"last":1}')


async def test_an_agent_that_ends_ends_the_app_and_the_next_start_goes_on(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        await rig.put("k 1")
        await rig.settle()
        for agent in rig.app.agents.values():
            agent.cancel()
        with pytest.raises(TelltaleError, match=r"the agent of .* ended"):
            await asyncio.wait_for(rig.running.failed(), 20)
        await rig.put("k 1")
    async with Rig(tmp_path) as again:
        await again.settle()
        assert again.sums() == {"k": 2}


async def test_a_flush_that_is_cancelled_begins_again_at_its_plan(tmp_path: Path) -> None:
    async with Rig(tmp_path, limits=BatchLimits(messages=100, linger_s=0.05)) as rig:
        hang = True

        async def wait(*_: object) -> None:
            if hang:
                await asyncio.Event().wait()

        rig.store.before = wait
        await rig.put("k 1", "k 1")
        await until(lambda: bool(rig.store.batches))
        hang = False
        for task in rig.planned._agents._flushes.values():
            task.cancel()
        await asyncio.gather(*[rig.log.append(RAW[0], b"k 1") for _ in range(4)])
        await rig.settle()
        assert sorted(rig.store.rows[SPANS]) == [0, 1, 2, 3, 4, 5]
        assert rig.sums() == {"k": 6}
