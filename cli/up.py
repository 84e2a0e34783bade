"""`telltale up`: everything of one machine in one process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import click

from cli.exits import FAILED, USAGE, CliError

HELP: Final = """\
Take OpenTelemetry data of coding agents, judge it as it comes, print a line for each finding.

\b
Examples:
  telltale up
  telltale up --data ./telltale-data --otlp-http 127.0.0.1:0 --ready-file ready.json
  telltale up --set redaction=secrets+email --set ttl_days=7

Port 0 takes any free port; the ready file is JSON: otlp_grpc, otlp_http, api, pid. Every setting can also be a
variable, such as TELLTALE_DATA_DIR. Ctrl-C finishes what has arrived and stops.
"""


@click.command(
    help=HELP, epilog="Exit status: 0 stopped by Ctrl-C or SIGTERM, 1 could not start or broke, 64 wrong usage."
)
@click.option("--data", "data_dir", type=click.Path(file_okay=False, path_type=Path), help="Folder of log and store.")
@click.option("--otlp-grpc", metavar="HOST:PORT", help="OTLP over gRPC  [default: 127.0.0.1:4317]")
@click.option("--otlp-http", metavar="HOST:PORT", help="OTLP over HTTP  [default: 127.0.0.1:4318]")
@click.option("--api", metavar="HOST:PORT", help="API and /metrics  [default: 127.0.0.1:4320]")
@click.option("--ready-file", type=click.Path(dir_okay=False, path_type=Path), help="Written once all of it listens.")
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Settings as TOML.")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Any other setting; many times.")
def up(ready_file: Path | None, config: Path | None, assignments: tuple[str, ...], **flags: Any) -> None:
    """See HELP."""
    from pipeline.interpreter import prepare  # noqa: PLC0415

    prepare()
    from cli.serve import serve  # noqa: PLC0415 - imports the whole pipeline, which help need not wait for
    from pipeline.settings_sources import load_settings  # noqa: PLC0415
    from schemas.errors import SettingsError, TelltaleError  # noqa: PLC0415

    try:
        settings = load_settings(flags | _assigned(assignments), os.environ, config)
    except SettingsError as error:
        raise CliError(str(error), USAGE) from error
    try:
        serve(settings, ready_file)
    except TelltaleError as error:
        raise CliError(str(error), FAILED) from error


def _assigned(assignments: tuple[str, ...]) -> dict[str, str]:
    """`NAME=VALUE` taken apart."""
    pairs = {}
    for one in assignments:
        name, separator, value = one.partition("=")
        if not separator:
            raise click.UsageError(f"--set {one!r}: write NAME=VALUE")
        pairs[name.strip().replace("-", "_")] = value
    return pairs
