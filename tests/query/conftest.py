"""Real API processes over real chDB folders: one of a stuck session, one of a fleet."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

SCRIPT = Path(__file__).with_name("api_process.py")


@contextmanager
def answering(folder: Path, *contents: str) -> Iterator[httpx.Client]:
    """A client whose base is the API of a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[2])}
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder), *contents],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port.isdigit(), "the API process did not start"
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
        process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Of a store with one stuck session, one healthy, twelve findings."""
    with answering(tmp_path_factory.mktemp("store")) as client:
        yield client


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Of a store with the fleet of `fleet.py`."""
    with answering(tmp_path_factory.mktemp("fleet"), "tests.query.fleet") as client:
        yield client
