"""A line of progress on a terminal; nothing anywhere else."""

from __future__ import annotations

import time
from typing import Final, TextIO

EVERY_S: Final = 0.2


class Progress:
    """Shows how far a command is, at most five times a second."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = False
        self._next = time.monotonic() if stream.isatty() else float("inf")

    def at(self, lines: int, records: int) -> None:
        """Say how much was read."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY_S
            self._shown = True
            self._stream.write(f"\r{lines:,} lines, {records:,} spans and log records")
            self._stream.flush()

    def clear(self) -> None:
        """Take the line away before something else is printed."""
        if self._shown:
            self._shown = False
            self._stream.write("\r\x1b[K")
            self._stream.flush()
