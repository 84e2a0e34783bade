"""The entry point: `telltale COMMAND`. Commands are imported when they are needed, so that help is quick."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from typing import Final

import click

from cli.exits import INTERRUPTED, MEANING, USAGE, CliError

COMMANDS: Final = (
    "up",
    "receiver",
    "worker",
    "api",
    "migrate",
    "check",
    "dead-letters",
    "replay",
    "overview",
    "findings",
    "ack",
    "resolve",
    "reopen",
    "session",
    "trace",
    "calls",
    "series",
    "compare",
    "assert",
    "sql",
    "schema",
    "rules",
    "guard",
    "setup",
    "import",
    "mcp",
    "webhooks",
    "completion",
)
"""Each is the function of that name in the module `cli.NAME`; a name that Python keeps for itself gets a `_`,
as does a hyphen."""


class _ReaderGoneError(Exception):
    """Whoever read standard output has seen enough."""


class _Commands(click.Group):
    """Finds commands by the list above."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _ReaderGoneError from error  # click itself would make it a failure

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        plain = cmd_name.replace("-", "_")
        name = f"{plain}_" if iskeyword(plain) else plain
        module = import_module(f"cli.{name}")
        command: click.Command = getattr(module, name)
        return command


HELP: Final = """\
Find tool-call loops, latency regressions and error spikes of coding agents while they run.

\b
Start here:
  telltale up                       take OpenTelemetry data, print findings
  telltale overview                 what is wrong now
  telltale findings                 what was found
  telltale session SESSION_ID       what one session did
  telltale compare --service NAME   did its last version change anything
  telltale sql 'SELECT count() FROM tool_calls'
  telltale replay recorded.jsonl    judge recorded telemetry, with no server
  telltale rules list               the rules, and their own tests
"""


@click.group(
    cls=_Commands,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=MEANING,
)
@click.version_option(package_name="telltale", message="%(prog)s %(version)s")
def telltale() -> None:
    """See HELP."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit."""
    for stream in (sys.stdout, sys.stderr):
        # Names and texts come from telemetry: what the terminal cannot show must not end the command.
        getattr(stream, "reconfigure", lambda **_: None)(errors="backslashreplace")
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit status; see `cli.exits`.
    """
    try:
        status = telltale.main(arguments, prog_name="telltale", standalone_mode=False)
        sys.stdout.flush()
    except click.UsageError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except CliError as error:
        click.echo(f"telltale: {error}", err=True)
        if error.hint:
            click.echo(f"  {error.hint}", err=True)
        return error.status
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except (_ReaderGoneError, BrokenPipeError):
        # The reader has seen enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status if isinstance(status, int) else 0
