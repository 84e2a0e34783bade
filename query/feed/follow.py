"""One answer of the long poll: what came after a place, within the budget of whoever asks.

as_of, coverage   as in every answer
entries           what came, in order; `telltale.finding/v1` in each, what telemetry wrote below `untrusted`
cursor            the place behind them: what to ask after next, also where nothing came
truncated         whether there is more at once
next, tokens      as in every answer
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from query.budget import cost, fit
from query.feed.cursor import Place
from query.feed.feed import Feed
from query.feed.revisions import Entry, Read, coalesced
from query.feed.shown import shown
from query.tasks import DEFAULT_TOKENS
from schemas.finding import SEVERITIES

MOST_NEXT: Final = 2
MARGIN_TOKENS: Final = 8
"""For what costs more once the parts of an answer are put together: brackets, and its own count of tokens."""
COMPACT: Final = frozenset(
    ("id", "fingerprint", "revision", "kind", "severity", "status", "session_id", "count", "state", "untrusted")
)
"""Fields of a finding that are left where the budget is too small for all of it."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What somebody who follows the feed asks for."""

    after: Place
    wait_s: float = 0.0
    max_tokens: int = DEFAULT_TOKENS
    min_severity: str = SEVERITIES[0]
    """Revisions of findings that are less severe are passed over."""
    every: bool = False
    """Every revision, not only the last of each finding."""


async def follow(feed: Feed, asked: Followed, head: Mapping[str, Any]) -> dict[str, Any]:
    """The whole answer, never more than `max_tokens`.

    All revisions of one finding become one entry, against what was known of it at the cursor, unless `every` is set.

    Raises:
        QueryError: The store is not there, or the budget is too small for one entry.
    """
    end = time.monotonic() + asked.wait_s
    after = asked.after
    while True:
        found = await feed.wait(after, max(0.0, end - time.monotonic()))
        wanted = [entry for entry in found.entries if severe(entry, asked.min_severity)]
        if wanted or feed.closed or (not found.more and time.monotonic() >= end):
            break
        after = found.place
    return await _answer(feed, asked, Read(wanted, found.place, found.more), head)


def severe(entry: Entry, least: str) -> bool:
    """Whether a revision is at least so severe."""
    return SEVERITIES.index(entry.finding["severity"]) >= SEVERITIES.index(least)


async def _answer(feed: Feed, asked: Followed, found: Read, head: Mapping[str, Any]) -> dict[str, Any]:
    ids = list(dict.fromkeys(entry.finding["id"] for entry in found.entries))
    commands = [f"telltale findings {identity}" for identity in ids[:MOST_NEXT]]
    # No place before this one has a longer cursor, and no text of that length costs more than a token a character.
    length = len(await feed.cursor(found.place))
    costly = ("aB" * length)[:length]
    around = cost(_whole(head, [], costly, more=True, commands=commands)) + MARGIN_TOKENS
    taken, entries = await _fitting(feed, found.entries, asked, around)
    place = found.place if taken == len(found.entries) else found.entries[taken - 1].place
    more = found.more or taken < len(found.entries)
    return _whole(head, entries, await feed.cursor(place), more=more, commands=commands)


async def _fitting(
    feed: Feed, entries: Sequence[Entry], asked: Followed, around: int
) -> tuple[int, list[dict[str, Any]]]:
    """How many revisions are taken, and how they are shown: at least one, cut if need be."""
    fitting: tuple[int, list[dict[str, Any]]] = (0, [])
    for taken in _steps(len(entries)):
        told = await shown(feed.reader, entries[:taken] if asked.every else coalesced(entries[:taken]))
        if cost(told) > asked.max_tokens - around:
            break
        fitting = taken, told
    if fitting[0] or not entries:
        return fitting
    [first] = await shown(feed.reader, entries[:1])
    return 1, [fit(_compact(first), "", asked.max_tokens, around).body]


def _compact(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry that is too large by itself: what tells one finding from others; the rest is at its id."""
    finding = {name: value for name, value in entry["finding"].items() if name in COMPACT}
    return {**entry, "changed": {}, "finding": finding, "compact": True}


def _steps(many: int) -> list[int]:
    """How many revisions are tried, from few to all: few steps, because each is read and counted anew."""
    steps = [*range(1, min(many, 8) + 1)]
    while steps and steps[-1] < many:
        steps.append(min(many, steps[-1] * 3 // 2))
    return steps


def _whole(
    head: Mapping[str, Any], entries: list[dict[str, Any]], cursor: str, *, more: bool, commands: list[str]
) -> dict[str, Any]:
    whole = {
        **head,
        "entries": entries,
        "cursor": cursor,
        "truncated": more,
        "total": None,
        "next_cursor": cursor if more else None,
        "next": commands,
        "tokens": 0,
    }
    whole["tokens"] = cost(whole) + 4
    return whole
