"""What exit statuses mean, and the error that carries one."""

from __future__ import annotations

from typing import Final

FINE: Final = 0
FAILED: Final = 1
"""Something was found or failed, or what is named is not there."""
UNKNOWN: Final = 2
"""It could not be told: nothing answered, or not now."""
BAD_LINES: Final = 3
"""`replay`: done, but some lines could not be used."""
USAGE: Final = 64
BAD_MESSAGES: Final = 65
"""A worker stopped at `dead_letter_limit`: starting it again changes nothing until the cause is mended."""
INTERRUPTED: Final = 130

MEANING: Final = (
    "Exit status: 0 fine, 1 what is named is not there, 2 could not tell (nothing answered, or not in time), 64 wrong "
    "usage, or a question that was refused."
)


def telling(found: str, unknown: str) -> str:
    """What exit statuses mean where `--exit-code` asks for more."""
    return f"{MEANING} With --exit-code also 1 {found}, 2 {unknown}."


def of_search(found: object, complete: bool | None) -> int:
    """Of a search: something was found; or it is not known, since not everything was judged."""
    return FAILED if found else FINE if complete else UNKNOWN


class CliError(Exception):
    """Ends a command: its text goes to standard error."""

    def __init__(self, message: str, status: int, *, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.hint = hint
