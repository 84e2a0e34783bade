"""Places around a rebalance.

The consumer is a double, because a real group cannot be made to rebalance between a question and its answer. That it
happens so is seen with real workers: `tests/kafka/test_fleet.py` starts the second one while the first one opens.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from pipeline.stages.place import Place, Places
from pipeline.transport.records import Committed

TOPIC = "otlp_spans"
KEPT, LOST = TP(TOPIC, 1), TP(TOPIC, 0)


class Member:
    """An app and its consumer; `on_question` is called before the group answers what was committed."""

    def __init__(self) -> None:
        self.consumer = self
        self.consumer_generation_id = 1
        self.rebalancing = self.in_recovery = False
        self.owned = {KEPT, LOST}
        self.committed: dict[TP, int] = {}
        self.on_question: Callable[[], None] = lambda: None
        self.on_partitions_revoked = SimpleNamespace(connect=lambda _: None)

    def assignment(self) -> Collection[TP]:
        return set(self.owned)

    async def committed_meta(self, partitions: Collection[TP]) -> dict[TP, Committed | None]:
        self.on_question()
        return {tp: Committed(self.committed[tp]) if tp in self.committed else None for tp in partitions}

    async def earliest_offsets(self, *partitions: TP) -> dict[TP, int]:
        return dict.fromkeys(partitions, 0)

    def rebalance(self) -> None:
        """Another member has one of the two partitions now."""
        self.owned = {KEPT}
        self.consumer_generation_id = 2
        self.on_question = lambda: None


def places(member: Any) -> Places[Place]:
    return Places(member, [TOPIC], lambda tp, generation, done, _: Place(tp, generation, done))


async def test_a_partition_that_goes_to_another_member_while_it_is_opened_is_not_opened() -> None:
    member = Member()
    member.on_question = member.rebalance
    ours = places(member)
    await ours.open_all()
    await ours.open_all()
    assert [(place.tp, place.generation) for place in ours] == [(KEPT, 2)]


async def test_a_message_of_an_earlier_generation_opens_nothing() -> None:
    member = Member()
    ours = places(member)
    assert await ours.open(LOST, 1) is not None
    member.rebalance()
    assert await ours.open(KEPT, 1) is None
    await ours.open_all()
    assert [(place.tp, place.generation) for place in ours] == [(KEPT, 2)]


async def test_how_far_others_are_is_what_they_committed_whatever_was_ours_before() -> None:
    member = Member()
    ours = places(member)
    await ours.open_all()
    member.rebalance()
    member.committed = {LOST: 7, KEPT: 0}
    assert await ours.behind({LOST: 7}) == 0
    assert await ours.behind({LOST: 9, KEPT: 1}) == 3
