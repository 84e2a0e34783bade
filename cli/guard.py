"""`telltale guard`: help and usage errors. What agents run is `cli.hook.run`, which `cli.start` calls without this."""

from __future__ import annotations

import os
import sys
from typing import Any, Final

import click

from cli.hook.agents import AGENTS, API_URL, OTLP_URL, PATIENCE_MS
from cli.hook.answer import SEVERITIES

HELP: Final = """\
Tell an agent that it is looping: a hook before and after each of its tool calls.

It reads the hook's JSON on standard input. Before or after a call it asks the running Telltale whether the session
repeats that very call, and if so tells the agent what, how often, with what result and since when. After a call it
reports it, as signatures taken here: arguments and results do not leave the machine.

It answers in under a tenth of a second and fails open: where Telltale is down, slow, or the input is broken, it says
nothing and the agent goes on.

\b
Examples:
  telltale setup claude-code --guard            # shows the hooks to add
  echo '{"hook_event_name":"PreToolUse","session_id":"s","tool_name":"Bash","tool_input":{}}' | telltale guard
"""


@click.command(
    help=HELP,
    short_help="A hook that tells an agent what it repeats.",
    epilog="Exit status: 0 always, whatever was found; 64 wrong usage.",
)
@click.argument("agent", required=False, type=click.Choice(sorted(AGENTS)))
@click.option("--block", is_flag=True, help="Refuse the repeated call, where the agent lets a hook do so.")
@click.option("--content", is_flag=True, help="Report arguments and results too, not signatures alone.")
@click.option(
    "--severity", type=click.Choice(SEVERITIES), default="warning", show_default=True, help="Speak from here."
)
@click.option(
    "--patience-ms",
    type=click.IntRange(1, 60_000),
    default=PATIENCE_MS,
    show_default=True,
    help="How long Telltale may take before the agent goes on.",
)
@click.option("--url", envvar="TELLTALE_URL", default=API_URL, show_default=True, help="API; http:// alone.")
@click.option(
    "--otlp-http",
    "--otlp",
    "otlp",
    envvar="TELLTALE_OTLP_URL",
    default=OTLP_URL,
    show_default=True,
    help="OTLP/HTTP; http:// alone.",
)
def guard(**given: Any) -> int:
    """See HELP."""
    from cli.hook.run import options, run  # noqa: PLC0415 - help need not wait for it

    words = [given["agent"]] if given["agent"] else []
    words += [f"--{name}" for name in ("block", "content") if given[name]]
    for name in ("severity", "url", "otlp", "patience_ms"):
        words += [f"--{name.replace('_', '-')}", str(given[name])]
    found = options(words, {"TELLTALE_TOKEN": os.environ.get("TELLTALE_TOKEN", "")})
    if found is None:
        raise click.UsageError("--url and --otlp-http take http://HOST:PORT")
    if sys.stdin.isatty():
        raise click.UsageError("the hook's JSON is read from standard input; an agent runs this, see `telltale setup`")
    return run(found)
