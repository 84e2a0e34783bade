"""A real `telltale up` as a child process, and the other commands run against it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread, current_thread, main_thread
from typing import Any, Final
from urllib.parse import urlencode

PROGRAM: Final = Path(sys.executable).with_name("telltale")
READY_WITHIN_S: Final = 60.0
STOP_WITHIN_S: Final = 15.0
ANSWER_WITHIN_S: Final = 30.0
PAGE_ROWS: Final = 500
MAX_TOKENS: Final = 1_000_000
ANY_PORT: Final = "127.0.0.1:0"


class ServerFailedError(Exception):
    """`telltale up` did not start; the text ends with the tail of its output."""


class Api:
    """Asks a running API."""

    def __init__(self, url: str, within_s: float = ANSWER_WITHIN_S) -> None:
        self._url = url
        self._within_s = within_s

    def findings(self, **filters: str) -> list[dict[str, Any]]:
        """All findings in their present state, page by page."""
        found: list[dict[str, Any]] = []
        query = {"limit": str(PAGE_ROWS), "max_tokens": str(MAX_TOKENS), "full": "true", **filters}
        while True:
            page = self._ask(f"/v1/findings?{urlencode(query)}")
            found += page["findings"]
            if not page["truncated"]:
                return found
            query["cursor"] = page["next_cursor"]

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a SELECT, at most `PAGE_ROWS`."""
        answer = self._ask("/v1/sql", {"sql": sql, "limit": PAGE_ROWS, "max_tokens": MAX_TOKENS})
        names = [column["name"] for column in answer["columns"]]
        return [dict(zip(names, row, strict=True)) for row in answer["rows"]]

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self._url}{path}", data, kind)  # noqa: S310 - always http
        try:
            with urllib.request.urlopen(request, timeout=self._within_s) as answer:  # noqa: S310 - always http
                answered: dict[str, Any] = json.load(answer)
                return answered
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path} answered {error.code}: {error.read()[:500]!r}") from error


@dataclass
class Server:
    """`telltale up` on a data folder. Made by `start`; ports are any free ones."""

    data: Path
    process: subprocess.Popen[str]
    started: float
    """Of `time.monotonic`, when the process was made."""
    log: Path
    on_line: Callable[[str], None] | None = None
    otlp_grpc: str = ""
    otlp_http: str = ""
    api: str = ""
    ready_s: float = 0.0
    """From the start of the process until its ready file was there."""
    _reader: Thread | None = field(default=None, repr=False)

    @classmethod
    def start(cls, data: Path, *, on_line: Callable[[str], None] | None = None) -> Server:
        """Start and wait until everything listens; `on_line` gets each line printed, in a thread of its own."""
        data.mkdir(parents=True, exist_ok=True)
        ready_file = data / "ready.json"
        ready_file.unlink(missing_ok=True)
        command = [str(PROGRAM), "up", "--data", str(data), "--ready-file", str(ready_file)]
        for option in ("--otlp-grpc", "--otlp-http", "--api"):
            command += [option, ANY_PORT]
        with interrupts_held() as interrupted:
            started = time.monotonic()
            server = cls(data, _popen(command), started, data / "up.log", on_line)
            server._reader = Thread(target=server._copy_output, daemon=True)
            server._reader.start()
        try:
            if interrupted:
                raise KeyboardInterrupt
            server._wait_ready(ready_file)
        except BaseException:
            server.kill()
            raise
        return server

    @property
    def url(self) -> str:
        """Of the API."""
        return f"http://{self.api}"

    def telltale(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command against this server."""
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=60, check=False)

    def command(self, *arguments: str) -> list[str]:
        """The command line of `telltale ARGUMENTS --url ...`."""
        return [str(PROGRAM), *arguments, "--url", self.url]

    def findings(self, **filters: str) -> list[dict[str, Any]]:
        """See `Api`."""
        return Api(self.url).findings(**filters)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """See `Api`."""
        return Api(self.url).rows(sql)

    def stop(self) -> int:
        """Interrupt as Ctrl-C does, wait, and return the exit status; kill what does not end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_WITHIN_S)
        return self.kill()

    def kill(self) -> int:
        """End the process with SIGKILL if it still runs, and return its exit status."""
        self.process.kill()
        status = self.process.wait()
        if self._reader is not None:
            self._reader.join(5)
        return status

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that the server printed."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _copy_output(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 - Popen was given a pipe
        with self.log.open("a") as log, self.process.stdout as printed:
            for line in printed:
                log.write(line)
                log.flush()
                if self.on_line is not None:
                    self.on_line(line.rstrip("\n"))

    def _wait_ready(self, ready_file: Path) -> None:
        while not (ready_file.exists() and ready_file.read_text().strip()):
            status = self.process.poll()
            late = time.monotonic() - self.started > READY_WITHIN_S
            if status is not None or late:
                what = "was not ready in time" if status is None else f"ended with status {status}"
                raise ServerFailedError(f"telltale up {what}\n{self.log_tail()}")
            time.sleep(0.01)
        self.ready_s = time.monotonic() - self.started
        ready = json.loads(ready_file.read_text())
        self.otlp_grpc, self.otlp_http, self.api = ready["otlp_grpc"], ready["otlp_http"], ready["api"]


def _popen(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,  # Ctrl-C reaches us alone; we stop the server ourselves
    )


@contextlib.contextmanager
def interrupts_held() -> Iterator[list[int]]:
    """Keep an interrupt from coming between the start of a process and its being known; yields those that came."""
    came: list[int] = []
    if current_thread() is not main_thread():
        yield came
        return
    # A handler of our own, not an ignored signal: the child would inherit that.
    before = signal.signal(signal.SIGINT, lambda signum, _frame: came.append(signum))
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, before)
