"""`telltale check`: whether everything that the settings name works, and what mends what does not."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.options import settings_of, settings_options

if TYPE_CHECKING:
    from cli.checking.bounded import Look
    from pipeline.settings import Settings

HELP: Final = """\
Connect to everything that the settings name, and say what is wrong and how to mend it: Kafka (brokers, topics, the
group and its lag), ClickHouse (tables, migrations, disks), or the folder of telltale up. It changes nothing.

\b
Examples:
  telltale check
  telltale check --kafka kafka://kafka:9092 --clickhouse http://telltale@clickhouse:8123/telltale
  telltale check --config telltale.toml --worker worker-0:4321 --worker worker-1:4321
  telltale check --json --timeout 5

Parts are looked at side by side: one that is down hides no other. Passwords are never shown. Lag and throughput are
measured between two looks, --sample seconds apart.
"""
EPILOG: Final = (
    "Exit status: 0 nothing is wrong, 1 something is, 2 a part could not be looked at (nothing answered, it let us not "
    "in, or not in time), 64 wrong usage."
)


@click.command(help=HELP, short_help="Does everything work, and what mends it.", epilog=EPILOG)
@settings_options("data", "kafka", "clickhouse", "group", "api")
@click.option(
    "--worker", "workers", multiple=True, metavar="HOST:PORT", help="Ask this worker's /metrics too; many times."
)
@click.option("--timeout", "within_s", type=click.FloatRange(1, 600), default=20.0, show_default=True, help="Seconds.")
@click.option("--sample", "sample_s", type=click.FloatRange(0.1, 60), default=3.0, show_default=True, help="Seconds.")
@click.option("--json", "as_json", is_flag=True, help="JSON for programs.")
def check(config: Path | None, assignments: tuple[str, ...], **given: Any) -> int:
    """See HELP."""
    asked = {name: given.pop(name) for name in ("workers", "within_s", "sample_s", "as_json")}
    settings = settings_of(config, assignments, given)
    from pipeline.interpreter import prepare  # noqa: PLC0415 - help need not wait for it

    prepare()
    from cli.checking.bounded import look_at  # noqa: PLC0415
    from cli.checking.report import STATUSES, verdict  # noqa: PLC0415
    from cli.checking.shown import as_json_text, lines  # noqa: PLC0415

    within_s = asked["within_s"]
    parts = _parts(settings, asked["workers"], min(asked["sample_s"], within_s / 3), within_s / 4)
    reports, given_up = look_at(parts, within_s)
    click.echo(as_json_text(reports) if asked["as_json"] else "\n".join(lines(reports)))
    status = STATUSES[verdict(reports)]
    if given_up:  # its thread still waits for an answer, and would hold the process
        sys.stdout.flush()
        os._exit(status)
    return status


def _parts(settings: Settings, workers: tuple[str, ...], sample_s: float, answer_s: float) -> dict[str, Look]:
    """What there is to look at."""
    from importlib.metadata import version  # noqa: PLC0415

    from cli.checking import clickhouse, kafka, local, own  # noqa: PLC0415
    from cli.checking import workers as asked  # noqa: PLC0415

    parts: dict[str, Look] = {own.PART: partial(own.look, settings)}
    in_fleet, embedded = settings.broker_url.startswith("kafka:"), settings.store_url.startswith("chdb:")
    if in_fleet:
        parts[kafka.PART] = partial(kafka.look, settings, sample_s, answer_s)
    if not embedded:
        parts[clickhouse.PART] = partial(clickhouse.look, settings, max(1, round(answer_s)))
    if embedded or not in_fleet:
        parts[local.PART] = partial(local.look, settings, sample_s, answer_s)
    if workers:
        parts[asked.PART] = partial(asked.look, workers, sample_s, answer_s, version("telltale"))
    return parts
