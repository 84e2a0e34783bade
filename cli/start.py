"""The entry point of the installed command.

An agent runs `telltale guard` around every tool call, so that path imports none of what the other commands need.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run one command and exit."""
    if sys.argv[1:2] == ["guard"]:
        from cli.hook.run import options, run  # noqa: PLC0415 - only here

        given = options(sys.argv[2:], os.environ)
        if given is not None:
            sys.exit(run(given))
    from cli.main import main as whole  # noqa: PLC0415 - a tenth of a second that the guard does not have

    whole()
