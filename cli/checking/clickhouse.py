"""The part of the store, where it is a ClickHouse server."""

from __future__ import annotations

import time
from typing import Any, Final

from clickhouse_connect.driver.exceptions import ClickHouseError

from cli.checking.report import Report, unreached
from pipeline.settings import Settings
from schemas.errors import SettingsError
from sinks.clickhouse.errors import plain_text
from sinks.clickhouse.server import address, open_server
from sinks.clickhouse.survey import Store, survey

PART: Final = "clickhouse"
LOW_ROOM: Final = 0.1
"""Of a disk."""
MANY_PARTS: Final = 1_000
"""Of one partition of a table; at 3,000 ClickHouse refuses inserts."""


async def look(settings: Settings, answer_s: int) -> Report:
    """Connect, ask, judge; one answer is given up after `answer_s`. Blocks its event loop: it has one of its own."""
    try:
        where = address(settings.store_url)
        client = open_server(where, answer_s)
    except SettingsError as error:
        what, _, repair = str(error).partition("; ")
        return unreached(PART, what, repair or "correct --clickhouse, or start the server")
    try:
        found = survey(client, settings.retention)
    except ClickHouseError as error:
        return unreached(
            PART,
            f"ClickHouse at {where.shown} cannot be looked at: {plain_text(error)}",
            "allow this user to read Telltale's tables, and tables, columns, parts and disks of `system`",
        )
    finally:
        client.close()
    report = Report(PART, {"url": where.shown} | facts(found))
    judge(report, found)
    return report


def facts(found: Store) -> dict[str, Any]:
    """As JSON."""
    now = time.time()
    return {
        "version": found.version,
        "uptime_s": found.uptime_s,
        "user": found.user,
        "database": found.database,
        "migrations": [{"number": number, "name": name, "applied_at": at} for number, name, at in found.steps],
        "tables": {name: one._asdict() for name, one in sorted(found.tables.items())},
        "disks": [one._asdict() for one in found.disks],
        "newest_span_stored_s_ago": round(now - found.stored_unix_s) if found.stored_unix_s else None,
        "newest_span_s_ago": round(now - found.newest_unix_s) if found.newest_unix_s else None,
        "dead_letters_24h": found.dead_letters,
    }


def judge(report: Report, found: Store) -> None:
    """What is wrong with a store."""
    for sentence in found.missing:
        report.wrong(sentence)
    for table, ttl in found.retention.items():
        report.wrong(f"{table} is not kept as the settings say (TTL {ttl})", "telltale migrate")
    for disk in found.disks:
        if disk.free_bytes < LOW_ROOM * disk.total_bytes:
            free = f"{disk.free_bytes / 2**30:.1f} GiB of {disk.total_bytes / 2**30:.1f} GiB"
            report.wrong(f"disk {disk.name} has {free} left", "make room, or keep less: --set ttl_days=N, then migrate")
    for name, one in found.tables.items():
        if one.parts_in_one > MANY_PARTS:
            report.wrong(
                f"{name} has {one.parts_in_one:,} parts in one partition: merges are behind",
                "larger batches (batch_linger_s, batch_messages), fewer workers, or a faster disk",
            )
    for topic, count in found.dead_letters.items():
        report.notes.append(
            f"{count:,} messages of {topic} could not be used in the last day: telltale dead-letters list"
        )
