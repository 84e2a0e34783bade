"""Stores to test with: the embedded engine, and a server that is asked over HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from clickhouse_connect.driver.client import Client

from schemas.columns import RetentionDays
from sinks.clickhouse import connect, migrate
from testbed.clickhouse import ServerProcess


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def server(running: ServerProcess) -> Iterator[ServerProcess]:
    """A server that is well before and after the test."""
    yield running
    running.fault()


def new_database(server: ServerProcess) -> str:
    """URL of an empty database."""
    name = f"d{uuid.uuid4().hex}"
    httpx.post(server.url, content=f"CREATE DATABASE {name}".encode()).raise_for_status()
    return f"{server.url}/{name}"


def _url(kind: str, factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> str:
    if kind == "chdb":
        return f"chdb://{factory.mktemp('store')}"
    return new_database(request.getfixturevalue("running"))


@pytest.fixture(scope="module", params=["chdb", "http"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store of this module's own. The engine takes one folder a process, so who opens it closes it."""
    return _url(request.param, tmp_path_factory, request)


@pytest.fixture(params=["chdb", "http"])
def fresh_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An empty store of this test's own."""
    return _url(request.param, tmp_path_factory, request)


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[Client]:
    """A migrated store."""
    found = connect(url)
    migrate(found, RetentionDays())
    yield found
    found.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"
