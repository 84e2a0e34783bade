"""Lines of files, plain or gzip, and where each came from."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final, cast

GZIP_MAGIC: Final = b"\x1f\x8b"
MAX_LINE_BYTES: Final = 256 * 1024 * 1024
REMEMBERED: Final = 10_000
"""Lines whose place is remembered: more than a reader may hold back before it says which are bad."""


class Lines:
    """Iterates over the lines of files in order, empty ones left out, without their end. Once.

    `broken` says which files could not be read to their end, or had a line that is too long, and why.
    """

    def __init__(self, files: Sequence[str]) -> None:
        self._files = files
        self._places: deque[tuple[str, int]] = deque(maxlen=REMEMBERED)
        self._given = 0
        self.broken: list[str] = []

    def place(self, number: int) -> str:
        """`FILE:LINE` of the line that was given as `number` (from 0), one of the last 10,000."""
        index = number - (self._given - len(self._places))
        if not 0 <= index < len(self._places):
            return f"line {number + 1}"
        file, line = self._places[index]
        return f"{file}:{line}"

    def __iter__(self) -> Iterator[bytes]:
        for file in self._files:
            name = "<stdin>" if file == "-" else file
            at = 0
            try:
                with _open(file) as stream:
                    while text := stream.readline(MAX_LINE_BYTES):
                        at += 1
                        if len(text) == MAX_LINE_BYTES and not text.endswith(b"\n"):
                            self.broken.append(f"{name}:{at}: longer than {MAX_LINE_BYTES} bytes")
                            _skip_line(stream)
                            continue
                        if text := text.strip():
                            self._places.append((name, at))
                            self._given += 1
                            yield text
            except (OSError, EOFError, zlib.error) as error:
                self.broken.append(f"{name}:{at + 1}: {error}")


def _open(file: str) -> IO[bytes]:
    raw: IO[bytes] = sys.stdin.buffer if file == "-" else Path(file).open("rb")  # noqa: SIM115 - the caller closes it
    start = raw.peek(2)[:2]  # type: ignore[attr-defined] # both are buffered readers
    return cast(IO[bytes], gzip.GzipFile(fileobj=raw, mode="rb")) if start == GZIP_MAGIC else raw


def _skip_line(stream: IO[bytes]) -> None:
    while (rest := stream.readline(1024 * 1024)) and not rest.endswith(b"\n"):
        pass
