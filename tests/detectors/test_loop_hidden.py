"""Loops whose results nobody sees: what the tool, its sizes and the calls around it say instead."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.facts import SessionFact, size_of, size_signature
from tests.detectors.conformance.laws import LOOP, SECOND_NS, START_NS, fold, numbered, tool_call


def hidden(size: int) -> dict[str, str]:
    """A call of whose result only the size is known."""
    return {"result": "", "result_signature": size_signature(size), "result_strength": "size"}


def unseen() -> dict[str, str]:
    """A call of whose result nothing is known."""
    return {"result": "", "result_signature": "", "result_strength": "name"}


def severity(events: list[Any]) -> str:
    """The highest severity reached, `none` where nothing was said."""
    found = fold(LOOP, events)[1]
    return max((f.severity for f in found), key=["suspect", "warning", "critical"].index, default="none")


def rounds(turns: list[list[str]], **given: Any) -> list[SessionFact]:
    """Calls `tool:arguments`, those of one list asked for together."""
    facts: list[SessionFact] = []
    for turn, calls in enumerate(turns):
        for at, what in enumerate(calls):
            tool, arguments = what.split(":")
            facts.append(
                tool_call(
                    tool_name=tool, arguments_signature=arguments, round_id=f"r{turn}", span_id=f"s{turn}-{at}",
                    start_time_unix_nano=START_NS + turn * 4 * SECOND_NS + at, **given,
                )
            )  # fmt: skip
    return facts


@pytest.mark.parametrize(
    ("tool", "size", "first_warning"),
    [
        pytest.param("read_file", 40, 4, id="a file answers the same until it is edited"),
        pytest.param("lookup", 4000, 5, id="long texts are hardly ever equal in size by chance"),
        pytest.param("lookup", 40, 7, id="short ones often are"),
    ],
)
def test_what_is_known_of_a_hidden_result_says_how_many_repeats_it_takes(
    tool: str, size: int, first_warning: int
) -> None:
    given = {"tool_name": tool, **hidden(size)}
    assert severity([*numbered(first_warning - 1, **given)]) == "suspect"
    assert severity([*numbered(first_warning, **given)]) == "warning"


@pytest.mark.parametrize(
    "tool", ["task_list", "get_messages", "TaskList", "read_lints", "next_page", "mcp__ci__builds"]
)
def test_reading_what_others_change_is_never_more_than_suspect_while_its_answers_are_hidden(tool: str) -> None:
    assert severity([*numbered(100, tool_name=tool, **hidden(15))]) == "suspect"


def test_the_same_tool_is_judged_as_any_other_where_its_answers_are_seen() -> None:
    assert severity([*numbered(4, tool_name="task_list", result="nothing to be done here")]) == "warning"


def test_a_call_whose_size_has_changed_is_not_known_to_be_the_same_now() -> None:
    sizes = [14, 14, 14, *[15] * 20]
    events = [
        call._replace(result_signature=size_signature(size))
        for call, size in zip(numbered(23, tool_name="lookup", **hidden(14)), sizes, strict=True)
    ]
    assert severity([*events]) == "suspect"


def test_a_file_read_in_each_of_four_turns_is_a_loop_although_other_calls_stand_beside_it() -> None:
    assert severity(rounds([["read:a", f"read:x{i}"] for i in range(4)], **unseen())) == "warning"


def test_files_of_whose_content_nothing_is_known_may_be_read_again_later() -> None:
    scattered = [["read:a"], ["read:b"], ["read:a"], ["read:b"], ["read:c"], ["read:a"], ["read:b"], ["read:a"]]
    assert severity(rounds(scattered, **unseen())) == "none"


def test_asking_how_it_goes_while_doing_one_other_thing_is_no_cycle_of_several_calls() -> None:
    assert severity(rounds([["task_list:a", "work:b"]] * 4, **hidden(14))) == "suspect"
    assert severity(rounds([["read:a", "work:b"]] * 4, **hidden(14))) == "warning"


def test_a_size_is_its_own_signature() -> None:
    assert size_of(size_signature(1234)) == 1234
    for text in ("", "size:", "size:x", "size:-4", "1234", "ab" * 16, "size:" + "9" * 40):
        assert size_of(text) == -1
