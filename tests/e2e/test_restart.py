"""Stopping, starting again, a folder with two owners, and a log that is full: all of it with real processes."""

from __future__ import annotations

import re
import signal
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tests.e2e.running import FREE_PORTS, METHODS, PROTOBUF, Up, capture_lines, running, telltale, wait_until

CAPTURE = "claude-details-grpc-B"
MB = 1024 * 1024


def looping(up: Up) -> Any:
    found = up.findings()
    assert len(found) <= 1
    return found[0] if found else None


def printed(out: str) -> list[str]:
    """The ids of the findings that were printed, one for each line."""
    return re.findall(r"\[([0-9a-f]{16})\]", out)


def test_what_was_accepted_is_judged_before_it_stops_and_it_goes_on_where_it_was(tmp_path: Path) -> None:
    lines = capture_lines(CAPTURE)
    first, rest = lines[: len(lines) // 2], lines[len(lines) // 2 :]
    with running(tmp_path) as up:
        up.store_lines(first)
        status, out = up.interrupt(signal.SIGINT)  # at once: nothing was waited for
    assert status == 0, out
    assert "Traceback" not in out
    with running(tmp_path) as up:
        before = looping(up)
        assert before["status"] in ("open", "updated")
        assert set(printed(out)) == {before["id"]}
        assert up.metric("telltale_findings_open", rule="tool_call_loop") == 1
        up.store_lines(rest)
        wait_until(lambda: looping(up)["count"] == 8, lambda: looping(up))
        up.settle()
        after = looping(up)
        assert (after["id"], after["severity"]) == (before["id"], "critical")
        assert after["revision"] > before["revision"]
        assert up.rows("SELECT count(), uniqExact(CallId) FROM tool_calls") == [[8, 8]]
        sequences = "count(), uniqExact(LogAttributes['event.sequence'])"
        [[stored, distinct]] = up.rows(f"SELECT {sequences} FROM otel_logs WHERE ServiceName = 'claude-code'")  # noqa: S608
        assert stored == distinct > 8
        status, out = up.interrupt(signal.SIGTERM)
    assert status == 0, out
    revisions = printed(out)
    assert set(revisions) == {after["id"]}
    assert len(revisions) == after["revision"] - before["revision"]


def test_a_second_process_on_the_folder_is_told_who_has_it(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        done = telltale("up", "--data", str(tmp_path / "data"), *FREE_PORTS)
        assert done.returncode == 1
        assert f"in use by process {up.process.pid}" in done.stderr
        assert "--data" in done.stderr
        assert "Traceback" not in done.stderr + done.stdout
        assert up.ask("/healthz")["status"] == "ok"


# A log of 16 MiB whose messages are taken out every few seconds only: what comes faster is asked to wait.

SMALL_LOG = (
    "--set", f"log_max_bytes={16 * MB}", "--set", "batch_linger_s=15", "--set", "batch_messages=10000",
    "--set", f"batch_bytes={512 * MB}",
)  # fmt: skip


def large(number: int) -> bytes:
    """Six megabytes of log records."""
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for at in range(6):
        records.add(time_unix_nano=1_795_600_000_000_000_000 + at, event_name=f"large {number}").body.string_value = (
            "x" * MB
        )
    body: bytes = request.SerializeToString()
    return body


def test_a_full_log_asks_to_wait_and_takes_the_same_requests_afterwards(tmp_path: Path) -> None:
    bodies = {number: large(number) for number in range(4)}
    with running(tmp_path, *SMALL_LOG) as up, ThreadPoolExecutor(len(bodies)) as together:
        answers = dict(zip(bodies, together.map(lambda b: up.post("logs", b, PROTOBUF), bodies.values()), strict=True))
        refused = [number for number, answer in answers.items() if answer.status_code != 200]
        assert 1 <= len(refused) < len(bodies)
        for number in refused:
            answer = answers[number]
            assert answer.status_code == 429
            assert int(answer.headers["retry-after"]) >= 1
            assert retry_delay_s(answer.content) > 0
        with up.channel() as channel, pytest.raises(grpc.RpcError) as error:
            channel.unary_unary(METHODS["logs"])(bodies[refused[0]], timeout=30)
        assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        [details] = [value for key, value in error.value.trailing_metadata() if key == "grpc-status-details-bin"]
        assert retry_delay_s(details) > 0
        assert up.metric("telltale_receiver_requests_total", outcome="log_full") == len(refused) + 1
        for number in refused:
            wait_until(partial(is_taken, up, bodies[number]))
        sql = "SELECT EventName, count() FROM otel_logs GROUP BY EventName ORDER BY EventName"
        wait_until(lambda: up.rows(sql) == [[f"large {number}", 6] for number in bodies], lambda: up.rows(sql))


def is_taken(up: Up, body: bytes) -> bool:
    return up.post("logs", body, PROTOBUF).status_code == 200


def retry_delay_s(details: bytes) -> float:
    retry = error_details_pb2.RetryInfo()
    assert status_pb2.Status.FromString(details).details[0].Unpack(retry)
    return float(retry.retry_delay.ToNanoseconds()) / 1e9
