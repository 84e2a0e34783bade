"""CPU time and memory of another process, from /proc."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Final

from testbed.fleet import Fleet
from testbed.spawning import spawn

TAIL_LINES: Final = 30
TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")


class Measured:
    """A process under measurement, running inside `with`; its output goes to a file."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self._log = log
        with log.open("wb") as output:
            env = os.environ | dict(environment or {})
            self._process = spawn(command, stdout=output, stderr=output, env=env)

    def __enter__(self) -> Measured:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def cpu_s(self) -> float:
        """User and system time of all its threads so far; raises RuntimeError where it has ended."""
        fields = self._read("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S

    def rss_bytes(self) -> int:
        """Resident memory now."""
        return int(self._read("statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def check_runs(self) -> None:
        """Raise RuntimeError, with the end of what it printed, where it has ended."""
        if (status := self._process.poll()) is not None:
            printed = "\n".join(self._log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
            raise RuntimeError(f"{self._process.args!r} ended with status {status}:\n{printed}")

    def _read(self, name: str) -> str:
        self.check_runs()
        return Path(f"/proc/{self._process.pid}/{name}").read_text()


class PeakMemory:
    """The most resident memory that any process of a role had, looked at twice a second while inside `with`."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._stop = Event()
        self._thread = Thread(target=self._look, daemon=True)
        self.bytes: dict[str, int] = {}
        """Role -> the most."""

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.5):
            for one in list(self._fleet.running):
                self.bytes[one.role] = max(self.bytes.get(one.role, 0), one.rss_bytes())
