"""`telltale up`: everything of one machine in one process."""

from __future__ import annotations

from typing import Any, Final

import click

from cli.options import EPILOG, process_options, run_process

HELP: Final = """\
Take OpenTelemetry data of coding agents, judge it as it comes, print a line for each finding.

\b
Examples:
  telltale up
  telltale up --data ./telltale-data --otlp-http 127.0.0.1:0 --ready-file ready.json
  telltale up --set redaction=secrets+email --set ttl_days=7

Port 0 takes any free port; the ready file is JSON: otlp_grpc, otlp_http, api, pid. Every setting can also be a
variable, such as TELLTALE_DATA_DIR. Ctrl-C finishes what has arrived and stops. On several machines the parts run
apart: telltale receiver, telltale worker, telltale api.
"""


@click.command(help=HELP, epilog=EPILOG)
@process_options("data", "kafka", "clickhouse", "otlp-grpc", "otlp-http", "api")
def up(ready_file: Any, config: Any, assignments: tuple[str, ...], **flags: Any) -> None:
    """See HELP."""
    run_process(frozenset({"receiver", "worker", "api"}), ready_file, config, assignments, flags)
