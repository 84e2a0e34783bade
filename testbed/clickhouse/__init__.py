"""ClickHouse's HTTP interface over chDB, the same engine, in a process of its own.

It shows what a client meets at a real server: queries and inserts over HTTP, errors, settings, compression,
passwords, TLS, and faults on demand. It cannot show replication, asynchronous inserts, quotas or grants.
"""

from __future__ import annotations

from testbed.clickhouse.process import ServerProcess

__all__ = ["ServerProcess"]
