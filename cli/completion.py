"""`telltale completion`: what a shell has to read to complete commands and options."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import get_completion_class

from cli.exits import USAGE, CliError

HELP: Final = """\
Print what a shell reads to complete commands, options and their values.

\b
Examples:
  eval "$(telltale completion bash)"
  telltale completion zsh > ~/.zfunc/_telltale
  telltale completion fish > ~/.config/fish/completions/telltale.fish
"""


@click.command(
    help=HELP, short_help="Completion for bash, zsh or fish.", epilog="Exit status: 0 printed, 64 wrong usage."
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """See HELP."""
    kind = get_completion_class(shell)
    if kind is None:
        raise CliError(f"there is no completion for {shell}", USAGE)
    root = context.find_root().command
    complete = kind(root, {}, "telltale", "_TELLTALE_COMPLETE")
    # click would run bash to learn its version; that it completes at all is for the user's own shell to say.
    click.echo(complete.source_template % complete.source_vars())
