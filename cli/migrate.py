"""`telltale migrate`: tables and topics of a fleet."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.exits import FAILED, CliError
from cli.options import settings_of, settings_options

if TYPE_CHECKING:
    from pipeline.settings import Settings

HELP: Final = """\
Prepare ClickHouse's tables and Kafka's topics for this version. Says what it did; a second run finds nothing to do.

\b
Examples:
  telltale migrate --clickhouse http://telltale@clickhouse:8123/telltale --kafka kafka://kafka:9092 --dry-run
  telltale migrate --clickhouse http://clickhouse:8123/telltale --kafka kafka://kafka:9092 \\
      --set partitions=12 --set kafka_replication=3

The number of partitions of topics with states never changes afterwards.
"""


@click.command(help=HELP, epilog="Exit status: 0 done or nothing to do, 1 it failed, 64 wrong usage.")
@settings_options("data", "kafka", "clickhouse", "group")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
def migrate(config: Path | None, assignments: tuple[str, ...], dry_run: bool, **flags: Any) -> None:
    """See HELP."""
    from schemas.errors import TelltaleError  # noqa: PLC0415 - help need not wait for it

    settings = settings_of(config, assignments, flags)
    try:
        lines = [*_tables(settings, dry_run), *asyncio.run(_topics(settings, dry_run))]
    except TelltaleError as error:
        raise CliError(str(error), FAILED) from error
    done = "would be done" if dry_run else "done"
    click.echo("\n".join(f"{line}: {done}" for line in lines) or "nothing to do")


def _tables(settings: Settings, dry_run: bool) -> list[str]:
    """What the store lacked."""
    from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415

    from schemas.errors import SettingsError  # noqa: PLC0415
    from sinks.clickhouse import connect  # noqa: PLC0415
    from sinks.clickhouse import migrate as apply  # noqa: PLC0415
    from sinks.clickhouse.migrations import plan  # noqa: PLC0415
    from sinks.clickhouse.server import address, create_database  # noqa: PLC0415

    days = settings.retention
    lines = []
    if not settings.store_url.startswith("chdb:") and not dry_run:
        where = address(settings.store_url)
        if where.database != "default" and create_database(where):
            lines.append(f"ClickHouse: database {where.database}")
    client = connect(settings.store_url)
    try:
        found = plan(client, days)
        lines += [f"ClickHouse: migration {step.number} ({step.name})" for step in found.steps]
        lines += [f"ClickHouse: {table} is kept by TTL {ttl}" for table, ttl in found.retention.items()]
        if found.seldom:
            lines.append(f"ClickHouse: parts are merged more seldom: {', '.join(found.seldom)}")
        if not dry_run:
            apply(client, days)
    except ClickHouseError as error:
        raise SettingsError(f"ClickHouse refuses: {error}") from error
    finally:
        client.close()
    return lines


async def _topics(settings: Settings, dry_run: bool) -> list[str]:
    """What Kafka lacked; the local log makes its own."""
    from pipeline.transport.kafka import is_kafka  # noqa: PLC0415
    from pipeline.transport.kafka_topics import admin, create_missing, topic_states  # noqa: PLC0415

    if not is_kafka(settings.broker_url):
        return []
    async with admin(settings) as client:
        states = await topic_states(settings, client)
        if dry_run:
            missing = [one.name for one in states if not one.partitions]
        else:
            missing = await create_missing(settings, client, states)
    return [f"Kafka: topic {name}" for name in missing]
