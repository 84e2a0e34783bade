"""`telltale api`: the questions of a fleet."""

from __future__ import annotations

from typing import Any, Final

import click

from cli.options import EPILOG, process_options, run_process

HELP: Final = """\
Answer questions about what workers stored: the HTTP API that agents, the other commands and MCP ask. It only reads
ClickHouse: run as many as you like.

\b
Examples:
  telltale api --clickhouse http://reader@clickhouse:8123/telltale
  telltale api --clickhouse https://reader@clickhouse:8443/telltale --api 0.0.0.0:4320
  telltale findings --url http://127.0.0.1:4320
"""


@click.command(help=HELP, epilog=EPILOG)
@process_options("clickhouse", "api")
def api(ready_file: Any, config: Any, assignments: tuple[str, ...], **flags: Any) -> None:
    """See HELP."""
    run_process(frozenset({"api"}), ready_file, config, assignments, flags)
