"""ClickHouse: clients, migrations and the sink that stores batches."""

from __future__ import annotations

from sinks.clickhouse.client import connect, embedded
from sinks.clickhouse.migrations import migrate
from sinks.clickhouse.sink import ClickHouseSink

__all__ = ["ClickHouseSink", "connect", "embedded", "migrate"]
