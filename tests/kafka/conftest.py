"""One real broker for the tests of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.kafka import Broker, NoBrokerError, libraries


def running(folder: Path) -> Iterator[Broker]:
    try:
        libraries()
    except NoBrokerError as reason:
        pytest.skip(str(reason))
    started = Broker(folder)
    started.start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A running broker; tests use topics and groups of their own."""
    yield from running(tmp_path_factory.mktemp("broker"))


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One of the module's own: the topics that telemetry comes by have the same names everywhere."""
    yield from running(tmp_path_factory.mktemp("own-broker"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the test's own."""
    return tmp_path
