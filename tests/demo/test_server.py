"""Starting and stopping a server: whatever happens, no process is left behind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from demo import server
from demo.server import Server, ServerFailedError

READY = """
import json, sys, time
file = sys.argv[sys.argv.index("--ready-file") + 1]
print("listening", flush=True)
try:
    open(file, "w").write(json.dumps(dict(otlp_grpc="a:1", otlp_http="b:2", api="c:3", pid=1)))
    time.sleep(600)
except KeyboardInterrupt:
    print("stopped")
"""
FAILS = "print('port 4317 is taken'); raise SystemExit(3)"
HANGS = "import time; time.sleep(600)"
DEAF = READY.replace("import json", "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nimport json")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A data folder; `telltale` is the program that the test names."""
    program = tmp_path / "telltale"
    program.write_text(f"#!{sys.executable}\n{request.param}")
    program.chmod(0o755)
    monkeypatch.setattr(server, "PROGRAM", program)
    return tmp_path / "data"


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("data", [READY], indirect=True)
def test_a_server_is_started_read_and_stopped(data: Path) -> None:
    printed: list[str] = []
    started = Server.start(data, on_line=printed.append)
    assert (started.otlp_grpc, started.otlp_http, started.url) == ("a:1", "b:2", "http://c:3")
    assert started.stop() == 0
    assert printed == ["listening", "stopped"]
    assert started.log_tail(1) == "stopped"
    assert is_gone(started.process.pid)


@pytest.mark.parametrize("data", [FAILS], indirect=True)
def test_a_server_that_ends_is_reported_with_its_last_words(data: Path) -> None:
    with pytest.raises(ServerFailedError, match=r"(?s)status 3.*port 4317 is taken"):
        Server.start(data)


@pytest.mark.parametrize("data", [HANGS], indirect=True)
def test_a_server_that_is_never_ready_is_killed(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "READY_WITHIN_S", 0.5)
    with pytest.raises(ServerFailedError, match="not ready in time"):
        Server.start(data)


@pytest.mark.parametrize("data", [DEAF], indirect=True)
def test_a_server_that_does_not_stop_is_killed(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "STOP_WITHIN_S", 0.5)
    started = Server.start(data)
    assert started.stop() == -9
    assert is_gone(started.process.pid)


PAGES = """
import json, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer

class Api(BaseHTTPRequestHandler):
    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if "cursor=second" in self.path:
            return self.answer(200, dict(findings=[dict(id=2)], truncated=False, next_cursor=None))
        self.answer(200, dict(findings=[dict(id=1)], truncated=True, next_cursor="second"))

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if asked["sql"] == "wrong":
            return self.answer(400, dict(error="no such table"))
        self.answer(200, dict(columns=[dict(name="a"), dict(name="b")], rows=[[1, 2], [3, 4]], truncated=False))

api = HTTPServer(("127.0.0.1", 0), Api)
file = sys.argv[sys.argv.index("--ready-file") + 1]
open(file, "w").write(json.dumps(dict(otlp_grpc="", otlp_http="", api="127.0.0.1:%d" % api.server_port, pid=1)))
try:
    api.serve_forever()
except KeyboardInterrupt:
    pass
"""


@pytest.mark.parametrize("data", [PAGES], indirect=True)
def test_findings_are_read_page_by_page_and_rows_by_name(data: Path) -> None:
    started = Server.start(data)
    try:
        assert started.findings() == [{"id": 1}, {"id": 2}]
        assert started.rows("SELECT") == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
        with pytest.raises(RuntimeError, match="no such table"):
            started.rows("wrong")
    finally:
        started.stop()
