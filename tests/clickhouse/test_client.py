"""Opening a store: one process a folder, one folder a process, and words for whoever gets it wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from schemas.errors import SettingsError
from sinks.clickhouse import connect

HOLDER = """
import sys
from sinks.clickhouse import connect
client = connect(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
client.close()
"""


def test_two_clients_of_one_folder_see_the_same_rows(folder: Path) -> None:
    first, second = connect(f"chdb://{folder}"), connect(f"chdb://{folder}")
    first.command("CREATE TABLE numbers (n Int32) ENGINE = MergeTree ORDER BY n")
    first.insert("numbers", [[7]], column_names=["n"])
    assert second.query("SELECT n FROM numbers").result_rows == [(7,)]
    first.close()
    second.close()


def test_a_folder_can_be_opened_again_after_it_was_closed(folder: Path) -> None:
    first = connect(f"chdb://{folder}")
    first.command("CREATE TABLE numbers (n Int32) ENGINE = MergeTree ORDER BY n")
    first.close()
    again = connect(f"chdb://{folder}")
    assert again.query("SELECT count() FROM numbers").result_rows == [(0,)]
    again.close()


def test_a_folder_may_be_called_anything(tmp_path: Path) -> None:
    folder = tmp_path / "100% ours #1 it's"
    connect(f"chdb://{folder}").close()
    assert any(folder.iterdir())


def test_times_are_read_in_utc(folder: Path) -> None:
    client = connect(f"chdb://{folder}")
    assert client.query("SELECT toString(toDateTime(0)), timezone()").result_rows == [("1970-01-01 00:00:00", "UTC")]
    client.close()


def test_a_folder_of_another_process_is_refused_with_its_pid_and_the_repair(folder: Path) -> None:
    url = f"chdb://{folder}"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(SettingsError) as refused:
            connect(url)
        holder.communicate("", timeout=60)
    assert f"(pid {holder.pid})" in str(refused.value)
    assert "--data" in str(refused.value)
    connect(url).close()


def test_a_second_folder_in_this_process_is_refused(folder: Path, tmp_path: Path) -> None:
    first = connect(f"chdb://{folder}")
    with pytest.raises(SettingsError, match="different path"):
        connect(f"chdb://{tmp_path / 'other'}")
    first.close()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite:///x", "a store is"),
        ("", "a store is"),
        ("chdb://", "names no folder"),
        ("chdb:///", "names no folder"),
        ("chdb://relative/folder", "names no folder"),
        ("chdb:///what?", "without a question mark"),
        ("http://127.0.0.1:1/", "no ClickHouse answers at 127.0.0.1:1"),
    ],
)
def test_an_url_that_cannot_work_is_a_settings_error(url: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        connect(url)


def test_a_folder_that_cannot_be_made_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="cannot make"):
        connect("chdb:///proc/telltale")
