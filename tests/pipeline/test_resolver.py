"""A call without a session finds the one of its ancestor, in time, late, or never."""

from typing import Any

import pytest

from pipeline import wire
from pipeline.resolver import Moved, Output, Resolved, Resolver, Trace
from schemas.facts import Link, ToolCall
from sinks.contract import Mend
from tests.pipeline.facts_for_tests import SECOND, T0, link, tool

WAIT = 2 * SECOND


def orphan(span: str, parent: str = "", at_s: float = 0.0) -> ToolCall:
    return tool(at_s, session_id="", span_id=span, parent_span_id=parent)


class Story:
    """Feeds one trace; the state goes through its bytes before every step, as after a crash."""

    def __init__(self) -> None:
        self.fold = Resolver(WAIT, 3_600 * SECOND)
        self.state: Trace = self.fold.initial("t1")
        self.out: list[Output] = []

    def feed(self, *facts: Any) -> "Story":
        for fact in facts:
            self.state = self.fold.decode(self.fold.encode(self.state))
            self.out += self.fold.apply(self.state, wire.KINDS[type(fact)], wire.to_fields(fact))
        return self

    def wait(self, seconds: float) -> "Story":
        self.out += self.fold.advance(self.state, T0 + int(seconds * SECOND))
        return self

    def told(self) -> list[tuple[str, str]]:
        return [(o.fact.span_id, o.fact.session_id) for o in self.out if isinstance(o, Resolved)]

    def mends(self) -> list[Mend]:
        return [o for o in self.out if isinstance(o, Mend)]


def test_the_ancestor_came_first() -> None:
    story = Story().feed(link("root", session="S"), link("node", "root"), orphan("call", "node"))
    assert story.told() == [("call", "S")]
    assert story.mends() == [Mend("t1", "call", "S")]


def test_children_exported_before_their_parents_wait_for_them() -> None:
    story = Story().feed(orphan("call", "node"), link("node", "root"))
    assert story.told() == []
    story.feed(link("root", session="S"))
    assert story.told() == [("call", "S")]


def test_nearest_ancestor_wins_over_the_root() -> None:
    story = Story().feed(link("root", session="outer"), link("sub", "root", session="inner"), orphan("call", "sub"))
    assert story.told() == [("call", "inner")]


def test_a_sibling_lends_its_session_until_the_ancestor_says_otherwise() -> None:
    story = Story().feed(link("chat", "root", session="S"), link("x", "y", session="other"), orphan("call", "root"))
    assert story.told() == [("call", "S")]
    story.feed(link("root", session="R"))
    assert story.told()[-1] == ("call", "R")
    assert story.mends()[-1] == Mend("t1", "call", "R")


def test_after_the_wait_the_trace_stands_in_and_a_late_link_moves_everything() -> None:
    story = Story().feed(orphan("c1", "root", 0), orphan("c2", "root", 1)).wait(2.0)
    assert story.told() == []
    story.wait(2.2)
    assert story.told() == [("c1", "t1")]
    story.wait(3.2)
    story.feed(orphan("c3", "root", 9))
    assert story.told() == [("c1", "t1"), ("c2", "t1"), ("c3", "t1")], "a trace waits once"
    story.out.clear()
    story.feed(link("root", session="S"))
    assert [type(o) for o in story.out] == [Mend, Mend, Mend, Moved, Resolved, Resolved, Resolved]
    assert story.told() == [("c1", "S"), ("c2", "S"), ("c3", "S")]


def test_a_trace_without_any_session_is_its_own() -> None:
    story = Story().feed(link("root"), orphan("call", "root")).wait(60)
    assert story.told() == [("call", "t1")]
    assert story.mends() == []


def test_a_cycle_of_parents_ends() -> None:
    story = Story().feed(link("a", "b"), link("b", "a"), orphan("call", "a")).wait(60)
    assert story.told() == [("call", "t1")]


@pytest.mark.parametrize("count", [127, 1_500])
def test_state_is_bounded_and_every_call_is_told_once(count: int) -> None:
    story = Story()
    story.feed(*(orphan(f"c{i}", "root", i / 100) for i in range(count)))
    assert len(story.state.calls) <= 1_024
    story.wait(60)
    assert [span for span, _ in story.told()] == [f"c{i}" for i in range(count)]


def test_calls_beyond_the_bound_are_still_mended_in_storage() -> None:
    story = Story()
    for i in range(1_100):
        story.fold.apply(story.state, "tool", wire.to_fields(orphan(f"c{i}", "root", i / 100)))
    story.feed(link("root", session="S"))
    assert {mend.span_id for mend in story.mends()} == {f"c{i}" for i in range(1_100)}


def test_due_names_the_first_deadline() -> None:
    story = Story().feed(orphan("c1", "", 0), orphan("c2", "", 5))
    assert story.fold.due(story.state) == T0 + SECOND // 10 + WAIT
    story.wait(60)
    assert story.fold.due(story.state) is None


def test_links_of_one_trace_are_bounded() -> None:
    story = Story()
    fold, state = story.fold, story.state
    for i in range(2_500):
        fold.apply(state, "link", wire.to_fields(Link("t1", f"s{i}", "", "", "", "", T0)))
    assert len(state.spans) == 2_000
