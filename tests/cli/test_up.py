"""`telltale up` as a real process: it listens, judges what it gets, answers, and stops when asked."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

PROGRAM = Path(sys.executable).with_name("telltale")
CAPTURES = Path(__file__).parents[1] / "fixtures" / "captures"
PATHS = {"resourceSpans": "/v1/traces", "resourceLogs": "/v1/logs", "resourceMetrics": "/v1/metrics"}
FREE_PORTS = ("--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--api", "127.0.0.1:0")


@pytest.fixture
def up(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A running process and its ready file."""
    ready = tmp_path / "ready.json"
    with subprocess.Popen(
        [str(PROGRAM), "up", "--data", str(tmp_path / "data"), "--ready-file", str(ready), *FREE_PORTS],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            wait_until(lambda: ready.exists() or process.poll() is not None, 60)
            yield process, json.loads(ready.read_text())
        finally:
            process.kill()


def wait_until(holds: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    assert holds()


def test_a_stuck_session_is_found_shown_and_counted_and_an_interrupt_stops_it_cleanly(up: Any, run: Any) -> None:
    process, ready = up
    assert ready["pid"] == process.pid
    with gzip.open(CAPTURES / "claude-details-httpproto-B.jsonl.gz") as lines:
        for line in lines:
            (kind,) = json.loads(line)
            url = f"http://{ready['otlp_http']}{PATHS[kind]}"
            answer = httpx.post(url, content=line, headers={"content-type": "application/json"}, timeout=30)
            assert answer.status_code == 200
    api = f"http://{ready['api']}"
    wait_until(lambda: json.loads(run("findings", "--json", "--url", api).stdout)["total"] == 1)

    (finding,) = json.loads(run("findings", "--json", "--url", api).stdout)["findings"]
    assert run("session", finding["session_id"], "--url", api).returncode == 0
    count = ("sql", "--json", "SELECT count() AS calls FROM tool_calls", "--url", api)
    wait_until(lambda: json.loads(run(*count).stdout) == {"calls": 8})
    metrics = httpx.get(f"{api}/metrics").text
    assert 'claude_code_token_usage_tokens_total{model="claude-opus-5-5"' in metrics
    assert 'telltale_receiver_requests_total{outcome="accepted",signal="logs",transport="http"}' in metrics

    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    assert f"OTEL_EXPORTER_OTLP_ENDPOINT=http://{ready['otlp_http']}" in out
    assert f"[{finding['id']}]" in out


def test_a_port_in_use_is_said_and_nothing_is_left_running(run: Any, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("up", "--data", str(tmp_path), *FREE_PORTS[:2], "--api", "127.0.0.1:0", "--otlp-http", address)
    assert done.returncode == 1
    assert f"OTLP/HTTP cannot listen on {address}" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--api", "nowhere"], "write HOST:PORT"),
        (["--set", "ttl_days=0"], "must be from 1"),
        (["--set", "ttl_day=3"], "did you mean ttl_days?"),
        (["--set", "ttl_days"], "write NAME=VALUE"),
        (["extra"], "unexpected extra argument"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_repair(run: Any, tmp_path: Path, arguments: list[str], says: str) -> None:
    done = run("up", "--data", str(tmp_path), *arguments)
    assert (done.returncode, done.stdout) == (64, "")
    assert says in done.stderr
