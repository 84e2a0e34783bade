"""What a question may say: each parameter's type and bounds, as data, and how a value is read.

HTTP and the command line give text, MCP gives JSON; both are read here, by the same rules. A wrong value is refused,
never replaced. This module and `query.tasks` import nothing heavy: `--help` is made from them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from schemas.errors import QueryError
from schemas.times import iso_unix_nano

Kind = Literal["text", "integer", "choice", "moment", "flag", "texts"]
Form = Literal["both", "list", "one"]

MAX_TEXT: Final = 1_000
MAX_TEXTS: Final = 10
SECOND_NS: Final = 1_000_000_000
MAX_MOMENT: Final = 40
"""Characters of a time."""
MOMENT_HINT: Final = "a time such as 2026-01-05T09:00:00Z, or 30m, 2h, 7d before now"

_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_BEFORE: Final = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_WHOLE: Final = re.compile(r"-?\d{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a task."""

    name: str
    kind: Kind
    doc: str
    default: Any = None
    """None = nothing; of a moment: text, read as if it were given."""
    choices: tuple[str, ...] = ()
    low: int = 0
    high: int = 0
    longest: int = MAX_TEXT
    """Characters of a text."""
    required: bool = False
    identity: bool = False
    """Stands in the path of a URL, and first on the command line."""
    form: Form = "both"
    """Of a task that lists and shows one: with which of the two it goes."""

    def read(self, given: object, now_unix_nano: int) -> Any:
        """The value: text, whole number, bool, list of texts, or nanoseconds since 1970.

        Raises:
            QueryError: It is none; names this parameter and what it may be.
        """
        return _READERS[self.kind](self, given, now_unix_nano)

    def refusal(self, given: object, hint: str) -> QueryError:
        """The error that says what this may be."""
        return QueryError("bad_value", f"{self.name} cannot be {str(given)[:60]!r}", field=self.name, hint=hint)


def _text(parameter: Parameter, given: object, _: int) -> str:
    if not isinstance(given, str):
        raise parameter.refusal(given, "text")
    if len(given) > parameter.longest:
        raise QueryError(
            "too_long",
            f"{parameter.name} has {len(given)} characters",
            field=parameter.name,
            hint=f"at most {parameter.longest}",
        )
    if (parameter.required or parameter.identity) and not given.strip():
        code, status = ("not_found", 404) if parameter.identity else ("empty", 400)
        raise QueryError(code, f"{parameter.name} is empty", field=parameter.name, hint=parameter.doc, status=status)
    return given


def _integer(parameter: Parameter, given: object, _: int) -> int:
    hint = f"{parameter.low} to {parameter.high}"
    whole = isinstance(given, int) and not isinstance(given, bool)
    if not whole and not (isinstance(given, str) and _WHOLE.fullmatch(given)):
        raise parameter.refusal(given, hint)
    number = int(given)  # type: ignore[call-overload]  # checked above
    if not parameter.low <= number <= parameter.high:
        raise parameter.refusal(given, hint)
    return int(number)


def _choice(parameter: Parameter, given: object, _: int) -> str:
    if not isinstance(given, str) or given not in parameter.choices:
        raise parameter.refusal(given, ", ".join(parameter.choices))
    return given


def _flag(parameter: Parameter, given: object, _: int) -> bool:
    known = {True: True, False: False, "true": True, "false": False}
    if not isinstance(given, bool | str) or given not in known:
        raise parameter.refusal(given, "true, false")
    return known[given]


def _texts(parameter: Parameter, given: object, now_unix_nano: int) -> list[str]:
    listed: Sequence[object] = [given] if isinstance(given, str) else given if isinstance(given, list) else [given]
    if len(listed) > MAX_TEXTS:
        raise QueryError(
            "too_many",
            f"{parameter.name} is given {len(listed)} times",
            field=parameter.name,
            hint=f"at most {MAX_TEXTS}",
        )
    return [_text(parameter, one, now_unix_nano) for one in listed]


def _moment(parameter: Parameter, given: object, now_unix_nano: int) -> int:
    if not isinstance(given, str) or len(given) > MAX_MOMENT:
        raise parameter.refusal(given, MOMENT_HINT)
    try:
        return moment(given, now_unix_nano)
    except (ValueError, OverflowError):
        raise parameter.refusal(given, MOMENT_HINT) from None


def moment(text: str, now_unix_nano: int) -> int:
    """Nanoseconds since 1970 of RFC 3339 text, of a date, or of `2h` before now; raises ValueError, OverflowError."""
    if before := _BEFORE.fullmatch(text):
        return max(0, now_unix_nano - int(before[1]) * _UNITS_S[before[2]] * SECOND_NS)
    if not text.isascii() or re.fullmatch(r"\d{4}-\d\d-\d\d.*", text) is None:
        raise ValueError(text)
    unix_nano = iso_unix_nano(text) if len(text) <= MAX_MOMENT else -1
    if unix_nano < 0:
        raise ValueError(text)
    return unix_nano


_READERS: Final = {
    "text": _text,
    "integer": _integer,
    "choice": _choice,
    "moment": _moment,
    "flag": _flag,
    "texts": _texts,
}
