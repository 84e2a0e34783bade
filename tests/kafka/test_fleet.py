"""A whole fleet of real processes: OpenTelemetry's SDK -> receiver -> Kafka -> workers -> ClickHouse -> API."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from demo.server import Api
from testbed.clickhouse.process import ServerProcess
from testbed.fleet import Fleet, RoleProcess
from testbed.kafka import Broker

CALLS = 6


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """ClickHouse's engine behind its HTTP port."""
    with ServerProcess(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


def loop(address: str, session: str) -> None:
    """An agent that calls the same tool with the same arguments again and again, exported by the real SDK."""
    provider = TracerProvider(resource=Resource({"service.name": "fleet-agent"}))
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(f"http://{address}/v1/traces"), schedule_delay_millis=50)
    )
    tracer = provider.get_tracer("fleet")
    for _ in range(CALLS):
        attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "read_file",
            "gen_ai.tool.call.arguments": '{"path": "/etc/hosts"}',
            "gen_ai.tool.call.result": "the same as before",
            "gen_ai.conversation.id": session,
        }
        with tracer.start_as_current_span("execute_tool read_file", attributes=attributes):
            time.sleep(0.01)
    provider.shutdown()


def within(seconds: float, holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.2)


def shared(*workers: RoleProcess) -> set[str] | None:
    """Partitions that several say they have; None while one of them has none."""
    shown = [httpx.get(f"http://{one.addresses['metrics']}/metrics", timeout=30).text for one in workers]
    owned = [
        {line.split("}")[0] for line in text.splitlines() if line.startswith("telltale_partition_lag_messages{")}
        for text in shown
    ]
    return set.intersection(*owned) if all(owned) else None


def test_spans_of_the_sdk_become_findings_of_the_api(broker: Broker, store: ServerProcess, folder: Path) -> None:
    with Fleet(folder, broker.url, store.url, create_topics=1, partitions=2) as fleet:
        first = fleet.start("worker")
        second = fleet.start("worker", wait=False)
        receiver = fleet.start("receiver")
        second.wait_ready()
        api = Api(f"http://{fleet.start('api').addresses['api']}")
        sessions = [f"fleet-{number}" for number in range(6)]
        for session in sessions:
            loop(receiver.addresses["otlp_http"], session)
        within(120, lambda: {one["session_id"] for one in api.findings()} >= set(sessions))
        within(120, lambda: api.rows("SELECT count() AS n FROM otel_traces")[0]["n"] >= CALLS * len(sessions))
        assert api.rows("SELECT count() AS n, uniqExact(SpanId) AS ids FROM otel_traces") == [
            {"n": CALLS * len(sessions), "ids": CALLS * len(sessions)}
        ]
        within(120, lambda: shared(first, second) == set())
        assert [one.stop() for one in fleet.running] == [0, 0, 0, 0], "\n".join(one.tail() for one in fleet.running)
