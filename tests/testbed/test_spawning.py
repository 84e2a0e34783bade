"""Programs that start processes leave none behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.scratch import keep_logs, scratch

PROGRAM = """
import sys, time
from pathlib import Path
from benchmarks.scratch import scratch
from testbed.spawning import spawn

with scratch() as folder:
    children = [spawn(["sleep", "600"]) for _ in range(3)]
    Path(sys.argv[1]).write_text(" ".join(str(child.pid) for child in children))
    time.sleep(600)
"""


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_what_was_started_and_removes_the_folder(tmp_path: Path, number: signal.Signals) -> None:
    told = tmp_path / "pids"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(told)], env=environment) as program:
        while not (told.exists() and len(told.read_text().split()) == 3):
            assert program.poll() is None
            time.sleep(0.01)
        children = [int(pid) for pid in told.read_text().split()]
        assert all(map(runs, children))
        program.send_signal(number)
        assert program.wait(30) == 128 + number
    assert not any(map(runs, children))
    assert list(tmp_path.glob("telltale-bench-*")) == []


def test_what_failed_leaves_its_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folders: list[Path] = []

    def fail() -> None:
        with scratch() as folder:
            folders.append(folder)
            (folder / "fleet").mkdir()
            (folder / "fleet" / "worker-1.log").write_text("it went wrong")
            (folder / "rows.bin").write_bytes(b"much")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    [folder] = folders
    assert not folder.exists()
    kept = folder.with_name(f"{folder.name}-logs")
    assert [path.relative_to(kept) for path in kept.rglob("*.*")] == [Path("fleet/worker-1.log")]
    assert str(kept) in capsys.readouterr().out


def test_logs_are_kept_without_a_brokers_data(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "broker" / "data").mkdir(parents=True)
    (folder / "broker" / "data" / "0000.log").write_bytes(b"records")
    (folder / "broker" / "broker.log").write_text("started")
    keep_logs(folder)
    assert [path.name for path in (tmp_path / "run-logs").rglob("*.log")] == ["broker.log"]
