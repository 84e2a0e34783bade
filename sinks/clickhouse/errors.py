"""ClickHouse's errors as the sink's: what another try can mend, and what it cannot."""

from __future__ import annotations

import re
from typing import Final

from schemas.errors import PermanentSinkError, RetryableSinkError, SinkError

PERMANENT: Final = frozenset(
    (
        6,  # CANNOT_PARSE_TEXT
        8,  # THERE_IS_NO_COLUMN
        10,  # NOT_FOUND_COLUMN_IN_BLOCK
        16,  # NO_SUCH_COLUMN_IN_TABLE
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        33,  # CANNOT_READ_ALL_DATA
        36,  # BAD_ARGUMENTS
        44,  # ILLEGAL_COLUMN
        47,  # UNKNOWN_IDENTIFIER
        50,  # UNKNOWN_TYPE
        53,  # TYPE_MISMATCH
        60,  # UNKNOWN_TABLE
        62,  # SYNTAX_ERROR
        70,  # CANNOT_CONVERT_TYPE
        81,  # UNKNOWN_DATABASE
        117,  # INCORRECT_DATA
        128,  # TOO_LARGE_ARRAY_SIZE
        190,  # SIZES_OF_ARRAYS_DONT_MATCH
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        497,  # ACCESS_DENIED
        516,  # AUTHENTICATION_FAILED
        1003,  # UNKNOWN_EXCEPTION of the Arrow reader
    )
)
SLOW: Final = {
    252: 5.0,  # TOO_MANY_PARTS: merges must catch up
    241: 5.0,  # MEMORY_LIMIT_EXCEEDED
    243: 30.0,  # NOT_ENOUGH_SPACE
}

_CODE: Final = re.compile(r"Code: (\d{1,6})\b")


def sink_error(table: str, error: Exception) -> SinkError:
    """The sink error for what inserting into `table` raised; unknown codes are tried again."""
    code = _code(error)
    text = f"{table}: {' '.join(str(error).split())[:500]}"
    if code in PERMANENT:
        return PermanentSinkError(text)
    return RetryableSinkError(text, SLOW.get(code, 1.0))


def _code(error: Exception) -> int:
    """ClickHouse's error number; 0 where there is none."""
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return code
    found = _CODE.search(str(error))
    return int(found[1]) if found else 0
