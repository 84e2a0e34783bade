"""A command for each task of `query.tasks`: its options are the task's parameters, its JSON is the API's."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import click
from click.core import ParameterSource

from cli import render
from cli.client import JSON, Answered, ask, errors_as, json_option, url_option
from cli.exits import MEANING
from query.parameters import Parameter
from query.tasks import BY_NAME, Task

Lines = Callable[[dict[str, Any]], list[str]]


class Verdict(NamedTuple):
    """What an answer says by the exit status."""

    status: Callable[[dict[str, Any]], int]
    meaning: str
    """What the exit statuses mean."""
    always: bool = True
    """Without `--exit-code`, too."""


class ForPrograms(NamedTuple):
    """`--json` in another form of the API than people read."""

    asked: dict[str, Any]
    """What is asked for where an option was not given."""
    accept: str
    """Media type of the answer."""
    more: str
    """What is said beside an answer that is not all."""


AS_PEOPLE: Final = ForPrograms({}, JSON, "")


METAVARS: Final = {"moment": "TIME", "texts": "FILTER"}


def reading_command(
    task_name: str,
    lines: Lines,
    verdict: Verdict | None = None,
    more: Sequence[click.Parameter] = (),
    for_programs: ForPrograms = AS_PEOPLE,
) -> click.Command:
    """The command of a task.

    Args:
        task_name: One of `query.tasks`.
        lines: The answer as text for people.
        verdict: How an answer ends the process; None: with 0, as all do where it needs `--exit-code` and has none.
        more: Further options; their values are for a callback of their own.
        for_programs: The form of `--json`.
    """
    task = BY_NAME[task_name]

    def run(as_json: bool, url: str, exit_code: bool = True, **given: Any) -> int:
        form = for_programs if as_json else AS_PEOPLE
        given |= {name: value for name, value in form.asked.items() if given.get(name) is None}
        answered = _asked(task, url, given, as_json, form.accept)
        show(answered, as_json, lines)
        if form.more and answered.answer["truncated"]:
            click.echo(form.more, err=True)
        return verdict.status(answered.answer) if verdict and exit_code else 0

    parameters: list[click.Parameter] = [_option(p) for p in task.parameters]
    if verdict and not verdict.always:
        parameters.append(click.Option(["--exit-code"], is_flag=True, help="End with a status that tells the answer."))
    command = click.Command(
        task.name,
        callback=run,
        params=[*parameters, *more],
        help=help_of(task),
        short_help=task.summary,
        epilog=verdict.meaning if verdict else MEANING,
    )
    return url_option(json_option(command))


def show(answered: Answered, as_json: bool, lines: Lines) -> None:
    """Print an answer: as the API gave it, or for people."""
    if as_json:
        for line in answered.content.splitlines():
            click.echo(line)
    else:
        click.echo("\n".join([*lines(answered.answer), *render.footer(answered.answer, _elsewhere())]))


def _elsewhere() -> str:
    """What a command to be run next needs besides: the address, where it was given to this one as an option."""
    context = click.get_current_context(silent=True)
    if context is None or context.get_parameter_source("url") != ParameterSource.COMMANDLINE:
        return ""
    return f" --url {shlex.quote(context.params['url'])}"


def help_of(task: Task) -> str:
    """Help with examples."""
    examples = "\n".join(f"  {example}" for example in task.examples)
    return f"{task.summary}\n\n{task.doc}\n\n\b\nExamples:\n{examples}\n"


def _asked(task: Task, url: str, given: dict[str, Any], as_json: bool, accept: str) -> Answered:
    listed = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    with errors_as(as_json):
        return ask(url, task, {name: value for name, value in listed.items() if value not in (None, [])}, accept)


def _option(parameter: Parameter) -> click.Parameter:
    kinds: dict[str, Any] = {
        "integer": click.IntRange(parameter.low, parameter.high),
        "choice": click.Choice(parameter.choices),
    }
    kind = kinds.get(parameter.kind, click.STRING)
    if parameter.identity or parameter.required:
        metavar = "'SELECT ...'" if parameter.name == "sql" else parameter.name.upper()
        metavar = metavar if parameter.required else f"[{metavar}]"
        return click.Argument([parameter.name], required=parameter.required, metavar=metavar)
    doc = parameter.doc if parameter.default is None else f"{parameter.doc} Default: {parameter.default}."
    return click.Option(
        [f"--{parameter.name.replace('_', '-')}", parameter.name],
        type=None if parameter.kind == "flag" else kind,
        is_flag=parameter.kind == "flag",
        default=None,
        multiple=parameter.kind == "texts",
        metavar=METAVARS.get(parameter.kind),
        help=doc,
    )
