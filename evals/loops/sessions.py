"""A generated session: what the agent did, when, and whether it loops."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, NamedTuple

START_UNIX_NANO: Final = 1_767_600_000_000_000_000
MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Did:
    """One tool call and what came of it: a result, or an error's text."""

    tool: str
    arguments: dict[str, Any]
    result: str = ""
    error: str = ""
    agent: str = ""
    """The subagent that made it; "" is the main one."""


@dataclass(frozen=True, slots=True)
class Script:
    """A session before it is told in a dialect."""

    kind: str
    loops: bool
    rounds: tuple[tuple[Did, ...], ...]
    """Calls of one model turn stand together."""
    due: int = -1
    """Number of the call (from 0) that completes the fourth repeat: by then a loop is to be told."""
    prompts: frozenset[int] = frozenset()
    """Rounds before which the user speaks."""
    trace_each_round: bool = False


class Placed(NamedTuple):
    """A call with its ids and times."""

    did: Did
    number: int
    """In the session, from 0."""
    round_number: int
    first_of_round: bool
    prompted: bool
    trace_id: str
    span_id: str
    call_id: str
    start: int
    end: int
    asked_at: int
    """When the model began to think of this round; it answered `ANSWER_NS` before the round's calls start."""
    tokens_in: int
    tokens_out: int


ANSWER_NS: Final = 20 * MS


def hex_id(length: int, *parts: object) -> str:
    """An id that depends on its parts alone."""
    return blake2b("\x1f".join(map(str, parts)).encode(), digest_size=length // 2).hexdigest()


def place(script: Script, name: str, start: int, seed: int) -> Iterator[Placed]:
    """Lay a script out in time: the model takes 1 to 3 s a turn, a tool 0.1 to 2 s."""
    rng = random.Random(f"{name}/{seed}")
    now, number, context = start, 0, 1_800
    for at, calls in enumerate(script.rounds):
        asked_at = now
        now += rng.randrange(1_000, 3_000) * MS + ANSWER_NS
        trace = hex_id(32, "trace", name, seed, at if script.trace_each_round else 0)
        end = now
        said = 40 + sum(len(str(did.arguments)) for did in calls) // 4
        for index, did in enumerate(calls):
            done = now + rng.randrange(100, 2_000) * MS
            yield Placed(
                did, number, at, index == 0, index == 0 and (at == 0 or at in script.prompts), trace,
                hex_id(16, "span", name, seed, number), f"call_{hex_id(20, name, seed, number)}", now, done,
                asked_at, context, said,
            )  # fmt: skip
            end, number = max(end, done), number + 1
        context += said + sum(len(did.result or did.error) for did in calls) // 4
        now = end + 30 * MS
