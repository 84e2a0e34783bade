"""JSON that a terminal and a reader of lines take for nothing else."""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

UNSAFE: Final = re.compile(rb"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]")
"""What JSON need not escape: DEL and C1, by which a terminal may be steered, and what many programs end a line at."""


def printable_json(value: Any) -> bytes:
    """`value` as JSON in one line, UTF-8, every control character and line separator in it escaped."""
    text = orjson.dumps(value)
    if text.isascii() and b"\x7f" not in text:
        return text  # nearly always, and a tenth of the time
    return UNSAFE.sub(_escaped, text)


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(found.group().decode())
