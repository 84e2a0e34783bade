"""What every answer says, in one place: freshness, coverage, what did not fit, what to run next.

as_of        everything up to here was judged; null = nothing yet
coverage     what may be missing: `complete` (null = not to be told here), dead letters, lag, what is particular
...          the answer itself; what telemetry wrote stands below `untrusted`
truncated    whether something did not fit `limit` or `max_tokens`
total        rows in all, where known
next_cursor  where the next page begins; null = there is none
next         commands that can be run as they stand
tokens       what the answer costs, estimated from above: never more than `max_tokens`
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from query.asked import Answer, cursor
from query.budget import cost, fit, fits
from query.fencing import runnable
from schemas.finding import rfc3339

CURSOR_TOKENS: Final = 90
"""Kept free for a cursor, which is known once the rows are."""
MOST_NEXT: Final = 3
NOT_JUDGED_HERE: Final = (
    "no worker runs in this process: as_of is the newest span stored, and was perhaps not judged yet"
)


@dataclass(frozen=True, slots=True)
class Freshness:
    """How far the stream is."""

    as_of_unix_nano: int
    """Everything up to here was judged; 0 = nothing yet."""
    lag_messages: int | None = None
    """Messages that wait in the log; None = not known here."""
    dead_letters: int = 0
    """Messages that could not be used."""
    judged: bool = True
    """Whether it is known what was judged; else `as_of_unix_nano` says what is stored."""


def sealed(answer: Answer, max_tokens: int, mark: str, fresh: Freshness) -> dict[str, Any]:
    """The answer as every door gives it, within the budget of the question.

    Raises:
        QueryError: The budget is too small even for its fixed part.
    """
    before = {"as_of": moment(fresh.as_of_unix_nano), "coverage": coverage(answer, fresh)}
    commands = fits(runnable(answer.next))[:MOST_NEXT]
    narrower = fits(runnable(answer.narrower))[:2]
    after: dict[str, Any] = {"truncated": True, "total": answer.total, "next_cursor": None}
    after |= {"next": [*narrower, *commands], "tokens": 0}
    around = cost(before | after) + (CURSOR_TOKENS if answer.keys else 0)
    fitted = fit(answer.body, answer.rows, max_tokens, around)
    left_out = bool(answer.rows) and (answer.more or fitted.shown < len(answer.body[answer.rows]))
    truncated = left_out or (not answer.rows and fitted.cut)
    after["truncated"] = truncated
    after["next"] = [*(narrower if truncated else ()), *commands][:MOST_NEXT]
    if left_out and answer.keys and fitted.shown:
        after["next_cursor"] = cursor(mark, answer.keys[fitted.shown - 1])
    whole = before | fitted.body | after
    whole["tokens"] = cost(whole) + 4
    return whole


def coverage(answer: Answer, fresh: Freshness) -> dict[str, Any]:
    """What may be missing, in numbers and in one sentence."""
    missing = {
        "dead_letters": fresh.dead_letters,
        **({} if fresh.lag_messages is None else {"lag_messages": fresh.lag_messages}),
        **answer.coverage,
    }
    complete = not any(missing.values()) and fresh.as_of_unix_nano > 0
    told: dict[str, Any] = {"complete": None if complete and not fresh.judged else complete, **missing}
    if fresh.as_of_unix_nano <= 0:
        told["note"] = "nothing was judged yet: that nothing is found means nothing"
    elif not fresh.judged:
        told["note"] = NOT_JUDGED_HERE
    elif fresh.lag_messages:
        told["note"] = f"{fresh.lag_messages} messages wait to be judged: ask again when as_of has passed"
    return told


def moment(unix_nano: int) -> str | None:
    """RFC 3339; None for 0, which is not known."""
    return rfc3339(unix_nano) if unix_nano > 0 else None
