"""Faust on the local log: agents, tables, large messages, catching up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import faust
import pytest

from pipeline.transport import inflight
from pipeline.transport.local_consumer import LocalConsumer
from pipeline.transport.log import open_log
from pipeline.transport.records import Partition
from pipeline.transport.tables import PromptTableManager
from tests.stages.rig import RAW, Rig, until

WHERE = Partition(RAW[0], 0)


async def test_a_plain_faust_app_with_a_table_works_and_remembers(tmp_path: Path) -> None:
    for turn in (1, 2):
        app = faust.App(
            "plain", broker=f"local://{tmp_path}", datadir=str(tmp_path), store="memory://", web_enabled=False,
            topic_disable_leader=True, topic_partitions=2, TableManager=PromptTableManager,
        )  # fmt: skip
        words = app.topic("words", key_type=str, value_type=str)
        counts: Any = app.Table("counts", default=int, partitions=2)

        @app.agent(words, name="count")
        async def count(stream: Any, counts: Any = counts) -> None:
            async for event in stream.events():
                counts[event.key] += 1

        await app.start()
        for i in range(30):
            await words.send(key=f"k{i % 3}", value="w")
        expected = {f"k{i}": 10 * turn for i in range(3)}

        def counted(counts: Any = counts, expected: dict[str, int] = expected) -> bool:
            return dict(counts.data) == expected

        await until(counted)
        await app.stop()


async def test_a_consumer_that_keeps_up_reads_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(tmp_path) as rig:
        await rig.put("k 1")
        await rig.settle()

        def refuse(*_: object) -> None:
            raise AssertionError("the file was read")

        monkeypatch.setattr(rig.log, "read", refuse)
        await asyncio.gather(*[rig.log.append(RAW[0], b"k 1") for _ in range(300)])
        await rig.settle()
        assert rig.sums() == {"k": 301}


async def test_what_waited_in_the_log_is_read_from_it(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.create(RAW[0], 1)
    await asyncio.gather(*[log.append(RAW[0], b"k 1") for _ in range(1_700)])
    log.close()
    async with Rig(tmp_path) as rig:
        await asyncio.gather(*[rig.log.append(RAW[0], b"k 1") for _ in range(300)])
        await rig.settle()
        assert rig.store.rows[WHERE] == list(range(2_000))


async def test_a_consumer_that_falls_behind_its_memory_reads_on_from_the_file(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        consumer: LocalConsumer = rig.app.consumer
        consumer._tail._max_bytes = 2_000
        await asyncio.gather(*[rig.log.append(RAW[0], b"k 1") for _ in range(1_000)])
        await rig.settle()
        assert rig.store.rows[WHERE] == list(range(1_000))


async def test_large_messages_under_way_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflight, "MAX_BYTES", 2_000_000)
    async with Rig(tmp_path) as rig:
        consumer: LocalConsumer = rig.app.consumer
        go_on = asyncio.Event()

        async def wait(*_: object) -> None:
            await go_on.wait()

        rig.store.before = wait
        for _ in range(60):
            await rig.log.append(RAW[0], b"k " + b"0" * 300_000 + b"1")
        await until(lambda: consumer._in_flight.full)
        await asyncio.sleep(0.3)
        # at most one portion more than the bound was read
        assert consumer._in_flight.bytes <= 2_000_000 + 5_000_000
        go_on.set()
        await rig.settle()
        assert rig.store.rows[WHERE] == list(range(60))
        rig.store.before = None


async def test_one_process_owns_all_partitions_in_each_generation(tmp_path: Path) -> None:
    async with Rig(tmp_path, partitions=2) as rig:
        consumer: LocalConsumer = rig.app.consumer
        generation = rig.app.consumer_generation_id
        topics = {tp.topic for tp in consumer.assignment()}
        await consumer.subscribe(topics)
        await until(lambda: bool(rig.app.consumer_generation_id > generation and not rig.app.rebalancing))
        assert {tp.topic for tp in consumer.assignment()} == topics
