"""The cursor: a place in the feed, as opaque text.

    f1.  base64url( CRC-32, 4 bytes | tag of the store, 4 bytes | of each partition the first offset not read, LEB128 )

A place is one offset for each partition of `telltale.findings`, so that no order between partitions has to be kept
by anybody. The checksum finds cursors that were cut or typed; the tag those of another store. Short, because agents
pay for each character: 12 for one partition.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterator
from typing import Final

from schemas.errors import QueryError

START: Final = "start"
NOW: Final = "now"
FORM: Final = "f1."
MAX_CHARACTERS: Final = 8_000
MAX_OFFSET: Final = 2**63 - 1

Place = tuple[int, ...]
"""For each partition the first offset that has not been read; partitions beyond its end have not been read at all."""

REPAIR: Final = f"use the cursor of an answer as it stands, or after={START} (all that is kept), or after={NOW}"


def encode(tag: int, place: Place) -> str:
    """The cursor of a place in the store with this tag, a number of 32 bits."""
    body = tag.to_bytes(4, "big") + b"".join(map(_leb128, place))
    checked = zlib.crc32(body).to_bytes(4, "big") + body
    return FORM + base64.urlsafe_b64encode(checked).decode().rstrip("=")


def decode(text: str, tag: int) -> Place:
    """The place of a cursor; raises QueryError with the repair where it is none of this store's."""
    if not text.startswith(FORM):
        raise _refused("bad_cursor", "this is no cursor of the feed")
    try:
        checked = base64.b64decode(_padded(text[len(FORM) : MAX_CHARACTERS]), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise _refused("bad_cursor", "this cursor is damaged") from error
    of_store = int.from_bytes(checked[4:8], "big")
    place = tuple(_offsets(checked[8:]))
    if encode(of_store, place) != text:  # the checksum, and that there is one way only to write a place
        raise _refused("bad_cursor", "this cursor is damaged")
    if of_store != tag:
        raise _refused("foreign_cursor", "this cursor was made by another store")
    return place


def _leb128(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that another follows."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _offsets(data: bytes) -> Iterator[int]:
    """The inverse; numbers that never end, or are too large for an offset, are cut and found by who compares."""
    number = shift = 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift = min(shift + 7, 63)
        if byte < 0x80:
            yield min(number, MAX_OFFSET)
            number = shift = 0


def is_cursor(text: str) -> bool:
    """Whether a text is meant as a place in the feed, and not in a list of findings."""
    return text in (START, NOW) or text.startswith(FORM)


def furthest(one: Place, other: Place) -> Place:
    """What both have read together."""
    length = max(len(one), len(other))
    padded = ((*place, *[0] * (length - len(place))) for place in (one, other))
    return tuple(max(pair) for pair in zip(*padded, strict=True))


def _padded(text: str) -> bytes:
    return text.encode("ascii", "replace") + b"=" * (-len(text) % 4)


def _refused(code: str, message: str) -> QueryError:
    return QueryError(code, message, field="after", hint=REPAIR)
