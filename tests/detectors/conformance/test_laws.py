"""The laws of `detectors.contract`, for every detector that there is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.catalog import SERVICE_DETECTORS, SESSION_DETECTORS, SLICE_DETECTORS
from schemas.facts import Attempt, Slice, ToolCall
from schemas.finding import MAX_EVIDENCE, SEVERITIES
from tests.detectors.conformance.laws import DETECTORS, SECOND_NS, START_NS, SUBJECTS, TIME, failed, fold

EVERY = pytest.mark.parametrize("name", sorted(SUBJECTS))
QUICK = settings(max_examples=60)


def script(data: st.DataObject, name: str, most: int = 60) -> list[Any]:
    """Events of any kind with watermarks between them."""
    return data.draw(st.lists(st.one_of(SUBJECTS[name].anything, SUBJECTS[name].anything, TIME), max_size=most))


def told(found: Sequence[Any]) -> list[str]:
    return [repr(f) for f in found]  # NaN is not equal to itself, its text is


def test_every_detector_is_under_the_laws() -> None:
    running = {d.name for of in DETECTORS for d in of}
    assert running == set(SUBJECTS) == {*SESSION_DETECTORS, *SERVICE_DETECTORS, *SLICE_DETECTORS}


@EVERY
@QUICK
@given(data=st.data())
def test_total_and_honest_on_anything(name: str, data: st.DataObject) -> None:
    subject, events = SUBJECTS[name], script(data, name)
    state, found = fold(subject.detector, events)
    seen = {e.span_id for e in events if isinstance(e, ToolCall | Attempt)}
    shown = {x.span_id for e in events if isinstance(e, Slice) for x in e.exemplars}
    for finding in found:
        assert finding.severity in SEVERITIES
        assert len(finding.evidence) <= MAX_EVIDENCE
        assert {e.span_id for e in finding.evidence} <= seen | shown
        assert finding.why.count("`") % 2 == 0
        assert finding.as_json()["id"] == finding.id
    due = subject.detector.due(state)
    assert due is None or isinstance(due, int)


@EVERY
@QUICK
@given(data=st.data())
def test_deterministic_and_resumable_at_any_point(name: str, data: st.DataObject) -> None:
    detector, events = SUBJECTS[name].detector, script(data, name)
    cut = data.draw(st.integers(0, len(events)))
    whole_state, whole = fold(detector, events)
    state, first = fold(detector, events[:cut])
    kept = detector.encode(state)
    state = detector.decode(kept)
    assert detector.encode(state) == kept
    rest: list[Any] = []
    for event in events[cut:]:
        step = detector.advance(state, event) if isinstance(event, int) else detector.observe(state, event)
        state = step.state
        rest += step.findings
    assert told([*first, *rest]) == told(whole)
    assert detector.encode(state) == detector.encode(whole_state)
    assert b"\n" not in kept


@EVERY
@settings(max_examples=10)
@given(data=st.data())
def test_state_stays_bounded(name: str, data: st.DataObject) -> None:
    subject = SUBJECTS[name]
    events = data.draw(st.lists(subject.anything, min_size=20, max_size=60))
    state = subject.detector.initial()
    for turn in range(8):
        for number, event in enumerate(events):
            state = subject.detector.observe(state, _another(event, turn * 1000 + number)).state
    assert len(subject.detector.encode(state)) <= subject.max_bytes


def _another(event: Any, number: int) -> Any:
    """The event as if it came later, long-winded and with ids of its own."""
    if isinstance(event, Slice):
        return event._replace(minute_unix_s=START_NS // SECOND_NS + number // 4 * 60, service_version=f"v{number % 40}")
    if isinstance(event, Attempt):
        return event._replace(
            session_id=f"s{number % 200}", call=f"t\x1f{number % 90}",
            end_time_unix_nano=START_NS + number * 100 * SECOND_NS, arguments="long " * 32, result="`x" * 80,
            span_id=f"span{number}" * 7,
        )  # fmt: skip
    moved = event._replace(start_time_unix_nano=START_NS + number * SECOND_NS, span_id=f"span{number}" * 20)
    if isinstance(event, ToolCall):
        return moved._replace(agent_name=f"agent{number % 20}", arguments="long " * 800, result="`\x00" * 2000)
    return moved


@EVERY
def test_quiet_on_a_healthy_stream(name: str) -> None:
    subject = SUBJECTS[name]
    _, found = fold(subject.detector, subject.healthy())
    assert found == []


@EVERY
@QUICK
@given(data=st.data())
def test_revisions_of_a_finding_rise_by_one(name: str, data: st.DataObject) -> None:
    _, found = fold(SUBJECTS[name].detector, script(data, name))
    last: dict[str, int] = {}
    for finding in found:
        assert finding.revision == last.get(finding.id, 0) + 1
        last[finding.id] = finding.revision


@EVERY
def test_advance_says_nothing_before_it_is_due(name: str) -> None:
    subject = SUBJECTS[name]
    events = subject.healthy()
    if name == "tool_call_loop":
        events = [
            call._replace(arguments_signature="a", result_signature="r")
            for call in events
            if isinstance(call, ToolCall)
        ]
    if name == "retried_failure":
        events = [failed(f"s{i}", i * 5) for i in range(4)]
    state, _ = fold(subject.detector, events[:40])
    due = subject.detector.due(state)
    assert due is not None
    before = subject.detector.encode(state)
    again = subject.detector.decode(before)
    assert subject.detector.advance(again, due - 1).findings == ()
    assert math.isfinite(due)
