"""The installed command, and a real API for it to talk to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("telltale")
ROOT = Path(__file__).parents[2]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def api_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real API over a real store, in a process of its own (`tests/query/api_process.py`)."""
    with subprocess.Popen(
        [sys.executable, str(ROOT / "tests/query/api_process.py"), str(tmp_path_factory.mktemp("store"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port.isdigit(), "the API process did not start"
        yield f"http://127.0.0.1:{port}"
        process.communicate(timeout=30)


@pytest.fixture
def run() -> Run:
    """Runs the installed command, its output not a terminal."""

    def run(*arguments: str, stdin: bytes | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TELLTALE_")}
        done = subprocess.run(
            [str(PROGRAM), *arguments],
            input=stdin or b"",
            capture_output=True,
            timeout=60,
            env=clean | environment,
            check=False,
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def ask(run: Run, api_url: str) -> Run:
    """Runs the installed command against the API."""
    return lambda *arguments: run(*arguments, TELLTALE_URL=api_url)
