"""Jobs of several sessions: what each session does, and how long after the one before it begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from evals.loops.kinds import ERRORS, WORDS, Rng, read, text, work
from evals.loops.sessions import Did

Rounds = tuple[tuple[Did, ...], ...]

MINUTE_S: Final = 60
DAY_S: Final = 86_400
DUE: Final = 3
"""Number of the session (from 0) by whose failure a retried job is to be told."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a scheduler started."""

    kind: str
    retried: bool
    sessions: tuple[Rounds, ...]
    apart_s: int
    """From the start of one session to the start of the next."""


def _item(rng: Rng, error: str = "", result: str = "") -> Did:
    """A call on one item of a job's list."""
    return Did("ship_order", {"order": text(rng, 1)}, result, error)


def _why(rng: Rng) -> str:
    return rng.choice(ERRORS).format(text(rng, 1))


def _sessions(rng: Rng, tries: Callable[[int], list[Did]], count: int) -> tuple[Rounds, ...]:
    """Each does a little of its own and then what `tries` says of it."""
    return tuple((*work(rng, rng.randrange(0, 4)), *((did,) for did in tries(number))) for number in range(count))


def _minutes(rng: Rng) -> int:
    return rng.randrange(3, 90) * MINUTE_S


# Retried.


def fails_at_once(rng: Rng) -> Job:
    """Each session fails on the item and ends."""
    item, count = _item(rng, _why(rng)), rng.randrange(4, 12)
    return Job("each session fails once", True, _sessions(rng, lambda _: [item], count), _minutes(rng))


def tries_a_few_times(rng: Rng) -> Job:
    """Each session tries the item two or three times and gives up."""
    item, count = _item(rng, _why(rng)), rng.randrange(4, 12)
    tries = _sessions(rng, lambda _: [item] * rng.randrange(2, 4), count)
    return Job("each session tries a few times", True, tries, _minutes(rng))


def nightly(rng: Rng) -> Job:
    """Once a night."""
    item = _item(rng, _why(rng))
    return Job("a nightly job", True, _sessions(rng, lambda _: [item], rng.randrange(4, 8)), DAY_S)


def says_goodbye(rng: Rng) -> Job:
    """Each session looks at a thing or two after it failed: it reports."""
    item, count = _item(rng, _why(rng)), rng.randrange(4, 12)
    looks = _sessions(rng, lambda _: [item, *(read(rng) for _ in range(rng.randrange(1, 4)))], count)
    return Job("each session reports its failure", True, looks, _minutes(rng))


# Look-alikes.


def succeeds_between(rng: Rng) -> Job:
    """Fails twice or three times, works, fails again: each time the job got by."""
    why, shipped = _why(rng), _item(rng, result="shipped")
    failed = Did(shipped.tool, shipped.arguments, error=why)
    row = [failed if number % 4 < 3 else shipped for number in range(rng.randrange(6, 12))]
    return Job("it works in between", False, _sessions(rng, lambda n: [row[n]], len(row)), _minutes(rng))


def another_item(rng: Rng) -> Job:
    """The same error on another item each time: the job moves on."""
    why, count = _why(rng), rng.randrange(4, 12)
    return Job("another item each time", False, _sessions(rng, lambda _: [_item(rng, why)], count), _minutes(rng))


def another_error(rng: Rng) -> Job:
    """Another error on the same item each time: somebody repairs it step by step."""
    item, count = _item(rng), rng.randrange(4, 12)
    tries = _sessions(rng, lambda _: [Did(item.tool, item.arguments, error=_why(rng))], count)
    return Job("another error each time", False, tries, _minutes(rng))


def side_by_side(rng: Rng) -> Job:
    """Sessions that run at the same time meet one error that passes."""
    item, count = _item(rng, f"connection refused: {rng.choice(WORDS)}"), rng.randrange(4, 12)
    done = Did(item.tool, item.arguments, "shipped")
    return Job("parallel sessions, one passing error", False, _sessions(rng, lambda _: [item, item, done], count), 1)


def goes_on(rng: Rng) -> Job:
    """Each session probes for something that is not there and goes on with its work."""
    probe = Did("Bash", {"command": f"cat {text(rng, 1)}"}, error="No such file or directory: it is not there")
    count = rng.randrange(4, 12)
    work_after = _sessions(rng, lambda _: [probe, *(read(rng) for _ in range(rng.randrange(6, 12)))], count)
    return Job("each session goes on with its work", False, work_after, _minutes(rng))


def three_times(rng: Rng) -> Job:
    """Three sessions fail; then somebody repairs it."""
    shipped = _item(rng, result="shipped")
    row = [Did(shipped.tool, shipped.arguments, error=_why(rng))] * 3 + [shipped]
    return Job("repaired after three", False, _sessions(rng, lambda n: [row[n]], len(row)), _minutes(rng))


RETRIED: Final = (fails_at_once, tries_a_few_times, nightly, says_goodbye)
LOOK_ALIKES: Final = (succeeds_between, another_item, another_error, side_by_side, goes_on, three_times)
