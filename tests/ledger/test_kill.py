"""Whenever the process is killed, what was acknowledged is stored once, and the findings are those of a calm run."""

from __future__ import annotations

import pytest

from benchmarks import ledger

KILLS = 20


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> ledger.Outcome:
    return ledger.run(tmp_path_factory.mktemp("ledger"), KILLS)


def test_the_producer_was_acknowledged_between_the_kills(outcome: ledger.Outcome) -> None:
    assert outcome.acknowledged > outcome.kills >= 20


def test_no_acknowledged_span_is_lost(outcome: ledger.Outcome) -> None:
    assert outcome.lost == []


def test_no_span_is_stored_twice_and_no_request_in_part(outcome: ledger.Outcome) -> None:
    assert outcome.wrong == {}


def test_the_findings_are_those_of_a_calm_run(outcome: ledger.Outcome) -> None:
    assert outcome.findings == outcome.calm_findings
    assert any("tool_call_loop" in conclusion for conclusion in outcome.findings.values())
