"""The commands that decide on a finding: `telltale ack`, `resolve` and `reopen`."""

from __future__ import annotations

import getpass
from typing import Any, Final

import click

from cli import render
from cli.client import errors_as, json_option, part, post, show_json, url_option
from cli.exits import MEANING
from query.tasks import Task

HELP: Final = """\
{summary} {doc}

FINDING_ID may be the beginning of an id that no other has. Who decided, when and why is kept and shown with the
finding.

\b
Example:
  {example}
"""


def deciding(task: Task) -> click.Command:
    """The command of a task of `query.feed.tasks` that decides."""
    text = HELP.format(summary=task.summary, doc=task.doc, example=task.examples[0])

    @click.command(task.name, help=text, short_help=task.summary, epilog=MEANING)
    @click.argument("finding_id")
    @click.option("--reason", required=True, metavar="TEXT", help="Why: one line for whoever reads it later.")
    @click.option("--who", default=_user, metavar="NAME", help="Who decides; default: the name of the user.")
    @json_option
    @url_option
    def decide(finding_id: str, reason: str, who: str, as_json: bool, url: str) -> None:
        with errors_as(as_json):
            answer = post(url, f"/v1/findings/{part(finding_id)}/{task.name}", {"reason": reason, "who": who})
        if as_json:
            show_json(answer)
        else:
            click.echo(_line(answer))

    return decide


def _line(answer: dict[str, Any]) -> str:
    return f"{render.printable(answer['finding_id'])} is {answer['state']}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container whose user has no name
        return "somebody"
