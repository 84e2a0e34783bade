"""Rules: a detector with its parameters, runbook and tests, one TOML file each; and how a set of files is read.

Reading files is the caller's: here texts come in and rules come out.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from detectors.loops import policies
from detectors.loops.parameters import LoopParameters
from detectors.loops.policies import ToolPolicies
from detectors.parameters import read
from detectors.retries.parameters import RetryParameters
from detectors.series.parameters import CostParameters, ErrorParameters, LatencyParameters, TokenParameters
from schemas.errors import RuleError
from schemas.finding import Kind

Mode = Literal["enabled", "shadow", "disabled"]
"""`shadow`: its findings are recorded as `suspect`, so never alerted; `disabled`: it does not run."""

MODES: Final = ("enabled", "shadow", "disabled")
PARAMETERS: Final[dict[str, type]] = {
    "tool_call_loop": LoopParameters,
    "retried_failure": RetryParameters,
    "latency_regression": LatencyParameters,
    "error_spike": ErrorParameters,
    "token_surge": TokenParameters,
    "cost_surge": CostParameters,
}
"""Detector -> what its rules may set."""

_TEXTS: Final = ("name", "kind", "detector", "description", "runbook")
_KEYS: Final = frozenset({*_TEXTS, "mode", "false_positives", "parameters", "tests"})
_TEST_KEYS: Final = frozenset({"name", "events", "expect"})


@dataclass(frozen=True, slots=True)
class RuleTest:
    """One test inside a rule: a script of events and what must come of them. See `detectors.rule_tests`."""

    name: str
    events: tuple[Mapping[str, Any], ...]
    expect: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, checked."""

    name: str
    kind: Kind
    """The finding's kind; the same words as `detector`."""
    detector: str
    description: str
    runbook: str
    """What to do about a finding."""
    false_positives: tuple[str, ...]
    mode: Mode
    parameters: Any
    """One of the kinds of `PARAMETERS`."""
    tests: tuple[RuleTest, ...]
    file: str


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules in order of name, and what is known of tools."""

    rules: tuple[Rule, ...]
    policies: ToolPolicies = field(default_factory=ToolPolicies)


def load_rules(files: Mapping[str, str]) -> RuleSet:
    """The rules of a directory: file name -> text. A file whose `kind` is `tool_policies` tells of tools instead.

    Raises:
        RuleError: naming file, key and reason; nothing of the set is to be used then.
    """
    known = ToolPolicies()
    rules: dict[str, Rule] = {}
    for file in sorted(files):
        table = _table(file, files[file])
        if table.get("kind") == policies.KIND:
            policies.add(known, table, file)
            continue
        rule = _rule(file, table)
        if rule.name in rules:
            raise RuleError(f"{file}: name: {rule.name!r} is also the rule of {rules[rule.name].file}")
        rules[rule.name] = rule
    return RuleSet(tuple(rules[name] for name in sorted(rules)), known)


def _table(file: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{file}: not TOML: {error}") from error


def _rule(file: str, table: Mapping[str, Any]) -> Rule:
    unknown = set(table) - _KEYS
    if unknown:
        raise RuleError(f"{file}: {min(unknown)}: not a key of a rule; known are {', '.join(sorted(_KEYS))}")
    texts = {key: _text(table.get(key), f"{file}: {key}") for key in _TEXTS}
    if texts["detector"] not in PARAMETERS:
        raise RuleError(f"{file}: detector: {texts['detector']!r} is none of {', '.join(PARAMETERS)}")
    if texts["kind"] != texts["detector"]:
        raise RuleError(f"{file}: kind: must be {texts['detector']!r}, what the detector finds")
    mode = table.get("mode", "enabled")
    if mode not in MODES:
        raise RuleError(f"{file}: mode: must be one of {', '.join(MODES)}")
    doubts = table.get("false_positives", [])
    if not isinstance(doubts, list):
        raise RuleError(f"{file}: false_positives: must be a list of sentences")
    return Rule(
        **texts,  # type: ignore[arg-type]  # `kind` is a key of PARAMETERS
        false_positives=tuple(_text(d, f"{file}: false_positives") for d in doubts),
        mode=mode,
        parameters=read(PARAMETERS[texts["detector"]], table.get("parameters", {}), file=file, key="parameters"),
        tests=_tests(file, table.get("tests", [])),
        file=file,
    )


def _tests(file: str, entries: Any) -> tuple[RuleTest, ...]:
    if not isinstance(entries, list):
        raise RuleError(f"{file}: tests: must be an array of tables")
    found = []
    for index, entry in enumerate(entries):
        where = f"{file}: tests[{index}]"
        if not isinstance(entry, dict) or set(entry) != _TEST_KEYS:
            raise RuleError(f"{where}: must have name, events and expect, nothing else")
        events = entry["events"]
        if not isinstance(events, list) or not events or not all(isinstance(e, dict) for e in events):
            raise RuleError(f"{where}.events: must be a list of tables")
        if not isinstance(entry["expect"], dict):
            raise RuleError(f"{where}.expect: must be a table")
        found.append(RuleTest(_text(entry["name"], f"{where}.name"), tuple(events), entry["expect"]))
    return tuple(found)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise RuleError(f"{where}: must be a text")
    return value.strip()
