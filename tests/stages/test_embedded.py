"""A Faust app in our own loop: start, readiness, crashes, a clean stop."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from yarl import URL

from pipeline.stages.embedded import APP_ID, EmbeddedApp, make_app
from pipeline.stages.planned import BatchLimits
from pipeline.transport.local import LocalTransport, directory_of
from pipeline.transport.log import open_log
from pipeline.transport.records import Committed, Partition
from schemas.errors import SettingsError, TelltaleError
from tests.stages.rig import CALLS, RAW, Rig


async def test_once_started_every_partition_is_assigned_and_restored(tmp_path: Path) -> None:
    async with Rig(tmp_path, partitions=2) as rig:
        assert not rig.app.rebalancing
        assert not rig.app.in_recovery
        ours = {(tp.topic, tp.partition) for tp in rig.app.consumer.assignment()}
        assert {(topic, p) for topic in (*RAW, CALLS) for p in (0, 1)} <= ours


async def test_stopping_stores_what_was_taken_and_commits_it(tmp_path: Path) -> None:
    async with Rig(tmp_path, limits=BatchLimits(messages=1_000, linger_s=30)) as rig:
        await rig.put("k 1", "k 1")
        async with asyncio.timeout(20):
            while not any(len(batch.messages) == 2 for batch in rig.planned.places):
                await asyncio.sleep(0.01)
    assert rig.store.rows[RAW[0], 0] == [0, 1]
    log = open_log(tmp_path)
    assert log.committed(APP_ID, Partition(RAW[0], 0)) == Committed(2, "")
    log.close()


async def test_a_stop_that_takes_too_long_is_cut_off_and_repaired_at_the_next_start(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await rig.running.start()

    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    rig.store.before = hang
    await rig.put("k 1", "k 1")
    async with asyncio.timeout(20):
        while not rig.store.batches:
            await asyncio.sleep(0.01)
    await rig.running.stop(drain_timeout_s=0.2)
    rig.log.close()
    async with Rig(tmp_path) as again:
        await again.settle()
        assert again.store.batches[0][2:] == (rig.store.batches[0][2], True)
        assert again.store.rows[RAW[0], 0] == [0, 1]


async def test_stopping_twice_is_fine(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        await rig.running.stop()
        await rig.running.failed()


async def test_a_crash_of_a_service_surfaces_with_its_reason(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        await rig.app.consumer.crash(OSError("the disk is gone"))
        with pytest.raises(OSError, match="the disk is gone"):
            await asyncio.wait_for(rig.running.failed(), 20)


async def test_a_crash_while_starting_surfaces_and_frees_the_folder(tmp_path: Path) -> None:
    rig = Rig(tmp_path)

    async def fail(*_: object) -> None:
        raise OSError("cannot subscribe")

    rig.app.consumer.subscribe = fail
    with pytest.raises(OSError, match="cannot subscribe"):
        await rig.running.start(timeout_s=20)
    rig.log.close()
    open_log(tmp_path).close()


async def test_a_start_that_hangs_is_given_up(tmp_path: Path) -> None:
    rig = Rig(tmp_path)

    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    rig.app.consumer.subscribe = hang
    with pytest.raises(TelltaleError, match="not ready"):
        await rig.running.start(timeout_s=0.5)
    rig.log.close()


async def test_the_folder_is_free_after_a_stop(tmp_path: Path) -> None:
    async with Rig(tmp_path):
        pass
    log = open_log(tmp_path)
    assert log.users == 1
    log.close()


async def test_the_root_logger_and_the_signals_are_left_alone(tmp_path: Path) -> None:
    before = (logging.getLogger().level, list(logging.getLogger().handlers))
    async with Rig(tmp_path) as rig:
        await rig.put("k 1")
        await rig.settle()
        assert (logging.getLogger().level, list(logging.getLogger().handlers)) == before


async def test_the_app_uses_the_local_transport_by_its_url(tmp_path: Path) -> None:
    app = make_app(f"local://{tmp_path}", tmp_path)
    assert isinstance(app.transport, LocalTransport)
    assert app.conf.id == APP_ID
    assert not app.conf.web_enabled
    running = EmbeddedApp(app, [])
    await running.start()
    await running.stop()


@pytest.mark.parametrize(
    ("url", "folder"),
    [("local:///data/log", "/data/log"), ("local:///with%20space", "/with space"), ("local://data/log", "data/log"),
     ("local://data", "data")],
)  # fmt: skip
def test_the_url_names_the_folder(url: str, folder: str) -> None:
    assert directory_of(URL(url)) == Path(folder)


@pytest.mark.parametrize("url", ["local://", "kafka://host:1"])
def test_a_url_without_a_folder_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="write local:///"):
        directory_of(URL(url))
