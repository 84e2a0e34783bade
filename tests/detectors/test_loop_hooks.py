"""A hook and the agent's own telemetry tell the same calls: each counts once, compared by what the hook saw."""

from __future__ import annotations

import random
from typing import Any

import pytest

from schemas.facts import SessionFact
from tests.detectors.conformance.laws import LOOP, SECOND_NS, START_NS, fold, latest, tool_call

REPEATS = 5


def told(i: int, **fields: Any) -> SessionFact:
    """What the agent's telemetry says: sizes alone."""
    given = {
        "call_id": f"toolu_{i}", "signal": "log", "span_id": "", "tool_name": "Bash", "arguments_strength": "size",
        "result_strength": "size", "start_time_unix_nano": START_NS + i * 4 * SECOND_NS,
    }  # fmt: skip
    return tool_call(**(given | fields))


def hooked(i: int, **fields: Any) -> SessionFact:
    """What the hook says of the same call, a little later by its own clock."""
    given = {
        "call_id": f"toolu_{i}", "signal": "hook", "span_id": "", "tool_name": "Bash", "arguments_strength": "full",
        "result_strength": "full", "start_time_unix_nano": START_NS + i * 4 * SECOND_NS + 300_000_000,
        "dialect": "telltale_guard",
    }  # fmt: skip
    return tool_call(**(given | fields))


def counts(facts: list[SessionFact]) -> list[tuple[str, int]]:
    findings = latest(fold(LOOP, facts)[1])
    return [(severity, count) for severity, over, count, *_ in findings.values() if not over]


def test_the_hook_alone_is_enough() -> None:
    assert counts([hooked(i) for i in range(REPEATS)]) == [("warning", REPEATS)]


@pytest.mark.parametrize("seed", range(20))
def test_each_call_counts_once_in_any_order_and_however_often_it_is_told(seed: int) -> None:
    facts = [fact for i in range(REPEATS) for fact in (told(i), hooked(i), hooked(i))]
    random.Random(seed).shuffle(facts)
    assert [count for _, count in counts(facts)] == [REPEATS]


def test_equal_sizes_of_different_calls_are_no_loop_when_the_hook_tells_them_apart() -> None:
    facts: list[SessionFact] = []
    for i in range(12):
        facts += [told(i), hooked(i, arguments_signature=f"a{i}", result_signature=f"r{i}")]
    assert counts([fact for fact in facts if fact.signal == "log"]) != []
    assert counts(facts) == []


def test_the_words_of_a_result_that_telemetry_sends_still_count() -> None:
    """Polling is told by its words, which the hook does not send."""
    words = {"arguments_strength": "full", "result_strength": "full", "result": "state: pending"}
    facts: list[SessionFact] = []
    for i in range(6):
        facts += [hooked(i, tool_name="lookup"), told(i, tool_name="lookup", **words)]
    assert [severity for severity, _ in counts(facts)] == ["suspect"]


def test_what_a_hook_told_first_stays_one_finding_when_telemetry_names_and_times_it_otherwise() -> None:
    """Codex: its hook says `Bash` and knows no service name, its telemetry `exec_command` of `codex_exec`."""
    words = {"arguments_strength": "full", "result_strength": "full", "outcome": "error", "error_type": "exit_code_1"}
    hooks = [hooked(i, service_name="codex", outcome="unset") for i in range(REPEATS + 1)]
    telemetry = [told(i, tool_name="exec_command", service_name="codex_exec", **words) for i in range(REPEATS)]
    findings = fold(LOOP, [*hooks[:REPEATS], *telemetry, hooks[REPEATS]])[1]
    last = findings[-1]
    assert {finding.id for finding in findings} == {last.id}
    assert [finding.count for finding in findings] == sorted(finding.count for finding in findings)
    assert (last.tool, last.service_name, last.count) == ("exec_command", "codex_exec", REPEATS + 1)


@pytest.mark.parametrize("seed", range(10))
def test_without_call_ids_the_hook_stands_for_both(seed: int) -> None:
    """Gemini CLI numbers its calls nowhere: nothing joins the two tellings."""
    facts: list[SessionFact] = []
    for i in range(REPEATS):
        pair = [told(i, call_id="", arguments_strength="full"), hooked(i, call_id="")]
        facts += random.Random(seed + i).sample(pair, 2)
    assert [count for _, count in counts(facts)] == [REPEATS]
