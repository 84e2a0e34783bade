"""Times as text: the one place where they are read."""

from __future__ import annotations

import datetime as dt
from typing import Final

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
LAST_UNIX_NANO: Final = 9_223_372_036_000_000_000
"""The last whole second that 63 bits of nanoseconds hold: 2262-04-11."""


def iso_unix_nano(text: str) -> int:
    """Nanoseconds since 1970 of an ISO 8601 time to the microsecond, in UTC where it names no zone.

    Returns:
        -1 where it is none, or not between 1970 and `LAST_UNIX_NANO`.
    """
    try:
        read = dt.datetime.fromisoformat(text[:40])
        since = (read if read.tzinfo else read.replace(tzinfo=dt.UTC)) - _EPOCH
    except (ValueError, OverflowError):
        return -1
    unix_nano = since // _MICROSECOND * 1_000
    return unix_nano if 0 <= unix_nano <= LAST_UNIX_NANO else -1
