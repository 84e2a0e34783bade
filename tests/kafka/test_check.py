"""`telltale check` on a real broker and ClickHouse's engine behind its port: what is wrong, and what mends it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from pipeline.settings import Settings
from pipeline.transport.kafka_topics import STATEFUL, admin, changelog_of
from testbed.clickhouse import ServerProcess
from testbed.fleet import PROGRAM, Fleet
from testbed.kafka import Broker
from tests.kafka.rig import create, producer

STATES = tuple(topic.name for topic in STATEFUL)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


def check(*arguments: str, **environment: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, the parts by name, everything printed."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TELLTALE_")}
    command = [str(PROGRAM), "check", "--json", "--sample", "0.5", "--timeout", "90", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, env=clean | environment, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, {one["part"]: one for one in json.loads(done.stdout)["parts"]}, done.stdout + done.stderr


def said(part: dict[str, Any]) -> str:
    return "\n".join(f"{one['what']} -> {one['repair']}" for one in part["problems"])


def send(address: str, requests: int) -> None:
    """One span a request."""
    span = {"traceId": "0" * 31 + "1", "spanId": "0" * 15 + "1", "name": "checked"}
    span |= {"startTimeUnixNano": str(time.time_ns()), "endTimeUnixNano": str(time.time_ns())}
    for _ in range(requests):
        body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
        assert httpx.post(f"http://{address}/v1/traces", json=body, timeout=30).status_code == 200


def fresh_database(server: ServerProcess, name: str) -> str:
    httpx.post(server.url, content=f"CREATE DATABASE {name}".encode(), timeout=30).raise_for_status()
    return f"{server.url}/{name}"


async def test_a_fleet_from_nothing_to_nothing_wrong(own_broker: Broker, store: ServerProcess, folder: Path) -> None:
    where = ("--kafka", own_broker.url, "--clickhouse", fresh_database(store, "checked"))
    status, parts, _ = check(*where)
    assert status == 1
    assert "topics are missing: otlp_spans" in said(parts["kafka"])
    assert "telltale migrate" in said(parts["kafka"])
    assert "no worker is in group telltale" in said(parts["kafka"])
    assert "migrations are missing: 1 (" in said(parts["clickhouse"])

    made = subprocess.run([str(PROGRAM), "migrate", *where, "--set", "partitions=2"], capture_output=True, check=False)
    assert made.returncode == 0, made.stderr
    with Fleet(folder, own_broker.url, where[3]) as fleet:
        worker = fleet.start("worker")
        receiver = fleet.start("receiver")
        send(receiver.addresses["otlp_http"], 10)
        until = time.monotonic() + 240
        arguments = (*where, "--worker", worker.addresses["metrics"])
        status, parts, printed = check(*arguments)
        while (status or parts["kafka"]["facts"]["lag_messages"]) and time.monotonic() < until:
            status, parts, printed = check(*arguments)  # the last messages may still be on their way
        assert (status, [one["problems"] for one in parts.values()]) == (0, [[]] * 4), printed
        kafka, asked = parts["kafka"]["facts"], parts["workers"]["facts"]["processes"][0]
        assert kafka["like"] == "4.1"
        assert kafka["topics"]["otlp_spans"]["partitions"] == 2
        assert len(kafka["group"]["workers"]) == 1
        assert kafka["lag_messages"] == 0
        assert sum(one["end"] for one in kafka["partitions"] if one["topic"] == "otlp_spans") == 10
        assert [one["number"] for one in parts["clickhouse"]["facts"]["migrations"]][:1] == [1]
        assert {(one["topic"], one["partition"]) for one in asked["partitions"]} >= {
            ("otlp_spans", 0),
            ("otlp_spans", 1),
        }
        assert subprocess.run(
            [str(PROGRAM), "check", *where, "--sample", "0.5"], capture_output=True, text=True, check=True
        ).stdout.endswith("nothing is wrong\n")


async def alter(settings: Settings, **topics: dict[str, str]) -> None:
    """Set what topics override; {}: nothing."""
    async with admin(settings) as client:
        for topic, overrides in topics.items():
            await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, overrides)])


async def test_topics_that_lose_what_they_should_keep(broker: Broker, store: ServerProcess, folder: Path) -> None:
    group = "misshapen"
    settings = Settings(data_dir=folder, broker_url=broker.url, group=group)
    async with admin(settings) as client:
        there = set(await client.list_topics())
    counts = dict.fromkeys(("otlp_spans", "otlp_logs", "otlp_metrics", *STATES, "telltale.findings"), 2)
    counts |= {changelog_of(group, name): 3 if name == "telltale.calls" else 2 for name in STATES}
    await create(settings, {name: count for name, count in counts.items() if name not in there})
    await alter(settings, otlp_spans={"retention.ms": "60000", "cleanup.policy": "compact"},
                otlp_logs={"retention.ms": "60000"})  # fmt: skip
    try:
        status, parts, _ = check(
            "--kafka", broker.url, "--clickhouse", store.url, "--group", group, "--set", "kafka_replication=3"
        )
    finally:  # other tests use them too
        await alter(settings, otlp_spans={}, otlp_logs={})
    told = said(parts["kafka"])
    assert status == 1
    assert "different numbers of partitions" in told
    assert "otlp_spans: cleanup.policy is compact, and has to be delete" in told
    assert "otlp_logs: retention.ms is 60000" in told
    assert f"--entity-name {changelog_of(group, 'telltale.calls')} --add-config cleanup.policy=compact" in told
    assert "max.message.bytes is" in told
    assert "1 replicas, and kafka_replication = 3" in told


async def test_messages_that_wait_for_nobody_are_counted(
    own_broker: Broker, store: ServerProcess, folder: Path
) -> None:
    settings = Settings(data_dir=folder, broker_url=own_broker.url, group="nobody")
    async with admin(settings) as client:
        if "otlp_metrics" not in await client.list_topics():
            await create(settings, {"otlp_metrics": 1})
    async with producer(settings) as sending:
        await sending.send_and_wait("otlp_metrics", b"", partition=0)
    status, parts, _ = check("--kafka", own_broker.url, "--clickhouse", store.url, "--group", "nobody")
    assert status == 1
    assert parts["kafka"]["facts"]["lag_messages"] >= 1
    assert "telltale worker --kafka" in said(parts["kafka"])
    assert "--group nobody" in said(parts["kafka"])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        pytest.param(
            ["kafka_security_protocol=SSL"], "it closed the connection -> the listener wants", id="TLS to plain"
        ),
        pytest.param(
            ["kafka_security_protocol=SASL_PLAINTEXT", "kafka_username=me"], "asks for no SASL", id="SASL to plain"
        ),
    ],
)
def test_a_listener_that_is_another_is_told(
    broker: Broker, store: ServerProcess, settings: list[str], says: str
) -> None:
    extra = [word for one in settings for word in ("--set", one)]
    status, parts, printed = check(
        "--kafka", broker.url, "--clickhouse", store.url, *extra, TELLTALE_KAFKA_PASSWORD="hunter2"
    )
    assert status == 2
    assert says in said(parts["kafka"])
    assert parts["clickhouse"]["facts"]["version"]
    assert "hunter2" not in printed


def test_what_is_down_hides_nothing_else_and_is_named(store: ServerProcess, broker: Broker) -> None:
    status, parts, printed = check(
        "--kafka", "kafka://127.0.0.1:1,no-such-host.invalid:9092", "--clickhouse", store.url
    )
    assert status == 2
    assert "127.0.0.1:1: nothing listens there" in said(parts["kafka"])
    assert "no-such-host.invalid:9092: this name cannot be resolved" in said(parts["kafka"])
    assert parts["clickhouse"]["facts"]["version"]
    status, parts, printed = check(
        "--kafka", f"{broker.url},127.0.0.1:1", "--clickhouse", "http://me:hunter2@127.0.0.1:1/x"
    )
    assert status == 2
    assert "127.0.0.1:1: nothing listens there" in said(parts["kafka"])
    assert parts["kafka"]["facts"]["like"] == "4.1"
    assert "no ClickHouse answers" in said(parts["clickhouse"])
    assert "hunter2" not in printed


def test_what_never_answers_is_given_up_in_time(store: ServerProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        status, parts, _ = check(
            "--kafka",
            f"kafka://{address}",
            "--clickhouse",
            f"http://{address}/x",
            "--timeout",
            "2",
            "--worker",
            address,
        )
    assert status == 2
    assert {name for name, one in parts.items() if one["verdict"] == "unknown"} == {"kafka", "clickhouse", "workers"}
    assert all("answer" in said(parts[name]) for name in ("kafka", "clickhouse"))
