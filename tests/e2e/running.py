"""`telltale up` as a real process, and the ways to talk to it."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import orjson
from google.protobuf.json_format import ParseDict
from prometheus_client.parser import text_string_to_metric_families

from pipeline.decode.reference import REQUESTS
from schemas.topics import Signal

PROGRAM = Path(sys.executable).with_name("telltale")
CAPTURES = Path(__file__).parents[1] / "fixtures" / "captures"
PROTOBUF, JSON = "application/x-protobuf", "application/json"
KINDS: dict[str, Signal] = {"resourceSpans": "traces", "resourceLogs": "logs", "resourceMetrics": "metrics"}
METHODS: dict[Signal, str] = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
FREE_PORTS = ("--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--api", "127.0.0.1:0")
CLEAN_ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("TELLTALE_")}
PATIENCE_S = 60.0
"""How long a test waits for what has to come before it says that it does not come."""


def wait_until(holds: Callable[[], Any], what: Callable[[], object] = lambda: "it never came") -> Any:
    """The first value of `holds` that is true."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.05)
    raise AssertionError(what())


class Up:
    """A running process. Made by `running`."""

    def __init__(self, process: subprocess.Popen[str], ready: dict[str, Any]) -> None:
        self.process = process
        self.ready = ready
        self._client = httpx.Client(timeout=30, trust_env=False)
        self._sentinels = 0

    # In

    def post(self, signal_: Signal, body: bytes, content_type: str = JSON, **headers: str) -> httpx.Response:
        """One OTLP/HTTP request."""
        given = {"content-type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self._client.post(f"http://{self.ready['otlp_http']}/v1/{signal_}", content=body, headers=given)

    def store(self, signal_: Signal, body: bytes, content_type: str = JSON) -> None:
        """One OTLP/HTTP request that has to be accepted."""
        answer = self.post(signal_, body, content_type)
        assert answer.status_code == 200, answer.text

    def store_lines(self, lines: Iterable[bytes]) -> None:
        """Lines of the Collector's file exporter, each to where it belongs."""
        for line in lines:
            request = json.loads(line)
            kind = next(iter(request), "")
            if kind in KINDS:
                self.store(KINDS[kind], line)

    @contextlib.contextmanager
    def channel(self, **options: Any) -> Iterator[grpc.Channel]:
        """A gRPC channel."""
        with grpc.insecure_channel(self.ready["otlp_grpc"], **options) as channel:
            yield channel

    # Out

    def ask(self, path: str, **parameters: Any) -> dict[str, Any]:
        """A GET of the API."""
        answer = self._client.get(f"http://{self.ready['api']}{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def rows(self, sql: str) -> list[list[Any]]:
        """The rows of a SELECT."""
        asked = {"sql": sql, "limit": 10_000, "max_tokens": 1_000_000}
        answer = self._client.post(f"http://{self.ready['api']}/v1/sql", json=asked)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["rows"])

    def findings(self) -> list[dict[str, Any]]:
        """All findings, the oldest last."""
        return list(self.ask("/v1/findings", limit=500, max_tokens=1_000_000, full="true")["findings"])

    def exposition(self) -> str:
        """What Prometheus would scrape."""
        return self._client.get(f"http://{self.ready['api']}/metrics").text

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples with these labels."""
        samples = [s for family in text_string_to_metric_families(self.exposition()) for s in family.samples]
        return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())

    def settle(self) -> None:
        """Wait until all that was posted is stored, and folded as far as it can be without time passing.

        A request posted after all others is stored after all others, in each signal's topic; the lag is measured
        every second, so it is asked for after a measurement that came later than that.
        """
        self._sentinels += 1
        name = f"sentinel {self._sentinels}"
        self.store("traces", sentinel_span(name))
        self.store("logs", sentinel_log(name))
        wait_until(lambda: self._stored(name) == 2, lambda: f"{name} was not stored")
        seen = [self._lag()]
        wait_until(lambda: self._measured_again(seen))

    def _stored(self, name: str) -> int:
        spans = self.rows(f"SELECT count() FROM otel_traces WHERE SpanName = '{name}'")  # noqa: S608 - our own text
        logs = self.rows(f"SELECT count() FROM otel_logs WHERE EventName = '{name}'")  # noqa: S608
        return int(spans[0][0]) + int(logs[0][0])

    def _lag(self) -> float:
        return self.metric("telltale_pipeline_lag_messages")

    def _measured_again(self, seen: list[float]) -> bool:
        time.sleep(0.3)
        seen.append(self._lag())
        return len(seen) > 8 and not any(seen[-4:])

    # The end

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """Send a signal; returns exit status and everything printed."""
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()


@contextlib.contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Up]:
    """Start on the folder, on free ports; killed at the end where it still runs."""
    ready = folder / f"ready-{time.monotonic_ns()}.json"
    with subprocess.Popen(
        [str(PROGRAM), "up", "--data", str(folder / "data"), "--ready-file", str(ready), *FREE_PORTS, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=CLEAN_ENVIRONMENT | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            wait_until(lambda: ready.exists() or process.poll() is not None)
            assert ready.exists(), process.communicate()[0]
            up = Up(process, json.loads(ready.read_text()))
            yield up
            up.close()
        finally:
            process.kill()


def telltale(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed command."""
    return subprocess.run(
        [str(PROGRAM), *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env=CLEAN_ENVIRONMENT,
        check=False,
    )


def capture_lines(name: str) -> list[bytes]:
    """The requests of a capture."""
    return gzip.decompress((CAPTURES / f"{name}.jsonl.gz").read_bytes()).splitlines()


def protobuf(signal_: Signal, request: dict[str, Any]) -> bytes:
    """A request in protobuf's own JSON (ids in base64) as bytes."""
    body: bytes = ParseDict(request, REQUESTS[signal_]()).SerializeToString()
    return body


def spans(*spans_: dict[str, Any], service: str = "e2e") -> bytes:
    """A request for traces as OTLP/JSON."""
    return orjson.dumps({"resourceSpans": [{"resource": _named(service), "scopeSpans": [{"spans": list(spans_)}]}]})


def logs(*records: dict[str, Any], service: str = "e2e") -> bytes:
    """A request for logs as OTLP/JSON."""
    return orjson.dumps({"resourceLogs": [{"resource": _named(service), "scopeLogs": [{"logRecords": list(records)}]}]})


def _named(service: str) -> dict[str, Any]:
    return {"attributes": attributes({"service.name": service})}


def attributes(values: dict[str, str]) -> list[dict[str, Any]]:
    """Text attributes."""
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]


def sentinel_span(name: str) -> bytes:
    """A span of 1970: it moves no watermark."""
    return spans(
        {"traceId": "f" * 32, "spanId": "f" * 16, "name": name, "startTimeUnixNano": "1", "endTimeUnixNano": "2"}
    )


def sentinel_log(name: str) -> bytes:
    """A log record of 1970."""
    return logs({"timeUnixNano": "1", "eventName": name})
