"""`telltale webhooks`: how far each webhook is, what was parked, and sending that again."""

from __future__ import annotations

from typing import Any, Final

import click
from click.core import ParameterSource

from cli import render
from cli.client import WHOLE, errors_as, get, json_option, part, post, show_json, url_option
from cli.exits import MEANING, USAGE, CliError

COMMANDLINE: Final = ParameterSource.COMMANDLINE
HELP: Final = """\
Webhooks: how far each is, and the deliveries that were given up (parked).

\b
Examples:
  telltale webhooks
  telltale webhooks list triage --json
  telltale webhooks replay triage                   # all that is parked, again
  telltale webhooks replay triage FINDING_ID

Webhooks are set up where Telltale runs, with `webhook_url` and `webhook_secret`, or a `notify_file`.
"""


@click.group(
    help=HELP, short_help="Webhooks: how far, what is parked, send again.", epilog=MEANING, invoke_without_command=True
)
@json_option
@url_option
@click.pass_context
def webhooks(context: click.Context, as_json: bool, url: str) -> None:
    """See HELP."""
    if context.invoked_subcommand is None:
        context.invoke(listing, name=None, as_json=as_json, url=url)
    elif given := [name for name in ("as_json", "url") if context.get_parameter_source(name) is COMMANDLINE]:
        options = " and ".join(f"--{name.removeprefix('as_')}" for name in given)
        raise CliError(f"write {options} after `webhooks {context.invoked_subcommand}`", USAGE)


@webhooks.command("list", short_help="How far each is, and what is parked.", epilog=MEANING)
@click.argument("name", required=False)
@json_option
@url_option
def listing(name: str | None, as_json: bool, url: str) -> None:
    """Show every webhook, or one, with the deliveries that were given up."""
    with errors_as(as_json):
        answer = get(url, f"/v1/webhooks/{part(name)}" if name else "/v1/webhooks", WHOLE)
    _show(answer, as_json, _lines(answer))


@webhooks.command("replay", short_help="Send what is parked again.", epilog=MEANING)
@click.argument("name")
@click.argument("finding_id", required=False)
@json_option
@url_option
def replay(name: str, finding_id: str | None, as_json: bool, url: str) -> None:
    """Send what is parked of a webhook again: all of it, or that of one finding."""
    with errors_as(as_json):
        answer = post(url, f"/v1/webhooks/{part(name)}/replay", {"finding_id": finding_id} if finding_id else {})
    _show(answer, as_json, [f"{answer['queued']} deliveries of {render.printable(name)} are sent again"])


def _lines(answer: dict[str, Any]) -> list[str]:
    if not answer["webhooks"]:
        return ["no webhook has ever been set up; see `telltale webhooks --help`"]
    names = ("webhook", "behind", "parked", "queued")
    lines = render.table(names, [[one[name] for name in names] for one in answer["webhooks"]])
    for one in answer["parked"]:
        what = f"{one['webhook']}  finding {one['finding_id']}  {one['state']} {render.moment(one['parked_at'])}"
        lines.append(f"{render.printable(what)}  after {one['attempts']} attempts: {render.cut(one['reason'], 200)}")
    return [*lines, *(f"next: {command}" for command in answer["next"])]


def _show(answer: dict[str, Any], as_json: bool, lines: list[str]) -> None:
    if as_json:
        show_json(answer)
    else:
        click.echo("\n".join(lines))
