"""The local log by itself: durability, bounds, retention, ownership."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.transport import retention
from pipeline.transport.log import FILE_NAME, Log, open_log
from pipeline.transport.records import Commit, Entry, Partition, Record
from schemas.errors import LogFullError, SettingsError, TelltaleError

RAW = Partition("otlp_spans", 0)
CHANGES = Partition("changes", 0)
GROUP = "telltale"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    one = open_log(tmp_path)
    one.create(RAW.topic, 1)
    one.create(CHANGES.topic, 1, compact=True)
    yield one
    one.close()


async def put(log: Log, key: bytes, value: bytes | None) -> int:
    (offset,) = await log.submit([Entry(CHANGES, key, value, 1)])
    return offset


async def commit(log: Log, offset: int, metadata: str = "", group: str = GROUP) -> None:
    await log.submit([], [Commit(group, RAW, offset, metadata)])


def offsets(records: list[Record]) -> list[int]:
    return [record.offset for record in records]


async def test_offsets_of_a_partition_are_consecutive_and_records_read_back_in_order(log: Log) -> None:
    told = await asyncio.gather(*[log.append(RAW.topic, b"%d" % i) for i in range(1_000)])
    assert [offset for _, offset in told] == list(range(1_000))
    first = log.read(RAW, 0, 1_000, max_records=600)
    rest = log.read(RAW, 600, 1_000)
    assert [r.value for r in first + rest] == [b"%d" % i for i in range(1_000)]


async def test_a_read_stops_at_its_byte_budget_but_gives_at_least_one_record(log: Log) -> None:
    for _ in range(4):
        await log.append(RAW.topic, bytes(1_000))
    assert offsets(log.read(RAW, 0, 4, max_bytes=1)) == [0]
    assert offsets(log.read(RAW, 0, 4, max_bytes=1_500)) == [0, 1]


async def test_keys_decide_the_partition_and_keyless_records_take_turns(log: Log) -> None:
    log.create("many", 4)
    same = {(await log.append("many", b"v", key=b"session-1"))[0] for _ in range(5)}
    assert len(same) == 1
    assert {(await log.append("many", b"v"))[0] for _ in range(8)} == {0, 1, 2, 3}
    assert (await log.append("many", b"v", partition=2))[0] == 2


async def test_what_goes_to_a_partition_that_is_not_there_is_refused_and_the_log_goes_on(log: Log) -> None:
    with pytest.raises(TelltaleError, match="there is no partition 3 of otlp_spans"):
        await log.append(RAW.topic, b"v", partition=3)
    with pytest.raises(TelltaleError, match="there is no partition 0 of elsewhere"):
        await log.append("elsewhere", b"v", partition=0)
    assert await log.append(RAW.topic, b"v") == (0, 0)


async def test_what_was_appended_and_committed_is_there_after_reopening(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.create(RAW.topic, 1)
    for i in range(3):
        await log.append(RAW.topic, b"%d" % i)
    await commit(log, 2, '{"last": 2}')
    log.close()
    log = open_log(tmp_path)
    done = log.committed(GROUP, RAW)
    assert done is not None
    assert (done.offset, done.metadata) == (2, '{"last": 2}')
    assert [r.value for r in log.read(RAW, 0, 3)] == [b"0", b"1", b"2"]
    assert await log.append(RAW.topic, b"3") == (0, 3)
    log.close()


async def test_offsets_go_on_after_everything_was_trimmed_and_reopened(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.create(RAW.topic, 1)
    for _ in range(5):
        await log.append(RAW.topic, b"x")
    await commit(log, 5)
    log.keep_house()
    log.close()
    log = open_log(tmp_path)
    assert (log.start_of(RAW), log.next_of(RAW)) == (5, 5)
    assert await log.append(RAW.topic, b"y") == (0, 5)
    log.close()


async def test_consumed_records_are_trimmed_and_others_are_not(log: Log) -> None:
    for _ in range(1_200):
        await log.append(RAW.topic, bytes(100))
    await commit(log, 1_100)
    log.keep_house()
    assert log.start_of(RAW) == 1_100
    assert offsets(log.read(RAW, 0, 1_200)) == list(range(1_100, 1_200))


async def test_the_slowest_group_decides_what_is_trimmed(log: Log) -> None:
    for _ in range(10):
        await log.append(RAW.topic, b"x")
    await commit(log, 9)
    await commit(log, 4, group="other")
    log.keep_house()
    assert log.start_of(RAW) == 4


async def test_nothing_is_trimmed_before_anybody_committed(log: Log) -> None:
    for _ in range(10):
        await log.append(RAW.topic, b"x")
    log.keep_house()
    assert (log.start_of(RAW), log.lag()) == (0, 10)


async def test_a_topic_that_retains_a_number_keeps_that_many_unread(log: Log) -> None:
    log.create("findings", 1, retain=10)
    for _ in range(25):
        await log.append("findings", b"f")
    log.keep_house()
    assert log.start_of(Partition("findings", 0)) == 15
    assert log.lag() == 0


async def test_what_a_group_has_not_consumed_is_kept_beyond_that_number(log: Log) -> None:
    log.create("findings", 1, retain=10)
    where = Partition("findings", 0)
    for _ in range(25):
        await log.append("findings", b"f")
    for done, start in ((5, 5), (20, 15)):
        await log.submit([], [Commit(GROUP, where, done, "")])
        log.keep_house()
        assert log.start_of(where) == start


async def test_trimming_happens_by_itself(log: Log) -> None:
    for _ in range(10):
        await log.append(RAW.topic, b"x")
    await commit(log, 10)
    async with asyncio.timeout(20):
        while log.start_of(RAW) < 10:
            await asyncio.sleep(0.05)


async def test_compaction_keeps_the_newest_of_each_key_and_the_last_record(log: Log) -> None:
    for turn in range(3):
        for key in (b"a", b"b", b"c"):
            await put(log, key, b"%d" % turn)
    await put(log, b"b", None)
    last = await put(log, b"c", None)
    log.keep_house()
    kept = {(r.key, r.value) for r in log.read(CHANGES, 0, last + 1)}
    assert kept == {(b"a", b"2"), (b"c", None)}, "the last record stays even if it is a tombstone"
    assert log.next_of(CHANGES) == last + 1
    assert log.start_of(CHANGES) == offsets(log.read(CHANGES, 0, last + 1))[0]


async def test_a_changelog_is_compacted_by_itself(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "COMPACT_AFTER", 50)
    for turn in range(60):
        await put(log, b"key", b"%d" % turn)
    async with asyncio.timeout(20):
        while len(log.read(CHANGES, 0, 60)) > 1:
            await asyncio.sleep(0.05)


async def test_a_full_log_refuses_appends_from_outside_until_records_are_consumed(log: Log) -> None:
    log.max_bytes = 400_000  # an empty file has a dozen pages of 16 kB
    while log.used_bytes <= log.max_bytes - 11_000:
        await log.append(RAW.topic, bytes(10_000))
    with pytest.raises(LogFullError) as refused:
        await log.append(RAW.topic, bytes(30_000))
    assert refused.value.retry_after_s > 0
    stored = log.next_of(RAW)
    assert 10 < stored < 40
    await put(log, b"key", bytes(10_000))  # the pipeline itself is never refused
    await commit(log, stored)
    log.keep_house()
    assert await log.append(RAW.topic, b"again") == (0, stored)


async def test_an_append_that_is_refused_counts_what_waits_to_be_written(log: Log) -> None:
    log.max_bytes = 300_000
    answers = await asyncio.gather(*[log.append(RAW.topic, bytes(10_000)) for _ in range(100)], return_exceptions=True)
    refused = [a for a in answers if isinstance(a, LogFullError)]
    assert log.next_of(RAW) == 100 - len(refused)
    assert refused


async def test_watchers_hear_of_appends_in_order(log: Log) -> None:
    heard: list[int] = []
    stop = log.watch(lambda fresh: heard.extend(r.offset for r in fresh.get(RAW, [])))
    await asyncio.gather(*[log.append(RAW.topic, b"x") for _ in range(300)])
    assert heard == list(range(300))
    stop()
    await log.append(RAW.topic, b"x")
    assert len(heard) == 300


async def test_records_and_commits_of_one_submission_stand_together(log: Log) -> None:
    done = await log.submit([Entry(RAW, None, b"v", 1)], [Commit(GROUP, RAW, 7, "m")])
    committed = log.committed(GROUP, RAW)
    assert done == [0]
    assert committed is not None
    assert committed.offset == 7


async def test_two_users_in_one_process_share_the_log(tmp_path: Path, log: Log) -> None:
    again = open_log(tmp_path, max_bytes=123_456_789)
    assert again is log
    assert log.max_bytes == 123_456_789
    again.close()
    assert await log.append(RAW.topic, b"still open") == (0, 0)


async def test_a_closed_log_refuses_appends(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.create(RAW.topic, 1)
    log.close()
    with pytest.raises(TelltaleError, match="closed"):
        await log.append(RAW.topic, b"x")


def test_a_second_process_is_refused_and_told_why(tmp_path: Path, log: Log) -> None:
    code = f"from pathlib import Path; from pipeline.transport.log import open_log; open_log(Path({str(tmp_path)!r}))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert other.returncode != 0
    assert "SettingsError" in other.stderr
    assert f"in use by process {os.getpid()}" in other.stderr
    assert "--data" in other.stderr


async def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    code = (
        "import time; from pathlib import Path; from pipeline.transport.log import open_log\n"
        f"open_log(Path({str(tmp_path)!r})); print('open', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        other.send_signal(signal.SIGKILL)
    log = open_log(tmp_path)
    log.create(RAW.topic, 1)
    assert await log.append(RAW.topic, b"x") == (0, 0)
    log.close()


def test_a_file_that_is_no_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"something else entirely" * 100)
    with pytest.raises(SettingsError, match="no log of this program"):
        open_log(tmp_path)
    (tmp_path / FILE_NAME).unlink()
    open_log(tmp_path).close()  # the refusal left no lock behind


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be written"):
        open_log(tmp_path / "file" / "data")


async def test_only_the_owner_may_read_the_file(tmp_path: Path, log: Log) -> None:
    await log.append(RAW.topic, b"secret")
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file.name


def test_every_commit_is_synced_to_disk(log: Log) -> None:
    def modes(db: sqlite3.Connection) -> tuple[int, str]:
        return db.execute("PRAGMA synchronous").fetchone()[0], db.execute("PRAGMA journal_mode").fetchone()[0]

    assert log._writer.call(modes) == (2, "wal")


async def test_a_write_that_fails_stores_nothing_and_the_log_goes_on(log: Log) -> None:
    too_large = await asyncio.gather(
        log.submit([Entry(RAW, None, b"first", 1), Entry(RAW, None, bytes(3), 1 << 70)]), return_exceptions=True
    )
    assert isinstance(too_large[0], OverflowError)
    assert log.next_of(RAW) == 0
    assert await log.append(RAW.topic, b"next") == (0, 0)
