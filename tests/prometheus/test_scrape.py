"""A real Prometheus scrapes the exposition, where its binary is installed."""

from __future__ import annotations

import http.server
import os
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.facts import Slice
from sinks.prometheus import PrometheusMetrics

PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")


def full() -> PrometheusMetrics:
    metrics = PrometheusMetrics()
    metrics.build("0.1.0")
    metrics.received("traces", "grpc", "accepted", 512, 90_000)
    metrics.inserted(0.02)
    fields: dict[str, Any] = dict.fromkeys(Slice._fields, 0) | {
        "service_name": 'a "quoted"\\ name\n',
        "operation": "chat",
        "name": "m",
        "service_version": "",
        "count": 3,
        "histogram": {500: 3},
        "error_types": {},
        "exemplars": (),
    }
    metrics.observe_slices([Slice(**fields)])
    return metrics


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_promtool_finds_nothing_wrong() -> None:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=full().render(), capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed")
def test_prometheus_scrapes_every_series(tmp_path: Path) -> None:
    assert PROMETHEUS is not None
    metrics = full()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", metrics.content_type)
            self.end_headers()
            self.wfile.write(metrics.render())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
            """Say nothing."""

    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as target,
        socket.create_server(("127.0.0.1", 0)) as s,
    ):
        port = s.getsockname()[1]
        s.close()
        threading.Thread(target=target.serve_forever, daemon=True).start()
        config = tmp_path / "prometheus.yml"
        config.write_text(
            "scrape_configs: [{job_name: t, scrape_interval: 1s, "
            f"static_configs: [{{targets: ['127.0.0.1:{target.server_port}']}}]}}]\n"
        )
        arguments = [f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'db'}"]
        with subprocess.Popen(
            [PROMETHEUS, *arguments, f"--web.listen-address=127.0.0.1:{port}"],
            stderr=subprocess.DEVNULL,
            env=os.environ,
        ) as process:
            try:
                assert value(port, 'telltale_series_observations_total{operation="chat"}') == "3"
                assert value(port, "telltale_build_info") == "1"
            finally:
                process.terminate()
        target.shutdown()


def value(port: int, query: str) -> str:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            found = httpx.get(f"http://127.0.0.1:{port}/api/v1/query", params={"query": query}).json()["data"]["result"]
        except (httpx.HTTPError, KeyError, ValueError):
            found = []
        if found:
            return str(found[0]["value"][1])
        time.sleep(0.2)
    raise AssertionError(f"Prometheus never had {query}")
