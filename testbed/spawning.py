"""Child processes that never outlive the program that started them, however it is ended short of SIGKILL."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any, Final

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_started: list[subprocess.Popen[bytes]] = []
_held: list[int] | None = None
"""Signals that came while a process was being made; None: none is being made."""


def spawn(command: Sequence[str], **named: Any) -> subprocess.Popen[bytes]:
    """`subprocess.Popen`, in a session of its own, so that Ctrl-C reaches this program alone, and known to `all_ended`.

    A signal that comes before the process is known is heeded right after.
    """
    global _held  # noqa: PLW0603 - what a signal handler shares with the program
    _held = []
    try:
        process = subprocess.Popen(list(command), start_new_session=True, **named)
        _started.append(process)
    finally:
        came, _held = _held, None
    if came:
        os.kill(os.getpid(), came[0])
    return process


@contextlib.contextmanager
def all_ended() -> Iterator[None]:
    """End every process that was started inside, also when SIGTERM, SIGHUP or Ctrl-C end the block."""
    first = len(_started)
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, _end) for number in ENDING}
    try:
        yield
    finally:
        for number in before:
            signal.signal(number, signal.SIG_IGN)  # one is enough: what follows takes no time and must not be cut short
        for process in _started[first:]:
            if process.poll() is None:
                process.kill()  # also one that was stopped by SIGSTOP
            process.wait()
        del _started[first:]
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    if _held is not None:
        _held.append(number)
        return
    raise SystemExit(128 + number)
