"""`telltale rules`: what runs and with which parameters, and the tests that rules carry inside."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cli.exits import FAILED, FINE, USAGE, CliError
from cli.render import printable

if TYPE_CHECKING:
    from detectors.rule_tests import RuleTestResult
    from detectors.rules import Rule, RuleSet

HELP: Final = """\
Show the rules, or run the tests that stand inside them.

\b
Examples:
  telltale rules list                       the rules that come with Telltale
  telltale rules list latency_regression    one rule in full
  telltale rules test --rules my-rules/     the tests inside your own rules
  telltale rules tool jira_create --tools my-tools.toml    how calls of a tool are read

A rule is one TOML file: detector, parameters, runbook, known false positives and tests. Its `mode` is `enabled`,
`shadow` (findings are recorded and marked, never alerted) or `disabled`.
"""
EPILOG: Final = "Exit status: 0 fine, 1 a test failed or there is no such rule, 64 wrong usage or a bad rule file."
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group(help=HELP, epilog=EPILOG, short_help="What the rules are; run their own tests.")
def rules() -> None:
    """See HELP."""


@rules.command("list", epilog=EPILOG)
@click.argument("name", required=False)
@click.option("--rules", "folder", type=_FOLDER, help="Other rules (*.toml).")
def list_rules(name: str | None, folder: Path | None) -> int:
    r"""Explain the rules; with a NAME, one of them in full.

    \b
    Examples:
      telltale rules list
      telltale rules list error_spike --rules my-rules/
    """
    known = _load(folder)
    if name is None:
        click.echo("\n".join(_overview(known)))
        return FINE
    for rule in known.rules:
        if rule.name == name:
            click.echo("\n".join(_in_full(rule)))
            return FINE
    names = ", ".join(rule.name for rule in known.rules)
    raise CliError(f"there is no rule {name!r}", FAILED, hint=f"there are: {printable(names)}")


@rules.command("tool", epilog=EPILOG)
@click.argument("name")
@click.option("--rules", "folder", type=_FOLDER, help="Other rules (*.toml).")
@click.option("--tools", type=_FILE, help="Your tools (TOML), as the setting tools_file names them.")
def tool(name: str, folder: Path | None, tools: Path | None) -> int:
    r"""Say how calls of the tool NAME are read: whether it changes things, polls, acknowledges.

    \b
    Examples:
      telltale rules tool Edit
      telltale rules tool mcp__jira__create_issue --tools my-tools.toml
    """
    policies = _load(folder, tools).policies
    read = policies.of(name)._asdict()
    guessed = read.pop("guessed")
    told = [field for field, value in read.items() if value is True]
    click.echo(f"{printable(name)}: {', '.join(told) or 'nothing special'}")
    if read["volatile"]:
        click.echo(f"  left out of its results: {', '.join(map(printable, read['volatile']))}")
    if read["edits_by"]:
        click.echo(
            f"  changes things where its command, action or method is: {', '.join(map(printable, read['edits_by']))}"
        )
    click.echo(f"  by its {'words: name it in a tools file to say otherwise' if guessed else 'name'}")
    return FINE


@rules.command("test", epilog=EPILOG)
@click.option("--rules", "folder", type=_FOLDER, help="Other rules (*.toml).")
def test_rules(folder: Path | None) -> int:
    r"""Run the tests inside the rules and say which failed.

    \b
    Examples:
      telltale rules test
      telltale rules test --rules my-rules/
    """
    from detectors.rule_tests import run_rule_tests  # noqa: PLC0415 - help need not wait for the detectors
    from schemas.errors import RuleError  # noqa: PLC0415

    known, failed, passed = _load(folder), 0, 0
    for rule in known.rules:
        try:
            results = run_rule_tests(rule, known.policies)
        except RuleError as error:
            raise CliError(str(error), USAGE) from error
        click.echo("\n".join(_results(rule, results)))
        failed += sum(not one.passed for one in results)
        passed += sum(one.passed for one in results)
    click.echo(f"{passed} passed, {failed} failed")
    return FAILED if failed else FINE


def _load(folder: Path | None, tools: Path | None = None) -> RuleSet:
    from pipeline.assembly import rule_set  # noqa: PLC0415 - help need not wait for the detectors
    from schemas.errors import RuleError  # noqa: PLC0415

    try:
        return rule_set(folder, str(tools) if tools else "")
    except RuleError as error:
        raise CliError(str(error), USAGE) from error


def _overview(known: RuleSet) -> list[str]:
    width = max((len(rule.name) for rule in known.rules), default=0)
    lines = [
        f"{printable(rule.name):{width}}  {rule.mode:8}  {len(rule.tests):2} tests  "
        f"{printable(_one_line(rule.description).split('. ')[0])}"
        for rule in known.rules
    ]
    return [*lines, "", "in full: telltale rules list NAME"]


def _in_full(rule: Rule) -> list[str]:
    lines = [f"{printable(rule.name)} ({printable(rule.file)}), {rule.mode}", ""]
    lines += [printable(_one_line(rule.description)), "", "parameters"]
    parameters = {field.name: getattr(rule.parameters, field.name) for field in dataclasses.fields(rule.parameters)}
    width = max(map(len, parameters))
    lines += [f"  {key:{width}}  {_value(value)}" for key, value in parameters.items()]
    lines += ["", "runbook", f"  {printable(_one_line(rule.runbook))}"]
    if rule.false_positives:
        lines += ["", "known false positives", *(f"  - {printable(_one_line(one))}" for one in rule.false_positives)]
    return [*lines, "", "tests", *(f"  - {printable(test.name)}" for test in rule.tests)]


def _results(rule: Rule, results: tuple[RuleTestResult, ...]) -> list[str]:
    lines = [printable(rule.name)]
    for one in results:
        lines.append(f"  {'ok  ' if one.passed else 'FAIL'}  {printable(one.test)}")
        if not one.passed:
            lines.append(f"        {printable(one.message)}")
    return lines


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _value(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)
