"""Declarations as ClickHouse SQL. Every word comes from the declarations, none from telemetry."""

from __future__ import annotations

from schemas.columns import Column, RetentionDays, Table, View


def create_table(table: Table, days: RetentionDays) -> str:
    """`CREATE TABLE IF NOT EXISTS` with codecs, indexes, partitions, sort key and TTL."""
    lines = [_column(column) for column in table.columns]
    lines += [f"INDEX {i.name} {i.expression} TYPE {i.type} GRANULARITY {i.granularity}" for i in table.indexes]
    body = ",\n".join(f"    {line}" for line in lines)
    primary = f"PRIMARY KEY {table.primary_key}\n" if table.primary_key else ""
    return (
        f"CREATE TABLE IF NOT EXISTS {table.name}\n(\n{body}\n)\n"
        f"ENGINE = {table.engine}\n"
        f"PARTITION BY {table.partition_by}\n"
        f"{primary}"
        f"ORDER BY {table.order_by}\n"
        f"TTL {ttl(table, days)}\n"
        "SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000"
    )


def add_column(table: Table, name: str) -> str:
    """`ALTER TABLE ... ADD COLUMN IF NOT EXISTS`, in its declared place."""
    at = [column.name for column in table.columns].index(name)
    before, added = table.columns[at - 1 : at + 1]
    return f"ALTER TABLE {table.name} ADD COLUMN IF NOT EXISTS {_column(added)} AFTER `{before.name}`"


def extend_key(table: Table, name: str) -> str:
    """`ALTER TABLE` that adds a column at the end of the sort key, the one place where a key can grow."""
    return f"{add_column(table, name)}, MODIFY ORDER BY {table.order_by}"


def create_view(view: View) -> str:
    """`CREATE VIEW`, or `CREATE MATERIALIZED VIEW ... TO`."""
    if view.to:
        return f"CREATE MATERIALIZED VIEW IF NOT EXISTS {view.name} TO {view.to} AS\n{view.query}"
    return f"CREATE OR REPLACE VIEW {view.name} AS\n{view.query}"


def ttl(table: Table, days: RetentionDays) -> str:
    """The TTL expression of a table."""
    kept: int = getattr(days, table.retention)
    return f"StoredAt + toIntervalDay({int(kept)})"


def _column(column: Column) -> str:
    kind = "String" if column.type == "Bytes" else column.type
    codec = f" CODEC({column.codec})" if column.codec else ""
    computed = f" {column.computed}" if column.computed else ""
    return f"`{column.name}` {kind}{computed}{codec}"
