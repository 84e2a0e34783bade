"""The server as a process of its own, started and stopped by a test or a benchmark."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import httpx

from testbed.clickhouse.faults import Fault
from testbed.spawning import spawn

ROOT: Final = Path(__file__).parents[2]
READY_S: Final = 60.0


class ServerProcess:
    """A context manager: the server runs inside `with`, on a port that stays the same over restarts.

    Args:
        folder: Holds data, log and ready file.
        arguments: More of `python -m testbed.clickhouse`.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._folder = folder
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.port = 0

    def __enter__(self) -> ServerProcess:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Of the running process."""
        if self._process is None:
            raise RuntimeError("the server does not run")
        return self._process.pid

    def start(self) -> None:
        """Return when it answers; raises RuntimeError where it does not."""
        self._folder.mkdir(parents=True, exist_ok=True)
        ready = self._folder / "ready.json"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "testbed.clickhouse", "--port", str(self.port)]
        command += ["--data", str(self._folder / "data"), "--ready-file", str(ready), *self._arguments]
        with (self._folder / "server.log").open("ab") as log:
            self._process = spawn(command, cwd=ROOT, stdout=log, stderr=log)
        until = time.monotonic() + READY_S
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the server did not start: {(self._folder / 'server.log').read_text()[-2000:]}")
            time.sleep(0.02)
        told = json.loads(ready.read_text())
        self.url, self.port = told["url"], told["port"]

    def fault(self, *faults: Fault) -> None:
        """Let it be ill in these ways from now on; without any, well again."""
        listed = [fault.as_dict() for fault in faults]
        # loopback, and perhaps a test's own certificate; while it refuses connections, this waits
        with httpx.Client(verify=False, transport=httpx.HTTPTransport(verify=False, retries=10)) as client:  # noqa: S501
            client.post(f"{self.url}/faults", json=listed).raise_for_status()

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a SELECT; waits while it refuses connections."""
        with httpx.Client(transport=httpx.HTTPTransport(retries=10), timeout=READY_S) as client:
            answer = client.post(self.url, params={"default_format": "JSONEachRow"}, content=sql).raise_for_status()
        return [json.loads(line) for line in answer.text.splitlines()]

    def drained(self) -> dict[str, int]:
        """Table -> rows thrown away so far (`--drain`)."""
        found: dict[str, int] = httpx.get(f"{self.url}/drained").raise_for_status().json()
        return found

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it; SIGKILL is the crash of a server."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=30)
            self._process = None
