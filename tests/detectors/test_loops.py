"""What is a loop and what only looks like one."""

from __future__ import annotations

import math
from typing import Any

import pytest

from detectors.loops import calls as entries
from schemas.facts import SessionFact
from schemas.finding import Finding
from tests.detectors.conformance.laws import (
    LOOP,
    SECOND_NS,
    START_NS,
    fold,
    marker,
    model_call,
    numbered,
    tool_call,
)

MINUTE_NS = 60 * SECOND_NS


def last(events: list[Any]) -> Finding:
    return fold(LOOP, events)[1][-1]


def calls(*steps: str, **given: Any) -> list[SessionFact]:
    """Calls named `tool:arguments:result`, two seconds apart."""
    facts: list[SessionFact] = []
    for i, what in enumerate(steps):
        tool, arguments, result = what.split(":")
        facts.append(
            tool_call(
                tool_name=tool, arguments_signature=arguments, arguments=arguments, result_signature=result,
                result=f"the result is {result}", start_time_unix_nano=START_NS + i * 2 * SECOND_NS, span_id=f"s{i}",
                **given,
            )
        )  # fmt: skip
    return facts


@pytest.mark.parametrize("period", [1, 2, 3, 4, 5])
def test_a_cycle_of_up_to_five_calls_is_told_by_its_fourth_pass(period: int) -> None:
    cycle = [f"read:file{i}:content{i}" for i in range(period)]
    found = fold(LOOP, calls(*cycle * 4))[1]
    assert found[-1].severity == "warning"
    assert len({f.id for f in found}) == 1


def test_the_sentence_says_what_repeated_and_how_it_failed() -> None:
    failing = numbered(
        8,
        tool_name="run_command",
        arguments='{"command": "node x"}',
        result="Error: cannot find `x`\n",
        outcome="error",
    )
    assert last([*failing]).why == (
        '`run_command` was called 8 times with the same arguments (`{"command": "node x"}`) and failed the same way'
        " each time (`Error: cannot find 'x'`)."
    )


def test_a_finding_grows_by_one_revision_a_pass_and_keeps_first_and_last_evidence() -> None:
    found = fold(LOOP, numbered(40))[1]
    assert [f.count for f in found] == list(range(3, 41))
    assert [f.revision for f in found] == list(range(1, 39))
    shown = [e.span_id for e in found[-1].evidence]
    assert len(shown) == 20
    assert (shown[0], shown[-1]) == ("span0", "span39")


def test_severity_is_reached_at_the_end_of_the_call_that_reached_it() -> None:
    found = fold(LOOP, numbered(5))[1]
    fourth_ends = START_NS + 3 * 2 * SECOND_NS + SECOND_NS // 4
    assert [f.detected_at_unix_nano for f in found if f.severity == "warning"] == [fourth_ends, fourth_ends]


def test_waste_is_all_but_the_first_pass() -> None:
    events: list[SessionFact] = []
    for i, call in enumerate(numbered(4)):
        events += [model_call(call.start_time_unix_nano - SECOND_NS, cost_usd=0.5 if i else math.nan), call]
    finding = last(events)
    assert finding.wasted_tokens == 3 * 1050
    assert finding.wasted_cost_usd == pytest.approx(1.5)
    assert finding.wasted_duration_s == pytest.approx(3 * 1.25)


def test_waste_that_nobody_sent_is_not_known() -> None:
    finding = last([*numbered(4)])
    assert finding.wasted_tokens == -1
    assert math.isnan(finding.wasted_cost_usd)


def test_a_second_loop_in_the_session_is_one_step_more_severe() -> None:
    events = calls(*["search:auth:guide"] * 3, *["read:auth:guide2"] * 3)
    found = fold(LOOP, events)[1]
    assert [(f.tool, f.severity) for f in found] == [("search", "suspect"), ("read", "warning")]


def test_scattered_repeats_count_within_twenty_calls() -> None:
    others = iter(range(100))
    near = [w for _ in range(4) for w in ("read:a:ra", *(f"read:x{next(others)}:y{next(others)}" for _ in range(4)))]
    far = [w for _ in range(4) for w in ("read:a:ra", *(f"read:x{next(others)}:y{next(others)}" for _ in range(8)))]
    assert last(calls(*near)).severity == "warning"
    assert fold(LOOP, calls(*far))[1] == []


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([f"status:s:v{i}" for i in range(20)], id="polling whose answer changes"),
        pytest.param(
            ["read:a:r", "read:a:r", "read:a:changed", "read:a:r", "read:a:r"], id="a changed result begins anew"
        ),
        pytest.param([w for i in range(6) for w in ("bash:test:fail", f"Edit:e{i}:ok")], id="edit and run again"),
        pytest.param(["read:a:r", "read:a:r", "Edit:e:ok", "read:a:r", "read:a:r"], id="read again after an edit"),
        pytest.param([f"grep:q{i}:none" for i in range(4)], id="other questions"),
        pytest.param(["final_answer:a:ok"] * 10, id="the final answer"),
    ],
)
def test_look_alikes_are_quiet(steps: list[str]) -> None:
    findings = fold(LOOP, calls(*steps))[1]
    assert [f for f in findings if f.severity != "suspect"] == []


def test_an_edit_that_was_made_before_changes_nothing() -> None:
    events = calls(*["write_file:same:ok", "bash:test:fail"] * 5)
    assert last(events).severity in {"warning", "critical"}


def test_a_shell_command_that_writes_is_an_edit() -> None:
    writing = [f"bash:sed -i s/a/{i}/ x.py:ok" for i in range(5)]
    assert fold(LOOP, calls(*[w for edit in writing for w in ("bash:pytest:fail", edit)]))[1] == []


def test_parallel_equal_calls_count_once_by_round_and_by_time() -> None:
    by_round = numbered(6, round_id="r1")
    by_time = [
        call._replace(start_time_unix_nano=START_NS + i, duration_ns=SECOND_NS) for i, call in enumerate(numbered(6))
    ]
    assert fold(LOOP, [*by_round])[1] == []
    assert fold(LOOP, [*by_time])[1] == []


def test_rounds_that_equal_each_other_in_any_order_are_a_cycle() -> None:
    rounds = [("a", "b", "c"), ("c", "a", "b"), ("b", "c", "a"), ("a", "c", "b")]
    events = [
        tool_call(
            arguments_signature=what, result_signature="", result_strength="name", round_id=f"r{turn}",
            start_time_unix_nano=START_NS + turn * 2 * SECOND_NS + at, span_id=f"{turn}{what}",
        )
        for turn, steps in enumerate(rounds) for at, what in enumerate(steps)
    ]  # fmt: skip
    finding = last([*events])
    assert (finding.severity, finding.count, finding.confidence) == ("warning", 4, "name")


def test_agents_of_a_session_are_kept_apart() -> None:
    main = numbered(3, arguments_signature="m", spans="main")
    sub = numbered(3, arguments_signature="x", agent_name="helper", spans="sub", start=START_NS + SECOND_NS)
    mixed = [call for pair in zip(main, sub, strict=True) for call in pair]
    found = fold(LOOP, [*mixed])[1]
    assert {(f.agent_name, f.count) for f in found} == {("", 3), ("helper", 3)}


@pytest.mark.parametrize(("repeats", "severity"), [(6, "suspect"), (9, "suspect"), (10, "warning"), (30, "critical")])
def test_waiting_stays_suspect_until_it_goes_on_for_long(repeats: int, severity: str) -> None:
    assert last([*numbered(repeats, tool_name="lookup", result="id 7, state: pending")]).severity == severity


@pytest.mark.parametrize(
    ("given", "repeats", "severity"),
    [
        ({"result_strength": "size"}, 6, "suspect"),
        ({"result_strength": "size"}, 7, "warning"),
        ({"result_strength": "size", "arguments_strength": "size"}, 13, "suspect"),
        ({"result_strength": "size", "arguments_strength": "size"}, 14, "warning"),
        (
            {"result_strength": "name", "result_signature": "", "outcome": "error", "error_type": "ShellError"},
            4,
            "warning",
        ),
    ],
)
def test_weaker_signatures_need_more_repeats(given: dict[str, str], repeats: int, severity: str) -> None:
    finding = last([*numbered(repeats, result="", **given)])
    assert (finding.severity, finding.confidence) == (severity, given["result_strength"])


def test_missing_is_never_equal() -> None:
    hidden = {
        "arguments_signature": "",
        "arguments_strength": "name",
        "result_signature": "",
        "result_strength": "name",
    }
    assert fold(LOOP, [*numbered(60, result="", arguments="", **hidden)])[1] == []
    unsigned = {"arguments_signature": "", "arguments_strength": "full"}
    assert fold(LOOP, [*numbered(60, **unsigned)])[1] == []


def test_the_same_call_failing_in_other_words_each_time() -> None:
    texts = ["not there", "still failing somehow", "another failure", "not there"]
    events = [
        call._replace(result=text, result_signature=text, outcome="error")
        for call, text in zip(numbered(4), texts, strict=True)
    ]
    assert last([*events]).severity == "warning"


def test_a_message_that_is_sent_again_and_again_is_a_loop_although_its_answer_is_new() -> None:
    events = [
        call._replace(result_signature=f"id{i}", result=f'{{"messageId": "{i}"}}')
        for i, call in enumerate(numbered(5, tool_name="message"))
    ]
    assert last([*events]).severity == "warning"


def test_volatile_fields_are_left_out_for_the_tools_that_are_known_to_have_them() -> None:
    def results(tool: str) -> list[SessionFact]:
        return [
            call._replace(result_signature=f"r{i}", result=f'{{"durationMs": {i}, "output": "the same old output"}}')
            for i, call in enumerate(numbered(4, tool_name=tool, arguments="grafana.sh"))
        ]

    assert last(results("exec")).severity == "warning"
    assert fold(LOOP, results("progress_of_build"))[1] == []


def test_the_agents_own_verdict_is_a_finding_and_grows() -> None:
    at = START_NS + MINUTE_NS
    verdicts = [marker("verdict", at + i, detail="chanting", count=i + 1, span_id=f"v{i}") for i in range(2)]
    found = fold(LOOP, [*numbered(1), *verdicts])[1]
    assert [(f.severity, f.confidence, f.status) for f in found] == [
        ("warning", "agent", "open"),
        ("critical", "agent", "updated"),
    ]
    assert "`chanting`" in found[0].why


def test_the_agents_own_verdict_joins_the_loop_that_we_see() -> None:
    found = fold(LOOP, [*numbered(4), marker("verdict", START_NS + MINUTE_NS, detail="identical", count=1)])[1]
    assert len({f.id for f in found}) == 1
    assert found[-1].reason == "confirmed by the agent"
    assert found[-1].confidence == "full"


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ([marker("prompt", START_NS + MINUTE_NS)], "prompt"),
        ([marker("end", START_NS + MINUTE_NS)], "ended"),
        ([START_NS + 11 * MINUTE_NS], "quiet"),
        ([tool_call(tool_name="Edit", start_time_unix_nano=START_NS + MINUTE_NS, span_id="e")], "edited"),
        ([tool_call(result_signature="new", start_time_unix_nano=START_NS + MINUTE_NS, span_id="n")], "changed result"),
    ],
)
def test_a_loop_is_over_for_a_reason(after: list[Any], reason: str) -> None:
    finding = last([*numbered(4), *after])
    assert (finding.status, finding.reason) == ("resolved", reason)


def test_a_loop_that_comes_back_after_silence_is_reopened() -> None:
    later = numbered(1, start=START_NS + 12 * MINUTE_NS, spans="later")
    found = fold(LOOP, [*numbered(4), START_NS + 11 * MINUTE_NS, *later])[1]
    assert [(f.reason, f.count) for f in found[-2:]] == [("quiet", 4), ("reopened", 5)]
    assert len({f.id for f in found}) == 1


def test_the_wrapper_of_codex_code_mode_does_not_count() -> None:
    events: list[SessionFact] = []
    for i in range(4):
        at = START_NS + i * 4 * SECOND_NS
        events.append(
            tool_call(tool_name="exec_command", start_time_unix_nano=at, call_id=f"exec-{i}", dialect="codex")
        )
        events.append(
            tool_call(
                tool_name="exec",
                arguments_signature="js",
                arguments="await tools.exec_command({})",
                start_time_unix_nano=at - 1,
                call_id=f"w{i}",
                dialect="codex",
            )
        )
    finding = last(events)
    assert (finding.tool, finding.count, len(finding.evidence)) == ("exec_command", 4, 4)


def test_a_denied_call_asked_for_again_is_a_loop() -> None:
    assert last([*numbered(4, outcome="denied", result="rejected by policy")]).severity == "warning"


def test_no_two_flags_of_a_call_share_a_bit() -> None:
    flags = [
        entries.FAILED, entries.MUTATING, entries.WAITING, entries.ACKNOWLEDGED, entries.IGNORED, entries.WRAPPER,
        entries.MESSAGE, entries.HOOK, entries.ABSENT, entries.OBSERVING, entries.STABLE, entries.SIZED,
        entries.NO_EVIDENCE,
    ]  # fmt: skip
    assert sum(flags).bit_count() == len(flags) == len(set(flags))


def test_texts_that_calls_share_are_one_object_in_a_bounded_table() -> None:
    assert entries.shared("trace-" + "1" * 26) is entries.shared("trace-" + "1" * 26)
    bound = entries.shared.cache_info().maxsize
    assert bound is not None
    for number in range(bound + 100):
        entries.shared(f"trace-{number}")
    assert entries.shared.cache_info().currsize == bound


def test_wasted_money_that_is_estimated_is_said_to_be() -> None:
    events: list[Any] = []
    for at, call in enumerate(numbered(4, outcome="error")):
        asked = model_call(at, cost_usd=0.25, prices_date="2026-11" if at == 2 else "")
        events += [asked._replace(start_time_unix_nano=call.start_time_unix_nano - 1, duration_ns=0), call]
    found = last(events)
    assert found.wasted_cost_usd == pytest.approx(0.75)
    assert found.as_json()["cost_estimated_from_prices_of"] == "2026-11"


def test_wasted_money_that_agents_told_is_not_said_to_be_estimated() -> None:
    assert "cost_estimated_from_prices_of" not in last(numbered(4, outcome="error")).as_json()
