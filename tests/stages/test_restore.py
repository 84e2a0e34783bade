"""States of partitions that others have, and restores that take long."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from pipeline.stages.derived import partition_of
from pipeline.stages.embedded import EmbeddedApp
from pipeline.transport.tables import PromptTableManager
from pipeline.watchdog import Watchdog
from schemas.errors import TelltaleError
from tests.stages.rig import CALLS, Rig


async def test_the_states_of_a_partition_leave_with_it_and_those_that_stay_stay(tmp_path: Path) -> None:
    async with Rig(tmp_path, partitions=3) as rig:
        await rig.put(*[f"k{i} 1" for i in range(60)])
        await rig.settle()
        while len(rig.keyed._table.data) < 60:
            await asyncio.sleep(0.05)
        tables = rig.app.tables
        assert isinstance(tables, PromptTableManager)
        changelog = rig.keyed._table.changelog_topic_name
        gone = {TP(changelog, 1), TP(CALLS, 1), TP("elsewhere", 1)}
        await tables.on_rebalance(set(), gone, set(), generation_id=-1)  # no generation of this app: only forget
        left = {key.decode() for key in rig.keyed._table.data}
        assert left == {f"k{i}" for i in range(60) if partition_of(f"k{i}", 3) != 1}


async def test_a_restart_brings_back_the_newest_states_and_no_forgotten_one(tmp_path: Path) -> None:
    async with Rig(tmp_path, partitions=3) as rig:
        await rig.put(*[f"k{i} 1" for i in range(60)])
        await rig.settle()
        await rig.put(*[f"k{i} 1" for i in range(30)])
        await rig.settle()
        while len(rig.keyed._table.data) < 60:
            await asyncio.sleep(0.05)
        topic = rig.keyed._table.changelog_topic_name
        partition = partition_of("k59", 3)
        await rig.app.producer.send_and_wait(topic, b"k59", None, partition, None, None)
    async with Rig(tmp_path, partitions=3) as rig:
        assert {key.decode() for key in rig.keyed._table.data} == {f"k{i}" for i in range(59)}
        await rig.put(*[f"k{i} 1" for i in range(60)])
        await rig.settle()
        assert rig.sums() == {f"k{i}": 3 if i < 30 else 2 for i in range(59)} | {"k59": 1}


async def test_states_are_restored_in_batches_and_not_record_by_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Rig(tmp_path, partitions=3) as rig:
        await rig.put(*[f"k{i} 1" for i in range(60)])
        await rig.settle()
    one_by_one = []
    monkeypatch.setattr("faust.tables.table.Table.on_changelog_event", lambda table, event: one_by_one.append(event))
    async with Rig(tmp_path, partitions=3) as rig:
        assert len(rig.keyed._table.data) == 60
    assert one_by_one == []


class Restoring:
    """An app whose tables are restored record by record for a while, or stand still."""

    def __init__(self, moves_for_s: float, takes_s: float) -> None:
        self.tables = SimpleNamespace(restored=0)
        self.rebalancing, self.in_recovery = False, True
        self.started, self.crashed = False, False
        self._moves_for_s, self._takes_s = moves_for_s, takes_s

    async def start(self) -> None:
        began = time.monotonic()
        while (passed := time.monotonic() - began) < self._takes_s:
            if passed < self._moves_for_s:
                self.tables.restored += 1
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Nothing to stop."""


async def test_a_start_waits_for_a_restore_that_goes_on() -> None:
    app: Any = Restoring(moves_for_s=3.0, takes_s=3.0)
    await EmbeddedApp(app, []).start(timeout_s=1.5)
    assert app.tables.restored > 1


async def test_a_start_does_not_wait_for_a_restore_that_stands() -> None:
    with pytest.raises(TelltaleError, match="without progress"):
        await EmbeddedApp(Restoring(moves_for_s=0.2, takes_s=60.0), []).start(timeout_s=1.5)  # type: ignore[arg-type, unused-ignore]


async def test_the_watchdog_lets_a_restore_go_on_and_ends_one_that_stands() -> None:
    app: Any = Restoring(moves_for_s=9.0, takes_s=60.0)
    reasons: list[str] = []
    dog = Watchdog(app, [], 0.5, reasons.append)
    restoring = asyncio.create_task(app.start())
    dog.start()
    await asyncio.sleep(8.5)  # longer than it lets a loop that does not answer
    assert reasons == []
    while not reasons:
        await asyncio.sleep(0.1)
    assert "restoring" in reasons[0]
    await dog.stop()
    restoring.cancel()
