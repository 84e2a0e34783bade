"""One test server for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testbed.clickhouse import ServerProcess


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


@pytest.fixture
def server(running: ServerProcess) -> Iterator[ServerProcess]:
    yield running
    running.fault()
