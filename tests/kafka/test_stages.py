"""The stages on a real broker: what the local log is asked in `tests/stages`, asked of Kafka."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from aiokafka.conn import create_conn

from testbed.kafka import Broker
from tests.kafka.rig import KafkaRig, prepare, producer, put, settings_of


async def test_messages_of_every_partition_are_stored_once_and_folded(broker: Broker, folder: Path) -> None:
    settings = settings_of(broker, folder, "once")
    await prepare(settings)
    await put(settings, [f"k{n % 7} 1" for n in range(300)])
    async with KafkaRig(settings) as rig:
        await rig.settle()
        assert rig.store.rows == {("once.spans", p): list(range(150)) for p in (0, 1)}
        assert rig.sums() == dict(Counter(f"k{n % 7}" for n in range(300)))


async def test_a_second_start_goes_on_where_the_first_stopped(broker: Broker, folder: Path) -> None:
    settings = settings_of(broker, folder, "again")
    await prepare(settings)
    await put(settings, [f"k{n % 3} 1" for n in range(30)])
    async with KafkaRig(settings) as rig:
        await rig.settle()
        store = rig.store
    await put(settings, [f"k{n % 3} 1" for n in range(30)])
    async with KafkaRig(settings, store=store) as rig:
        await rig.settle()
        assert store.rows == {("again.spans", p): list(range(30)) for p in (0, 1)}
        assert rig.sums() == {"k0": 20, "k1": 20, "k2": 20}


async def test_states_are_restored_over_offsets_without_a_record(broker: Broker, folder: Path) -> None:
    settings = settings_of(broker, folder, "holes")
    await prepare(settings)
    await put(settings, [f"k{n % 9} 1" for n in range(90)])
    async with KafkaRig(settings) as rig:
        await rig.settle()
        store = rig.store
    changelog = "holes-holes.calls.state-changelog"
    async with producer(settings, transactional_id="another") as sending:
        for partition in (0, 1):
            await sending.begin_transaction()
            await sending.send(changelog, b"no state", key=b"k0", partition=partition)
            await sending.abort_transaction()  # the record is taken back, and its offsets are the last ones
    await put(settings, [f"k{n} 1" for n in range(9)])
    async with KafkaRig(settings, store=store) as rig:
        await rig.settle()
        assert rig.sums() == {f"k{n}": 11 for n in range(9)}


async def test_a_worker_that_stops_in_a_rebalance_leaves_no_connection_open(broker: Broker, folder: Path) -> None:
    settings = settings_of(broker, folder, "leaving")
    await prepare(settings)
    async with KafkaRig(settings) as rig:
        consumer = rig.app.consumer._thread._ensure_consumer()
        sockets = [one._writer.get_extra_info("socket") for one in consumer._client._conns.values()]
        # what Faust does with partitions that arrive after it was told to stop
        rig.app._on_rebalance_when_stopped()
    assert sockets
    assert [one.fileno() for one in sockets] == [-1] * len(sockets)


async def test_a_connection_that_is_being_opened_when_a_worker_stops_is_closed(broker: Broker, folder: Path) -> None:
    settings = settings_of(broker, folder, "opening")
    await prepare(settings)
    connected: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.put_nowait((reader, writer))

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with KafkaRig(settings) as rig:
        opening = create_conn(*server.sockets[0].getsockname())
        asyncio.run_coroutine_threadsafe(opening, rig.app.consumer._thread.thread_loop)
        reader, writer = await connected.get()
    assert await asyncio.wait_for(reader.read(), 20)  # what it asked, and the end
    writer.close()
    server.close()
    await writer.wait_closed()
