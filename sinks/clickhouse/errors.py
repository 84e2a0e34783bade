"""ClickHouse's errors as the sink's: what another try can mend, and what it cannot.

Only an error that lies in the rows themselves is permanent, since the rows then go to the dead letters. A store that
is missing, full, busy or locked is waited for, however long it takes, and unknown errors are too.
Numbers: https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
"""

from __future__ import annotations

import re
from typing import Final

from urllib3.exceptions import HTTPError

from schemas.errors import PermanentSinkError, RetryableSinkError, SinkError

PERMANENT: Final = frozenset(
    (
        6,  # CANNOT_PARSE_TEXT
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        33,  # CANNOT_READ_ALL_DATA
        36,  # BAD_ARGUMENTS
        50,  # UNKNOWN_TYPE
        53,  # TYPE_MISMATCH
        62,  # SYNTAX_ERROR
        70,  # CANNOT_CONVERT_TYPE
        117,  # INCORRECT_DATA
        128,  # TOO_LARGE_ARRAY_SIZE
        190,  # SIZES_OF_ARRAYS_DONT_MATCH
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        1003,  # UNKNOWN_EXCEPTION of the Arrow reader
    )
)
BUSY_S: Final = 5.0
SOMEBODY_S: Final = 30.0
"""Somebody has to do something about it first."""
SLOW: Final = {
    241: BUSY_S,  # MEMORY_LIMIT_EXCEEDED
    252: BUSY_S,  # TOO_MANY_PARTS: merges must catch up
    8: SOMEBODY_S,  # THERE_IS_NO_COLUMN: the tables are older than this version
    10: SOMEBODY_S,  # NOT_FOUND_COLUMN_IN_BLOCK
    16: SOMEBODY_S,  # NO_SUCH_COLUMN_IN_TABLE
    44: SOMEBODY_S,  # ILLEGAL_COLUMN
    47: SOMEBODY_S,  # UNKNOWN_IDENTIFIER
    60: SOMEBODY_S,  # UNKNOWN_TABLE
    81: SOMEBODY_S,  # UNKNOWN_DATABASE
    192: SOMEBODY_S,  # UNKNOWN_USER
    193: SOMEBODY_S,  # WRONG_PASSWORD
    242: SOMEBODY_S,  # TABLE_IS_READ_ONLY
    243: SOMEBODY_S,  # NOT_ENOUGH_SPACE
    497: SOMEBODY_S,  # ACCESS_DENIED
    516: SOMEBODY_S,  # AUTHENTICATION_FAILED
}

_CODE: Final = re.compile(r"Code: (\d{1,6})\b")
_AROUND: Final = re.compile(r"^.*?(?=Code: \d)|\s*\(for url [^)]*\)", re.DOTALL)


def sink_error(table: str, error: Exception) -> SinkError:
    """The sink error for what inserting into `table` raised; unknown codes are tried again."""
    code = _code(error)
    text = f"{table}: {plain_text(error)}"
    if code in PERMANENT:
        return PermanentSinkError(text)
    return RetryableSinkError(text, SLOW.get(code, 1.0))


def plain_text(error: BaseException) -> str:
    """One line that says what happened, without the address and settings of the request."""
    cause = error.__cause__
    if isinstance(cause, HTTPError):  # it names the whole address; the reason inside says what happened
        reason = getattr(cause, "reason", None) or cause
        return (str(reason).rpartition("): ")[2] or repr(reason)).strip("\"'")[:500]
    return _AROUND.sub("", " ".join(str(error).split()))[:500]


def _code(error: Exception) -> int:
    """ClickHouse's error number; 0 where there is none."""
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return code
    found = _CODE.search(str(error))
    return int(found[1]) if found else 0
