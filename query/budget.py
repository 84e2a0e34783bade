"""Makes an answer fit its budget, whatever telemetry put into it.

What is given up, in this order: long texts of telemetry are cut; rows are left out from the end; every text is cut.
An answer of which not even the first row fits is refused with the budget that it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from query.tokens import estimated_tokens
from schemas.errors import QueryError
from schemas.printable import printable_json

UNTRUSTED: Final = "untrusted"
"""Whatever stands below a key of this name was written by those who are watched."""

CONTENT_STEPS: Final = (4_000, 3_000, 2_000, 1_500, 1_000, 700, 500, 350, 250, 160)
"""Characters of a text of telemetry, tried from the first."""
ROW_STEPS: Final = (500, 350, 250, 160, 100, 60)
"""The same in an answer of rows; then rows are left out."""
EXCERPT: Final = (160, 60)
"""The same where rows have to be left out."""
HARD_STEPS: Final = ((100, 20), (40, 8), (14, 3))
"""Characters of any text, and values of any list within a row, at last."""
SLACK: Final = 4
MARGIN_TOKENS: Final = 20
"""What an answer to the same question may cost more a little later."""

Frame = Callable[[int, bool], dict[str, Any]]
"""(rows shown, whether a text was cut) -> the whole answer but for its rows, which are put in where they stand."""


class Fitted(NamedTuple):
    """What fits."""

    body: dict[str, Any]
    shown: int
    """Rows."""
    cut: bool
    """Whether a text of telemetry was cut."""


def fit(body: dict[str, Any], rows: str, max_tokens: int, around: int = 0) -> Fitted:
    """The body as far as it costs no more than `max_tokens`.

    Args:
        body: The answer, JSON values only.
        rows: Name of the list in it that may lose its end; "" = none.
        max_tokens: What the whole answer may cost.
        around: What stands around the body costs.

    Raises:
        QueryError: Not even its fixed part and its first row fit.
    """
    left = max_tokens - around
    steps = CONTENT_STEPS if not rows or len(body[rows]) < 2 else ROW_STEPS
    for longest in steps:
        short = shortened(body, longest)
        if cost(short) <= left:
            return Fitted(short, len(short[rows]) if rows else 0, short != body)
    for longest in EXCERPT if rows else ():
        fitted = _fewer(shortened(body, longest), rows, left)
        if fitted is not None and fitted.shown:
            return fitted
    for longest, most in HARD_STEPS:
        short = {cut(k, longest): _hard(v, longest, most, within=2 if k == rows else 1) for k, v in body.items()}
        if rows:
            fitted = _fewer(short, rows, left)
            if fitted is not None and (fitted.shown or not body[rows]):
                return fitted
        elif cost(short) <= left:
            return Fitted(short, 0, True)
    needed = around + cost({**short, rows: short[rows][:1]} if rows else short)
    raise QueryError(
        "budget_too_small",
        "the answer does not fit this budget",
        field="max_tokens",
        hint=f"max_tokens of {needed + MARGIN_TOKENS} would do",
    )


def cost(value: Any) -> int:
    """Tokens of a JSON value, estimated from above."""
    return estimated_tokens(printable_json(value).decode()) + SLACK


def shortened(value: Any, longest: int, untrusted: bool = False) -> Any:
    """The same with every text of telemetry at most that long; what is cut ends in `…`."""
    if isinstance(value, str):
        return cut(value, longest) if untrusted else value
    if isinstance(value, dict):
        return {k: shortened(v, longest, untrusted or k == UNTRUSTED) for k, v in value.items()}
    if isinstance(value, list):
        return [shortened(v, longest, untrusted) for v in value]
    return value


def cut(text: str, longest: int) -> str:
    """Text of at most that many characters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _fewer(body: dict[str, Any], rows: str, max_tokens: int) -> Fitted | None:
    """As many rows from the beginning as fit; None where not even none of them does."""
    left = max_tokens - cost({**body, rows: []})
    if left < 0:
        return None
    shown = 0
    for row in body[rows]:
        left -= estimated_tokens(printable_json(row).decode()) + 1
        if left < 0:
            break
        shown += 1
    return Fitted({**body, rows: body[rows][:shown]}, shown, True)


def _hard(value: Any, longest: int, most: int, within: int = 0) -> Any:
    """Every text cut, keys that telemetry chose too, and every list but the `within` outermost."""
    if isinstance(value, str):
        return cut(value, longest)
    if isinstance(value, dict):
        pairs = list(value.items()) if within > 0 else list(value.items())[: 10 * most]
        return {cut(k, longest): _hard(v, longest, most, within - 1) for k, v in pairs}
    if isinstance(value, list):
        return [_hard(v, longest, most, within - 1) for v in (value if within > 0 else value[:most])]
    return value


def fits(commands: Sequence[str], longest: int = 300) -> list[str]:
    """Commands that are short enough to be run as they stand; a cut one would be wrong."""
    return [command for command in commands if len(command) <= longest]
