"""Rule files: what is refused and why, the rules' own tests, shadow."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from detectors.catalog import build
from detectors.loops.policies import parse
from detectors.rule_tests import run_rule_tests
from detectors.rules import Rule, load_rules
from schemas.errors import RuleError
from tests.detectors.conformance.laws import RULES, fold, numbered

FILES = {
    p.name: p.read_text(encoding="utf-8") for p in (Path(__file__).parents[2] / "detectors" / "rules").glob("*.toml")
}
ERRORS = FILES["error_spike.toml"]


@pytest.mark.parametrize("rule", RULES.rules, ids=lambda r: r.name)
def test_the_rules_own_tests_pass(rule: Rule) -> None:
    results = run_rule_tests(rule, RULES.policies)
    assert [r for r in results if not r.passed] == []
    kinds = {test.expect.get("severity") == "none" for test in rule.tests}
    assert kinds == {True, False}, "a rule has positive and negative tests"


@pytest.mark.parametrize("rule", RULES.rules, ids=lambda r: r.name)
def test_a_shipped_rule_states_what_the_code_has_as_default(rule: Rule) -> None:
    assert rule.parameters == type(rule.parameters)()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("kind =", "kind :="), "bad.toml: not TOML"),
        (('detector = "error_spike"', 'detector = "x"'), "bad.toml: detector: 'x' is none of"),
        (('kind = "error_spike"', 'kind = "latency_regression"'), "bad.toml: kind: must be 'error_spike'"),
        (("runbook =", "runbok ="), "bad.toml: runbok: not a key of a rule"),
        (("min_sessions = 5", 'min_sessions = "5"'), "bad.toml: parameters.min_sessions: must be a whole number"),
        (("min_sessions = 5", "min_sessions = 0"), "bad.toml: parameters.min_sessions: must be between 1 and 16"),
        (("min_increase = 0.05", "min_increase = nan"), "bad.toml: parameters.min_increase: must be between 0 and 1"),
        (("min_ratio = 1.5", "ratio = 1.5"), "bad.toml: parameters.ratio: not a parameter"),
        (('name = "error_spike"', 'name = "  "'), "bad.toml: name: must be a text"),
        (('name = "error_spike"', 'name = "error_spike"\nmode = "loud"'), "bad.toml: mode: must be one of"),
        (('name = "steady is quiet"', ""), "bad.toml: tests[0]: must have name, events and expect"),
    ],
)
def test_a_bad_rule_is_refused_with_file_key_and_reason(change: tuple[str, str], reason: str) -> None:
    bad = ERRORS.replace(*change, 1)
    assert bad != ERRORS
    with pytest.raises(RuleError) as refused:
        load_rules({"bad.toml": bad})
    assert str(refused.value).startswith(reason)


@pytest.mark.parametrize("row", ["[3, 4]", "[4, 3, 8]", "[3, 4, -1]", "3", "[3, 4, 8.0]"])
def test_a_bad_ladder_is_refused(row: str) -> None:
    bad = FILES["tool_call_loop.toml"].replace("full = [3, 4, 8]", f"full = {row}", 1)
    with pytest.raises(RuleError, match=r"bad\.toml: parameters\.full"):
        load_rules({"bad.toml": bad})


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(RuleError, match=r"two\.toml: name: 'error_spike' is also the rule of one\.toml"):
        load_rules({"one.toml": ERRORS, "two.toml": ERRORS})


def test_a_test_script_with_an_unknown_word_is_refused() -> None:
    rules = load_rules({"bad.toml": ERRORS.replace("per_minute", "per_hour", 1)})
    with pytest.raises(RuleError, match="per_hour: not known"):
        run_rule_tests(rules.rules[0], rules.policies)


def test_a_test_that_fails_says_what_was_expected_and_what_came() -> None:
    rules = load_rules({"one.toml": ERRORS.replace('severity = "none"', 'severity = "critical"', 1)})
    failed = [r for r in run_rule_tests(rules.rules[0], rules.policies) if not r.passed]
    assert [r.message for r in failed] == ["severity: expected critical, came none"]


def test_a_rule_in_shadow_is_recorded_and_never_alerted() -> None:
    loop = next(r for r in RULES.rules if r.name == "tool_call_loop")
    shadow = build(dataclasses.replace(RULES, rules=(dataclasses.replace(loop, mode="shadow"),)))
    found = fold(shadow.session[0], numbered(9))[1]
    assert {f.severity for f in found} == {"suspect"}
    assert found[-1].count == 9


def test_a_disabled_rule_does_not_run() -> None:
    off = dataclasses.replace(RULES, rules=tuple(dataclasses.replace(r, mode="disabled") for r in RULES.rules))
    assert build(off) == ((), (), ())


def test_a_tool_of_the_users_own_replaces_what_is_shipped() -> None:
    mine = 'kind = "tool_policies"\n[[tools]]\nnames = ["Bash"]\npolling = true\n'
    both = load_rules({**FILES, "zz_mine.toml": mine})
    assert both.policies.of("bash").polling
    assert both.policies.of("Edit").mutating


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("mcp__github__create_issue", "mutating"),
        ("createIssue", "mutating"),
        ("WaitForBuild", "polling"),
        ("send_invoice", "sends"),
        ("mcp__telltale__overview", "ignored"),
        ("mcp__files__Edit", "acknowledges"),
    ],
)
def test_tools_that_nobody_named_are_known_by_their_words(name: str, flag: str) -> None:
    assert getattr(RULES.policies.of(name), flag)


def test_words_inside_words_do_not_count() -> None:
    assert not RULES.policies.of("credit_report").mutating
    assert RULES.policies.commands("perform x") == set()
    assert RULES.policies.commands("cd a && rm -r b && sleep 3") == {"shell_mutations", "shell_waits"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('kind = "tool_policies"\nx = 1', "p: x: not a key"),
        ('kind = "tool_policies"\n[[tools]]\nnames = []', r"p: tools\[0\]\.names: must be a list"),
        ('kind = "tool_policies"\n[[tools]]\nnames = ["a"]\nshell = 1', r"p: tools\[0\]\.shell: must be true or false"),
        ('kind = "tool_policies"\n[words]\nverbs = ["a"]', r"p: words\.verbs: not known"),
    ],
)
def test_bad_tool_policies_are_refused(text: str, reason: str) -> None:
    with pytest.raises(RuleError, match=reason):
        parse({"p": text})
