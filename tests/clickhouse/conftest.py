from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from schemas.columns import RetentionDays
from sinks.clickhouse import connect, migrate


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A migrated store. The engine takes one folder a process, so a module closes its own before the next begins."""
    found = connect(f"chdb://{tmp_path_factory.mktemp('store')}")
    migrate(found, RetentionDays())
    yield found
    found.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"
