"""Calls late, twice and out of order end in the same findings."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.facts import SessionFact
from tests.detectors.conformance.laws import LOOP, SECOND_NS, START_NS, fold, latest, model_call, numbered, tool_call


def stuck_session() -> list[SessionFact]:
    """Reads, an edit, a test that fails six times, a prompt's worth of other calls, two calls in turn."""
    facts: list[SessionFact] = []
    steps = [("read", f"f{i}", f"r{i}") for i in range(5)] + [("Edit", "e1", "ok")]
    steps += [("bash", "test", "1 failed")] * 6 + [("read", f"g{i}", f"s{i}") for i in range(12)]
    steps += [("read", "a", "ra"), ("grep", "b", "rb")] * 5
    for i, (tool, arguments, result) in enumerate(steps):
        at = START_NS + i * 4 * SECOND_NS
        facts.append(model_call(at))
        facts.append(
            tool_call(
                tool_name=tool, arguments_signature=arguments, result_signature=result, span_id=f"span{i}",
                call_id=f"call{i}", start_time_unix_nano=at + 2 * SECOND_NS,
            )
        )  # fmt: skip
    return facts


IN_ORDER = latest(fold(LOOP, stuck_session())[1])


def test_the_session_in_order_has_its_two_loops() -> None:
    assert [(severity, count) for severity, _, count, *_ in IN_ORDER.values()] == [("warning", 6), ("critical", 5)]


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_any_order_gives_the_same_findings(seed: int) -> None:
    facts = stuck_session()
    random.Random(seed).shuffle(facts)
    assert latest(fold(LOOP, facts)[1]) == IN_ORDER


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_duplicates_change_nothing(seed: int) -> None:
    rng = random.Random(seed)
    facts: list[SessionFact] = []
    for fact in stuck_session():
        facts += [fact] * rng.choice([1, 1, 2, 3])
        if rng.random() < 0.3:
            facts.append(rng.choice(facts[-20:]))
    assert latest(fold(LOOP, facts)[1]) == IN_ORDER


def test_a_late_edit_takes_a_loop_back() -> None:
    calls = numbered(4, arguments_signature="pytest")
    edit = tool_call(
        tool_name="Edit", arguments_signature="e", start_time_unix_nano=START_NS + 3 * SECOND_NS, span_id="edit"
    )
    _, found = fold(LOOP, [*calls, edit])
    assert [(f.revision, f.severity, f.status, f.reason) for f in found] == [
        (1, "suspect", "open", "opened"),
        (2, "warning", "updated", "escalated"),
        (3, "warning", "resolved", "superseded"),
    ]


def test_the_fuller_telling_of_a_call_replaces_the_weaker() -> None:
    weak = numbered(4, signal="log", arguments_signature="9", arguments_strength="size", result_strength="size")
    full = numbered(4, signal="span")
    told = [call._replace(call_id=f"c{i}", span_id=f"log{i}") for i, call in enumerate(weak)]
    told += [call._replace(call_id=f"c{i}") for i, call in enumerate(full)]
    _, found = fold(LOOP, told)
    assert found[-1].severity == "warning"
    assert found[-1].confidence == "full"
    assert found[-1].count == 4


def test_call_ids_that_a_model_counts_anew_each_turn_are_different_calls() -> None:
    _, found = fold(LOOP, numbered(4, call_id="call_0"))
    assert found[-1].count == 4


def test_the_id_does_not_depend_on_the_session() -> None:
    one = fold(LOOP, numbered(4))[1]
    other = fold(LOOP, numbered(4, session_id="another"))[1]
    assert one[-1].id == other[-1].id
    assert (one[-1].session_id, other[-1].session_id) == ("s", "another")


def test_loops_of_two_sessions_whose_call_ids_are_counted_alike_are_two_findings() -> None:
    one = fold(LOOP, [c._replace(call_id=f"call_{i}") for i, c in enumerate(numbered(4))])[1]
    later = numbered(4, start=START_NS + 10**12, session_id="another", spans="other")
    two = fold(LOOP, [c._replace(call_id=f"call_{i}") for i, c in enumerate(later)])[1]
    assert one[-1].id != two[-1].id


def test_calls_read_from_messages_are_void_once_the_session_sends_its_own() -> None:
    read = numbered(3, signal="message", spans="chat")
    own = numbered(3, start=START_NS + SECOND_NS // 10, spans="own")
    _, found = fold(LOOP, [*read, *own])
    assert found[-1].count == 3
    assert {e.span_id for e in found[-1].evidence} == {"own0", "own1", "own2"}


@pytest.mark.parametrize("late_by", [97, 200])
def test_what_comes_later_than_the_window_is_too_late(late_by: int) -> None:
    others = [
        tool_call(
            arguments_signature=f"x{i}",
            result_signature=f"y{i}",
            span_id=f"o{i}",
            start_time_unix_nano=START_NS + i * SECOND_NS,
        )
        for i in range(late_by + 1)
    ]
    early = numbered(4, start=START_NS - 100 * SECOND_NS)
    assert fold(LOOP, [*others, *early])[1] == []


@pytest.mark.parametrize("call_id", ["", "own", "span3"])
def test_a_span_is_known_again_after_a_restart_whatever_its_call_is_called(call_id: str) -> None:
    calls = [
        call._replace(span_id=f"span{i}", call_id=call_id and f"{call_id}{i}") for i, call in enumerate(numbered(6))
    ]
    calls[3] = calls[3]._replace(call_id=call_id)
    state, _ = fold(LOOP, list(calls))
    resumed = LOOP.decode(LOOP.encode(state))
    assert resumed.seen("s:span3") == state.seen("s:span3") is not None
    assert [call.span_id for call in resumed.window] == [f"span{i}" for i in range(6)]
