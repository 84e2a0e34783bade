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
from schemas.tables import TABLES, VIEWS
from schemas.tables.ddl import create_table, create_view, ttl

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


class Migration(NamedTuple):
    """One step."""

    number: int
    name: str
    statements: Callable[[RetentionDays], Sequence[str]]


def _declared(days: RetentionDays) -> list[str]:
    return [*(create_table(table, days) for table in TABLES), *(create_view(view) for view in VIEWS)]


MIGRATIONS: Final = (Migration(1, "tables and views as declared", _declared),)


def migrate(client: Client, days: RetentionDays, migrations: Sequence[Migration] = MIGRATIONS) -> list[int]:
    """Bring the store up to date and set its TTLs; gives the numbers of the steps taken.

    Raises SettingsError where the store was written by a newer version.
    """
    client.command(RECORD)
    applied = {int(row[0]) for row in client.query(APPLIED).result_rows}
    unknown = applied - {step.number for step in migrations}
    if unknown:
        raise SettingsError(
            f"the store knows migration {max(unknown)}, this version only {max(m.number for m in migrations)}: "
            "run the version that wrote it, or choose another store"
        )
    taken = []
    for step in migrations:
        if step.number in applied:
            continue
        for statement in step.statements(days):
            client.command(statement)
        client.insert("schema_migrations", [[step.number, step.name]], column_names=["Number", "Name"])
        taken.append(step.number)
    _set_retention(client, days)
    return taken


def _set_retention(client: Client, days: RetentionDays) -> None:
    """Change TTLs that differ from the settings; only the definition, not the rows, is rewritten now."""
    definitions = {str(row[0]): str(row[1]) for row in client.query(DEFINITIONS).result_rows}
    for table in TABLES:
        wanted = ttl(table, days)
        if f"TTL {wanted}" not in definitions[table.name]:
            client.command(
                f"ALTER TABLE {table.name} MODIFY TTL {wanted}", settings={"materialize_ttl_after_modify": 0}
            )
