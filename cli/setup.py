"""`telltale setup`: telemetry, MCP server and hooks in an agent's own settings."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.client import DEFAULT_URL
from cli.exits import FAILED
from cli.hook.agents import AGENTS, OTLP_URL

if TYPE_CHECKING:
    from cli.configure.agents import File, Target
    from cli.configure.files import Edit

HELP: Final = """\
Point an agent at the running Telltale: its telemetry, the MCP server and, with --guard, the hooks.

Without --write it only shows what would change. What stands in the files already is kept, comments of TOML included;
a backup is made first. A file that is not valid is left alone, and a value of somebody else's (such as an endpoint of
another collector) is not replaced unless --replace says so. Cursor exports no telemetry: it always gets the hooks.

\b
Examples:
  telltale setup claude-code
  telltale setup codex --guard --write
  telltale setup gemini --project . --write
  telltale setup cursor --url http://127.0.0.1:5320 --otlp-http http://127.0.0.1:5318
"""


@click.command(
    help=HELP,
    short_help="Point an agent here: telemetry, MCP, hooks.",
    epilog="Exit status: 0 shown or written, 1 a file was left alone, 64 wrong usage.",
)
@click.argument("agent", type=click.Choice(list(AGENTS)))
@click.option("--write", "writing", is_flag=True, help="Write it; else it is only shown.")
@click.option("--guard", is_flag=True, help="Add the hooks of `telltale guard`.")
@click.option("--block", is_flag=True, help="With --guard: hooks that refuse a repeated call.")
@click.option("--replace", is_flag=True, help="Replace values that somebody else put there.")
@click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Settings of this repository, not the user's.",
)
@click.option("--url", envvar="TELLTALE_URL", default=DEFAULT_URL, show_default=True, help="API of Telltale.")
@click.option("--otlp-http", default=OTLP_URL, show_default=True, help="Its OTLP over HTTP.")
@click.option("--otlp-grpc", default="http://127.0.0.1:4317", show_default=True, help="Its OTLP over gRPC.")
def setup(agent: str, writing: bool, guard: bool, block: bool, replace: bool, **given: Any) -> int:
    """See HELP."""
    from cli.configure.agents import SETUPS, Places, Target  # noqa: PLC0415 - tomlkit, which help need not wait for

    if block and not guard:
        raise click.UsageError("--block goes with --guard")
    for name in ("url", "otlp_http", "otlp_grpc"):
        if not given[name].startswith(("http://", "https://")):
            raise click.UsageError(f"--{name.replace('_', '-')} {given[name]!r}: write http://HOST:PORT")
    target = Target(_program(), given["url"].rstrip("/"), given["otlp_http"], given["otlp_grpc"], block)
    home = Path.home()
    places = Places(home, given["project"], Path(os.environ.get("CODEX_HOME") or home / ".codex"))
    if given["url"] != DEFAULT_URL and given["otlp_http"] == OTLP_URL:
        click.echo(
            f"telemetry is to go to {OTLP_URL}: name --otlp-http and --otlp-grpc where it listens elsewhere", err=True
        )
    planned = [_planned(file, replace=replace) for file in SETUPS[agent](target, places, guard)]
    if None in planned or (writing and not all(_written(one) for one in planned if one is not None)):
        return FAILED
    _say_what_next(agent, target, writing=writing, guard=guard)
    return 0


def _program() -> str:
    """How the agent finds this command: by its path, which holds without the environment of this shell."""
    found = shutil.which(sys.argv[0]) or shutil.which("telltale")
    return str(Path(found).absolute()) if found and Path(found).name.startswith("telltale") else "telltale"


def _planned(file: File, *, replace: bool) -> Edit | None:
    """Show what is to be done to a file; None where it has to be left alone."""
    from cli.configure.documents import TakenError, UnfitError  # noqa: PLC0415
    from cli.configure.files import edit  # noqa: PLC0415

    try:
        planned = edit(file, replace=replace)
    except TakenError as error:
        click.echo(f"telltale: {file.where} is left alone: {error}", err=True)
        click.echo("  --replace replaces it; or let what stands there send on to Telltale", err=True)
        return None
    except UnfitError as error:
        click.echo(f"telltale: {file.where} is left alone: {error}", err=True)
        click.echo("  repair it, or add this by hand:", err=True)
        for change in file.changes:
            click.echo(f"    {'.'.join(change.path)} = {change.value}", err=True)
        return None
    _show(planned)
    return planned


def _written(planned: Edit) -> bool:
    from cli.configure.documents import UnfitError  # noqa: PLC0415
    from cli.configure.files import write  # noqa: PLC0415

    if not planned.needed:
        return True
    try:
        backup = write(planned)
    except UnfitError as error:
        click.echo(f"telltale: {planned.where} is left alone: {error}", err=True)
        return False
    click.echo(f"written: {planned.where}" + (f" (before: {backup.name})" if backup else ""), err=True)
    return True


def _show(planned: Edit) -> None:
    if not planned.needed:
        click.echo(f"nothing to change in {planned.where}")
        return
    color = sys.stdout.isatty()
    for line in planned.difference():
        shade = {"+": "green", "-": "red"}.get(line[0]) if color else None
        click.echo(click.style(line, fg=shade) if shade else line)


def _say_what_next(agent: str, target: Target, *, writing: bool, guard: bool) -> None:
    if not writing:
        click.echo("\nNothing was written; --write does it.", err=True)
        return
    notes = {
        "codex": "Codex asks once whether it may trust the hooks: /hooks shows them.",
        "cursor": "Cursor reads the files at once; its output panel has a channel for hooks.",
    }
    click.echo(f"Restart {agent}; what it does appears in `telltale up` at {target.url}.", err=True)
    if agent in notes and (guard or agent == "cursor"):
        click.echo(notes[agent], err=True)
