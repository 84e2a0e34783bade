"""Where a dead letter came from, and the message that it was."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_ID: Final = re.compile(r"([A-Za-z0-9._-]{1,249}):(\d{1,10}):(\d{1,19})", re.ASCII)

HEADER: Final = "telltale.replay-of"
"""Of a message that was put back: the place of the dead letter."""


class Place(NamedTuple):
    """One message of the log; as text the id of a dead letter, such as `otlp_spans:0:42`."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"


class Original(NamedTuple):
    """A message as its sender wrote it."""

    value: bytes
    key: bytes | None


def place_of(text: str) -> Place:
    """The place that an id names; raises ValueError."""
    found = _ID.fullmatch(text)
    if found is None or int(found[2]) >= 2**31 or int(found[3]) >= 2**63:
        raise ValueError(text)
    return Place(found[1], int(found[2]), int(found[3]))
