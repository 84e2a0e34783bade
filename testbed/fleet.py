"""The roles of a fleet as real processes: receivers, workers and APIs on one broker and one store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from testbed.spawning import spawn

PROGRAM: Final = Path(sys.executable).with_name("telltale")
ROOT: Final = Path(__file__).parents[1]
READY_WITHIN_S: Final = 90.0
STOP_WITHIN_S: Final = 40.0
ANY_PORT: Final = "127.0.0.1:0"


class ProcessFailedError(Exception):
    """A process did not start or ended; the text ends with the tail of its output."""


@dataclass
class RoleProcess:
    """One process of one role. Made by `Fleet.start`."""

    role: str
    process: subprocess.Popen[bytes]
    ready_file: Path
    log: Path
    addresses: dict[str, Any] = field(default_factory=dict)

    def wait_ready(self) -> RoleProcess:
        """Return when it works."""
        until = time.monotonic() + READY_WITHIN_S
        while not self.ready_file.exists():
            if self.process.poll() is not None or time.monotonic() > until:
                raise ProcessFailedError(f"telltale {self.role} did not get ready\n{self.tail()}")
            time.sleep(0.02)
        self.addresses = json.loads(self.ready_file.read_text())
        return self

    def tail(self, lines: int = 30) -> str:
        """The end of what it printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def rss_bytes(self) -> int:
        """Resident memory now; 0: it has ended."""
        try:
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        except FileNotFoundError:
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def send(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End it in order; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode


class Fleet:
    """Starts processes against a broker and a store; a context manager that ends those that still run.

    Args:
        folder: Holds their data folders, ready files and logs.
        kafka: As `--kafka` takes it.
        clickhouse: As `--clickhouse` takes it.
        settings: More settings for all, as `--set` takes them; workers make the tables unless told otherwise.
    """

    def __init__(self, folder: Path, kafka: str, clickhouse: str, **settings: str | float) -> None:
        self._folder = folder
        self._kafka, self._clickhouse = kafka, clickhouse
        self._settings = {"create_tables": 1} | settings
        self._made = 0
        self.running: list[RoleProcess] = []
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.running:
            if one.process.poll() is None:
                one.send(signal.SIGCONT)
                one.kill()

    def start(
        self, role: str, *arguments: str, wait: bool = True, program: tuple[str, ...] = (str(PROGRAM),)
    ) -> RoleProcess:
        """Start one process of a role; `program`: what runs in the place of `telltale`."""
        self._made += 1
        name = f"{role}-{self._made}"
        ready, log = self._folder / f"{name}.json", self._folder / f"{name}.log"
        command = [*program, role, "--ready-file", str(ready), *self._flags(role), *arguments]
        for setting, value in self._settings.items():
            command += ["--set", f"{setting}={value}"]
        command += ["--set", f"data_dir={self._folder / name}"]
        with log.open("ab") as output:
            process = spawn(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                cwd=ROOT,
            )
        one = RoleProcess(role, process, ready, log)
        self.running.append(one)
        return one.wait_ready() if wait else one

    def _flags(self, role: str) -> list[str]:
        kafka = ["--kafka", self._kafka]
        clickhouse = ["--clickhouse", self._clickhouse]
        if role == "receiver":
            return [*kafka, "--otlp-grpc", ANY_PORT, "--otlp-http", ANY_PORT, "--metrics", ANY_PORT]
        if role == "worker":
            return [*kafka, *clickhouse, "--metrics", ANY_PORT]
        return [*clickhouse, "--api", ANY_PORT]
