"""Calls that one answer of the model asked for, run one after the other, beside calls that were asked for in turn."""

from __future__ import annotations

import pytest

from schemas import signatures
from schemas.facts import SessionFact
from schemas.finding import SEVERITIES
from tests.detectors.conformance.laws import LOOP, SECOND_NS, START_NS, fold, model_call, tool_call

TOLD = ("warning", "critical")
WORK = "m a m b "
"""Two rounds, so that it is known that an answer begins each."""


def facts(plan: str, *, signal: str = "span") -> list[SessionFact]:
    """`m`: a model call of a second; `M`: one that goes on; `x`: the same failure each time; `x1`, `x2`: one failure of
    several calls; anything else: a call of its own. Two seconds apart, a tool call takes a quarter of one."""
    told: list[SessionFact] = []
    for place, one in enumerate(plan.split()):
        at = START_NS + place * 2 * SECOND_NS
        if one in ("m", "M"):
            told.append(model_call(at, duration_ns=SECOND_NS * (1 if one == "m" else 100)))
            continue
        why = "403 Forbidden: not with this token" if one[0] == "x" else f"what {one} says"
        told.append(
            tool_call(
                tool_name="fetch", arguments=one, arguments_signature=signatures.of_content(one, -1).value, result=why,
                result_signature=signatures.of_content(why, -1).value, start_time_unix_nano=at, span_id=f"s{place}",
                outcome="error" if one[0] == "x" else "ok", signal=signal,
            )
        )  # fmt: skip
    return told


def worst(plan: str, *, signal: str = "span") -> str:
    found = fold(LOOP, facts(plan, signal=signal))[1]
    return max((f.severity for f in found), key=SEVERITIES.index, default="none")


@pytest.mark.parametrize("asked", ["x x x x x", "x1 x2 x3 x4 x5"])
def test_what_one_answer_asked_for_counts_once(asked: str) -> None:
    assert worst(f"{WORK} m {asked} m c") == "none"
    assert worst(f"{WORK} m {' m '.join(asked.split())} m c") in TOLD


@pytest.mark.parametrize("round_", ["x x", "x1 x2"])
def test_answers_that_ask_for_the_same_again_are_a_loop(round_: str) -> None:
    assert worst(f"{WORK} m {round_} m {round_} m {round_} m {round_} m {round_}") in TOLD


@pytest.mark.parametrize(
    "before",
    ["", "a b ", "m a b ", "M a b c ", WORK + "c d m e M f g "],
    ids=["nothing", "no model call", "one model call", "a model call around all", "the last goes on beside it"],
)
def test_silence_says_nothing_where_not_every_round_began_with_an_answer(before: str) -> None:
    assert worst(f"{before} x x x x x") in TOLD


def test_more_calls_than_an_answer_asks_for_are_a_loop() -> None:
    assert worst(f"{WORK} m {'x ' * 8}") == "none"
    assert worst(f"{WORK} m {'x ' * 14}") in TOLD


def test_a_hook_does_not_wait_for_what_the_model_says() -> None:
    assert worst(f"{WORK} m x x x x x", signal="hook") in TOLD
