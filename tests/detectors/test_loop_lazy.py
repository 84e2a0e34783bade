"""Calls that cannot be part of a loop are not folded, and what is told is as if they had been."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.loops.session import Session
from detectors.loops.sightings import Sightings
from schemas.facts import SessionFact
from schemas.finding import Finding
from tests.detectors.conformance.laws import (
    LOOP,
    SECOND_NS,
    SESSION_FACTS,
    START_NS,
    marker,
    model_call,
    numbered,
    tool_call,
)

TOOLS = ["bash", "Edit", "read", "TodoWrite", "BashOutput"]


def told(facts: Sequence[SessionFact], resume_every: int = 0) -> list[tuple[int, list[Finding]]]:
    """What each fact has told, by its number."""
    state: Any = LOOP.initial()
    found = []
    for number, fact in enumerate(facts):
        state, findings = LOOP.observe(state, fact)
        if findings:
            found.append((number, list(findings)))
        if resume_every and number % resume_every == 0:
            state = LOOP.decode(LOOP.encode(state))
    state, findings = LOOP.advance(state, START_NS + 10**6 * SECOND_NS)
    return [*found, (len(facts), list(findings))]


def always(self: Sightings, call: object) -> bool:
    """In place of `Sightings.note`: fold every call when it comes."""
    del self, call
    return True


def wandering(rng: random.Random, length: int) -> list[SessionFact]:
    """Calls of which some come again, now and then in turn, some late, some twice, some told again more fully."""
    facts: list[SessionFact] = []
    for i in range(length):
        at = START_NS + i * 3 * SECOND_NS
        key = rng.choice(["a", "b", "c", f"n{i}", f"n{i}", f"n{i}"])
        strength = rng.choice(["full", "full", "full", "truncated", "size"])
        kind = rng.random()
        if kind < 0.2:
            facts.append(model_call(at))
        elif kind < 0.22:
            facts.append(marker(rng.choice(["prompt", "end", "verdict"]), at))
        else:
            facts.append(
                tool_call(
                    tool_name=rng.choice(TOOLS), arguments_signature=key, arguments_strength=strength,
                    result_signature=rng.choice([f"r{key}", "same", f"m{i}"]), result_strength=strength,
                    outcome=rng.choice(["ok", "ok", "error"]), agent_name=rng.choice(["", "", "", "other"]),
                    call_id=rng.choice(["", f"c{i}"]), span_id=f"span{i}", start_time_unix_nano=at,
                    signal=rng.choice(["span", "span", "span", "log", "message", "hook"]),
                )
            )  # fmt: skip
    order = sorted(range(length), key=lambda i: i + rng.choice([0, 0, 0, 0, 3, 20, 60]) * rng.random())
    return [facts[i] for i in order for _ in range(rng.choice([1, 1, 1, 2]))]


@settings(max_examples=150)
@given(seed=st.integers(0, 10**9), length=st.integers(1, 260), resume_every=st.sampled_from([0, 0, 7, 50]))
def test_what_is_told_does_not_depend_on_what_was_folded(seed: int, length: int, resume_every: int) -> None:
    facts = wandering(random.Random(seed), length)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sightings, "note", always)
        eager = told(facts, resume_every)
    assert told(facts, resume_every) == eager


@settings(max_examples=150)
@given(facts=st.lists(SESSION_FACTS, max_size=40))
def test_nor_where_facts_hold_anything(facts: list[SessionFact]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sightings, "note", always)
        eager = told(facts)
    assert told(facts) == eager


def test_a_healthy_session_is_never_folded_until_a_call_leaves_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    folded: list[object] = []
    monkeypatch.setattr(Session, "step", lambda self, call: folded.append(call))
    calls = [
        call._replace(arguments_signature=f"a{i}", result_signature=f"r{i}", outcome="ok")
        for i, call in enumerate(numbered(96))
    ]
    told(calls)
    assert folded == []
    told([*calls, *numbered(4, start=START_NS + 200 * SECOND_NS, spans="more")])
    assert len(folded) > 96, "four equal calls are folded, and what came before them"


def test_counts_are_taken_anew_before_they_grow() -> None:
    sightings = Sightings()
    state: Any = LOOP.initial()
    for i, call in enumerate(numbered(2_000)):
        state, _ = LOOP.observe(state, call._replace(arguments_signature=f"a{i}", result_signature=f"r{i}"))
    for call in state.window:
        sightings.note(call)
    assert len(state._sightings._counts) <= 4 * len(sightings._counts)
