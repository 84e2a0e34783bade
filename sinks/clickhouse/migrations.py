"""The store's schema in numbered steps, each recorded once it is through.

Step 1 makes what the declarations say today; later steps mend stores that are older. Every statement may run
twice: a step that was interrupted is simply run again, and on a fresh store the later steps find nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from clickhouse_connect.driver.client import Client

from schemas.columns import RetentionDays
from schemas.errors import SettingsError
from schemas.tables import (
    DEAD_LETTER_REPLAYS,
    FACTS,
    FEED,
    FEED_VIEWS,
    MODEL_CALLS,
    SERIES_VERDICTS,
    SESSIONS,
    TABLES,
    TOOL_CALLS,
    VIEWS,
)
from schemas.tables.ddl import add_column, create_table, create_view, extend_key, ttl
from schemas.tables.facts import KEY_SESSION, VERSION_INDEX

RECORD_TABLE: Final = "schema_migrations"
RECORD: Final = """\
CREATE TABLE IF NOT EXISTS schema_migrations
(
    Number UInt32,
    Name String,
    AppliedAt DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY Number"""
APPLIED: Final = "SELECT Number FROM schema_migrations FINAL ORDER BY Number"
DEFINITIONS: Final = "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase()"
MERGE_SETTING: Final = "merge_selector_base"
"""How many parts of one size a merge takes at least, about: with the default of 5 each row is written again so often
that merges take twice the time of inserts. Engines before 24.10 do not know it."""
MERGE_AT_LEAST: Final = 16
KNOWN: Final = "SELECT count() FROM system.merge_tree_settings WHERE name = {name:String}"
COLUMNS: Final = "SELECT table, name FROM system.columns WHERE database = currentDatabase()"


class Migration(NamedTuple):
    """One step."""

    number: int
    name: str
    statements: Callable[[RetentionDays], Sequence[str]]


def _declared(days: RetentionDays) -> list[str]:
    return [*(create_table(table, days) for table in TABLES), *(create_view(view) for view in VIEWS)]


def _feed(days: RetentionDays) -> list[str]:
    fill = "INSERT INTO finding_revisions SELECT Id, Precedence, Document, SourceTopic, SourcePartition, SourceOffset"
    made = [*(create_table(table, days) for table in FEED), *(create_view(view) for view in FEED_VIEWS)]
    return [*made, f"{fill} FROM findings FINAL"]


def _verdicts(days: RetentionDays) -> list[str]:
    return [create_table(SERIES_VERDICTS, days)]


def _versions(_: RetentionDays) -> list[str]:
    i = VERSION_INDEX
    index = f"INDEX IF NOT EXISTS {i.name} {i.expression} TYPE {i.type} GRANULARITY {i.granularity}"
    return [f"ALTER TABLE {table.name} ADD {index}" for table in FACTS]


def _agent_versions_and_prices(_: RetentionDays) -> list[str]:
    added = {TOOL_CALLS: ("AgentVersion",), MODEL_CALLS: ("AgentVersion", "PricesDate")}
    return [
        *(add_column(table, name) for table, names in added.items() for name in names),
        create_view(SESSIONS),
    ]


def _replays(days: RetentionDays) -> list[str]:
    return [create_table(DEAD_LETTER_REPLAYS, days)]


def _key_sessions(_: RetentionDays) -> list[str]:
    return [extend_key(table, KEY_SESSION.name) for table in FACTS]


MIGRATIONS: Final = (
    Migration(1, "tables and views as declared", _declared),
    Migration(2, "the feed of findings, of those that are known already their last revision", _feed),
    Migration(3, "what can be said of each series", _verdicts),
    Migration(4, "an index over the versions of facts", _versions),
    Migration(
        5, "versions of agents, and of which date the prices of an estimated cost are", _agent_versions_and_prices
    ),
    Migration(6, "dead letters that were put back", _replays),
    Migration(7, "facts without any id are told apart by their session", _key_sessions),
)


class Plan(NamedTuple):
    """What a store lacks."""

    steps: tuple[Migration, ...]
    """In the order in which they are to be taken."""
    retention: dict[str, str]
    """Table -> the TTL that it should have and has not."""
    seldom: tuple[str, ...] = ()
    """Tables whose parts are to be merged more seldom."""


def plan(client: Client, days: RetentionDays, migrations: Sequence[Migration] = MIGRATIONS) -> Plan:
    """What `migrate` would do; changes nothing.

    Raises SettingsError where the store was written by a newer version.
    """
    definitions = {str(row[0]): str(row[1]) for row in client.query(DEFINITIONS).result_rows}
    recorded = client.query(APPLIED).result_rows if RECORD_TABLE in definitions else ()
    applied = {int(row[0]) for row in recorded}
    unknown = applied - {step.number for step in migrations}
    if unknown:
        raise SettingsError(
            f"the store knows migration {max(unknown)}, this version only {max(m.number for m in migrations)}: "
            "run the version that wrote it, or choose another store"
        )
    steps = tuple(step for step in migrations if step.number not in applied)
    wanted = {table.name: ttl(table, days) for table in TABLES if table.name in definitions}
    retention = {name: one for name, one in wanted.items() if f"TTL {one}" not in definitions[name]}
    known = client.query(KNOWN, parameters={"name": MERGE_SETTING}).result_rows[0][0]
    seldom = tuple(name for name in wanted if known and f"{MERGE_SETTING} = " not in definitions[name])
    return Plan(steps, retention, seldom)


def migrate(client: Client, days: RetentionDays, migrations: Sequence[Migration] = MIGRATIONS) -> list[int]:
    """Bring the store up to date and set its TTLs; gives the numbers of the steps taken.

    Raises SettingsError where the store was written by a newer version.
    """
    steps = plan(client, days, migrations).steps
    client.command(RECORD)
    for step in steps:
        for statement in step.statements(days):
            client.command(statement)
        client.insert(RECORD_TABLE, [[step.number, step.name]], column_names=["Number", "Name"])
    left = plan(client, days, migrations)
    for name in left.seldom:
        client.command(f"ALTER TABLE {name} MODIFY SETTING {MERGE_SETTING} = {MERGE_AT_LEAST}")
    for name, wanted in left.retention.items():
        # only the definition is rewritten now, not the rows
        client.command(f"ALTER TABLE {name} MODIFY TTL {wanted}", settings={"materialize_ttl_after_modify": 0})
    return [step.number for step in steps]


def problems(client: Client, migrations: Sequence[Migration] = MIGRATIONS) -> list[str]:
    """What keeps this version from storing here, one sentence each with its repair; none: nothing."""
    try:
        missing = plan(client, RetentionDays(), migrations).steps
    except SettingsError as error:
        return [str(error)]
    if missing:
        listed = ", ".join(f"{step.number} ({step.name})" for step in missing)
        return [f"migrations are missing: {listed}. Run `telltale migrate`, or start with `--set create_tables=1`"]
    columns: dict[str, set[str]] = {}
    for table, column in client.query(COLUMNS).result_rows:
        columns.setdefault(str(table), set()).add(str(column))
    found = []
    for declared in TABLES:
        lacks = [c.name for c in declared.columns if c.name not in columns.get(declared.name, ())]
        if declared.name not in columns:
            found.append(f"table {declared.name} is gone: restore it, or empty schema_migrations and migrate again")
        elif lacks:
            found.append(
                f"table {declared.name} has no column {', '.join(lacks[:5])}: another program made it; name another "
                "database in the URL, or rename that table and empty schema_migrations, then migrate"
            )
    return found
