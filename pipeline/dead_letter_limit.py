"""A limit of dead letters a partition: a worker stops rather than divert everything.

One poisoned message is diverted, and all goes on. When many are, it is not they that are wrong: an exporter with an
encoding of its own, a topic that is not ours, a table without a column. Then everything would end in the dead letters.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, Protocol

from pipeline.message import DeadLetter
from schemas.errors import DeadLetterLimitError

WINDOW: Final = 1_000
"""Messages (offsets) of a partition that are looked back on."""
SHOWN: Final = 300


class Letters(Protocol):
    """The dead letters that are stored."""

    async def dead_letters(self, topic: str, partition: int, first: int, last: int) -> Collection[int]:
        """Offsets, among those from first to last, that have one; raises SinkError."""
        ...


class DeadLetterLimit:
    """Counts in the store and nowhere else: a restart, or another worker, does not begin anew."""

    def __init__(self, limit: int, letters: Letters, redacted: Callable[[str], str]) -> None:
        self._limit = limit
        self._redacted = redacted
        self._letters = letters

    async def check(self, letters: Collection[DeadLetter]) -> None:
        """Before letters of one partition are stored.

        Raises:
            DeadLetterLimitError: with them there would be too many; none of them is to be stored.
            SinkError: the store could not be asked.
        """
        if not self._limit or not letters:
            return
        latest = max(letters, key=lambda letter: letter.offset)
        topic, partition, last = latest.topic, latest.partition, latest.offset
        first = max(0, last - WINDOW + 1)
        offsets = {letter.offset for letter in letters if letter.offset >= first}
        offsets |= set(await self._letters.dead_letters(topic, partition, first, last))
        if len(offsets) > self._limit:
            raise DeadLetterLimitError(
                f"{topic} partition {partition}: {len(offsets)} of the {last - first + 1} messages up to offset {last} "
                f"cannot be used, more than dead_letter_limit = {self._limit}. The last one: "
                f"{self._redacted(latest.reason)[:SHOWN]!r}. Nothing more of this partition was stored or passed over. "
                "Look at the dead letters and at who writes to the topic, mend it, and start the worker again; to put "
                "all of them into the dead letters, start it once with --set dead_letter_limit=0"
            )
