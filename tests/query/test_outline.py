"""Folding of repeats and turns, as pure functions of rows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.outline import fold, turns

S = 1_000_000_000


def step(name: str, at_s: float, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "Fact": "tool",
        "name": name,
        "TurnId": "",
        "AgentName": "",
        "ArgumentsSignature": "a",
        "ArgumentsStrength": "full",
        "ResultSignature": "r",
        "ResultStrength": "full",
        "Arguments": "{}",
        "Result": "",
        "InputTokens": -1,
        "OutputTokens": -1,
        "CostUsd": None,
        "PricesDate": "",
        "Outcome": "ok",
        "ErrorType": "",
        "CallId": "",
        "TraceId": "",
        "SpanId": "",
        "Id": f"t{at_s}",
        "at_s": at_s,
        "start_ns": int(at_s * S),
        "end_ns": int(at_s * S) + S // 2,
    }
    return row | changes


def of(names: str) -> list[dict[str, Any]]:
    return [step(name, at) for at, name in enumerate(names)]


def written(shown: list[dict[str, Any]]) -> str:
    """`a*3 (bc)*2`: what was folded, in short."""
    return " ".join(
        f"({''.join(one['name'] for one in s['steps'])})*{s['times']}"
        if s["kind"] == "cycle"
        else s["name"] + (f"*{s['times']}" if "times" in s else "")
        for s in shown
    )


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ("", ""),
        ("abc", "a b c"),
        ("aaa", "a*3"),
        ("abab", "(ab)*2"),
        ("xababab", "x (ab)*3"),
        ("abcabcabcd", "(abc)*3 d"),
        ("aabaab", "(aab)*2"),
        ("aaaabbb", "a*4 b*3"),
        ("abcdefabcdef", "(abcdef)*2"),
        ("abcdefgabcdefg", "a b c d e f g a b c d e f g"),
    ],
)
def test_a_cycle_of_up_to_six_is_folded(names: str, shown: str) -> None:
    assert written(fold(of(names))) == shown


@given(st.text(alphabet="abc", max_size=60))
def test_folding_loses_and_invents_no_step(names: str) -> None:
    unfolded = ""
    for one in fold(of(names)):
        block = "".join(s["name"] for s in one["steps"]) if one["kind"] == "cycle" else one["name"]
        unfolded += block * one.get("times", 1)
    assert unfolded == names


def test_equal_calls_with_another_outcome_or_other_arguments_are_not_folded() -> None:
    steps = [step("a", 0), step("a", 1, Outcome="error"), step("a", 2), step("a", 3, ArgumentsSignature="b")]
    assert written(fold(steps)) == "a a a a"


def test_repeats_tell_how_many_results_differed_and_add_up_time() -> None:
    (shown,) = fold([step("a", at, ResultSignature=signature) for at, signature in enumerate("rrs")])
    assert (shown["times"], shown["distinct_results"], shown["duration_s"]) == (3, 2, 1.5)
    (hidden,) = fold([step("a", at, ResultSignature="", ResultStrength="name") for at in range(3)])
    assert hidden["distinct_results"] is None


def test_model_calls_that_repeat_add_up_tokens_and_cost_as_far_as_known() -> None:
    model = {"Fact": "model", "InputTokens": 10, "OutputTokens": 1, "CostUsd": 0.5}
    (shown,) = fold([step("m", 0, **model), step("m", 1, **model), step("m", 2, **model | {"CostUsd": None})])
    assert (shown["tokens"], shown["cost_usd"]) == ({"input": 30, "output": 3}, 1.0)


def test_a_long_silence_is_told() -> None:
    shown = fold([step("a", 0), step("b", 30), step("c", 200)])
    assert [one.get("idle_before_s") for one in shown] == [None, None, 169.5]


def test_turns_begin_where_the_turn_changes_and_calls_without_one_stay_with_the_last() -> None:
    steps = [
        step("x", 0),
        step("a", 1, TurnId="p1"),
        step("b", 2),
        step("c", 3, TurnId="p2"),
        step("d", 4, TurnId="p2"),
    ]
    assert [(turn.turn_id, written(fold(turn.steps))) for turn in turns(steps)] == [
        ("", "x"),
        ("p1", "a b"),
        ("p2", "c d"),
    ]
    assert turns([]) == []


def test_an_estimated_cost_says_of_which_date_the_prices_are() -> None:
    model = {"Fact": "model", "InputTokens": 10, "OutputTokens": 1, "CostUsd": 0.5}
    told, estimated = step("m", 0, **model), step("m", 1, **model, PricesDate="2026-11")
    (shown,) = fold([told, estimated])
    assert (shown["cost_usd"], shown["cost_estimated_from_prices_of"]) == (1.0, "2026-11")
    (shown,) = fold([told])
    assert "cost_estimated_from_prices_of" not in shown
