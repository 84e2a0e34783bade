"""One real broker for the tests of a run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from testbed.kafka import Broker, NoBrokerError, libraries

GOODBYE_S: Final = 10.0


@pytest.fixture(autouse=True)
async def closed_connections() -> AsyncIterator[None]:
    """The loop goes on until what was closed is closed: aiokafka says good-bye over TLS and does not wait for it.

    What nobody closed is still open afterwards, and fails the test that finds it.
    """
    yield
    loop: Any = asyncio.get_running_loop()
    until = time.monotonic() + GOODBYE_S
    while any(transport._sock for transport in loop._transports.values()) and time.monotonic() < until:
        await asyncio.sleep(0.01)


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
