"""A real API process over a real chDB folder, one for all tests here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

SCRIPT = Path(__file__).with_name("api_process.py")


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client whose base is the API."""
    folder = tmp_path_factory.mktemp("store")
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[2])}
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder)],
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
