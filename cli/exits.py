"""What exit statuses mean, and the error that carries one."""

from __future__ import annotations

from typing import Final

FINE: Final = 0
FAILED: Final = 1
"""Something was found, or the question was refused."""
UNKNOWN: Final = 2
"""It could not be told: nothing answered, or not now."""
BAD_LINES: Final = 3
"""`replay`: done, but some lines could not be used."""
USAGE: Final = 64
INTERRUPTED: Final = 130

MEANING: Final = (
    "Exit status: 0 fine, 1 the question was refused or what it names is not there, 2 could not tell (nothing "
    "answered), 64 wrong usage."
)


class CliError(Exception):
    """Ends a command: its text goes to standard error."""

    def __init__(self, message: str, status: int, *, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.hint = hint
