"""CPU time per span from Kafka to ClickHouse's port: Telltale's worker beside the OpenTelemetry Collector.

Both read the same messages from a real broker, in turns, several runs each. The port is ClickHouse's HTTP
interface that counts and throws away the rows of inserts, so that no database works beside them. The worker does
everything it does: decoding, session model, signatures, redaction, slices, re-keying, all detectors. The Collector
stores traces only. Time is user + system of each process, from /proc, from rest to rest: what happens before the
warm-up is stored (imports, connecting, joining the group, the warm-up) is told apart.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks import collector, report, spans
from benchmarks.processes import Measured
from benchmarks.scratch import scratch
from testbed.clickhouse import ServerProcess
from testbed.kafka import Broker

TARGET_US: Final = 45.0
WORKERS_WITHIN: Final = 0.10
TELLTALE: Final = str(Path(sys.executable).with_name("telltale"))
TOPIC: Final = "otlp_spans"
TABLE: Final = "otel_traces"
MAX_BYTES: Final = 8_000_000
POLL_S: Final = 0.02
QUIET_S: Final = 1.0
REST_S: Final = 5.0
STILL_S: Final = 120.0
"""So long may nothing happen."""


class Load(NamedTuple):
    """What is read."""

    warm_up: int
    """Messages that are stored before the clock starts."""
    measured: int
    """Messages that are sent when it has started."""
    partitions: int = 4


class Run(NamedTuple):
    """One run of one side."""

    cpu_us: float
    """A span, of all its processes together."""
    start_cpu_s: float
    """CPU time of one process until it had stored the warm-up and rested."""
    rest_ms_s: float
    """CPU-ms a second of one process that has nothing to do. It is in `cpu_us`, for as long as the run took."""
    wall_s: float
    rss_mb: float
    """Of the largest process, at the end."""


class Side(NamedTuple):
    """How a process of one side is started."""

    command: list[str]
    environment: dict[str, str]


def main(argv: list[str] | None = None) -> int:
    """Measure and print the tables; 0 = within the targets."""
    parser = argparse.ArgumentParser(prog="benchmarks.fleet", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_200, help="of 512 spans each, measured after a warm-up")
    parser.add_argument("--runs", type=int, default=3, help="of each side; medians count")
    parser.add_argument("--short", action="store_true", help="150 messages, one run each")
    parser.add_argument("--without-collector", action="store_true", help="only the worker")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/fleet.md")
    options = parser.parse_args(argv)
    load = Load(40, 150) if options.short else Load(80, options.messages)
    with scratch() as folder:
        bench = Bench(folder, load)
        rounds = 1 if options.short else options.runs
        baseline, workers = bench.compare(rounds, with_collector=not options.without_collector)
        scaled = {count: bench.run("worker", count) for count in (2, 4)}
    body, fine = _report(load, baseline, workers, scaled)
    report.publish("fleet", "CPU time per span from Kafka to ClickHouse's port", body, write=options.write)
    return 0 if fine else 1


class Bench:
    """The messages, and runs over them, each with a broker and a store of its own."""

    def __init__(self, folder: Path, load: Load) -> None:
        self._folder = folder
        self._load = load
        self._runs = 0
        self._messages = list(spans.messages(load.warm_up + load.measured))

    def compare(self, rounds: int, *, with_collector: bool) -> tuple[list[Run], list[Run]]:
        """Runs of the Collector and of one worker, in turns, so that both see the same machine."""
        baseline, workers = [], []
        for _ in range(rounds):
            if with_collector:
                baseline.append(self.run("collector", 1))
            workers.append(self.run("worker", 1))
        return baseline, workers

    def run(self, name: str, count: int) -> Run:
        """One run of `count` processes, from start to rest."""
        self._runs += 1
        folder = self._folder / f"run{self._runs}"
        broker = Broker(folder / "broker")
        broker.start()
        try:
            with ServerProcess(folder / "store", "--drain") as store, ExitStack() as stack:
                side = self._side(name, folder, broker, store)
                asyncio.run(_prepare(broker, self._load.partitions))
                asyncio.run(_send(broker, self._messages[: self._load.warm_up], self._load.partitions))
                logs = [folder / f"{name}{number}.log" for number in range(count)]
                running = [stack.enter_context(Measured(side.command, log, side.environment)) for log in logs]
                done = self._watch(broker, store, running)
        finally:
            broker.stop()
            shutil.rmtree(folder / "broker")
        print(f"{count} {name}: {done.cpu_us:.2f} CPU-us a span, {done.wall_s:.0f} s, {done.rss_mb:.0f} MB", flush=True)
        return done

    def _side(self, name: str, folder: Path, broker: Broker, store: ServerProcess) -> Side:
        if name == "collector":
            return Side(collector.command(folder, _address(broker), store.url, "bench"), {})
        environment = {
            "TELLTALE_BROKER_URL": broker.url,
            "TELLTALE_STORE_URL": f"{store.url}/default",
            "TELLTALE_PARTITIONS": str(self._load.partitions),
            "TELLTALE_CREATE_TOPICS": "1",
            "TELLTALE_CREATE_TABLES": "1",
            "TELLTALE_METRICS": "127.0.0.1:0",
            "TELLTALE_WATCHDOG_S": "120",  # on a machine that is busy with other things a batch may take half a minute
        }
        return Side([TELLTALE, "worker"], environment)

    def _watch(self, broker: Broker, store: ServerProcess, running: Sequence[Measured]) -> Run:
        """Read CPU time when the warm-up is over and every process rests, send the rest, read it again at the end.

        What is judged after it was stored is in it, and nothing can be worked ahead.
        """
        _wait_stored(store, self._load.warm_up * spans.SPANS_PER_MESSAGE, running)
        start_s, rest_ms_s = _quiet(running) / len(running), _at_rest(running)
        before_s = sum(one.cpu_s() for one in running)
        began = time.monotonic()
        asyncio.run(_send(broker, self._messages[self._load.warm_up :], self._load.partitions))
        _wait_stored(store, len(self._messages) * spans.SPANS_PER_MESSAGE, running)
        wall_s = time.monotonic() - began
        after_s = _quiet(running)
        count = self._load.measured * spans.SPANS_PER_MESSAGE
        rss_mb = max(one.rss_bytes() for one in running) / 1e6
        return Run((after_s - before_s) * 1e6 / count, start_s, rest_ms_s, wall_s, rss_mb)


def _address(broker: Broker) -> str:
    return broker.url.removeprefix("kafka://")


async def _prepare(broker: Broker, partitions: int) -> None:
    """Make the topic before anybody listens."""
    admin = AIOKafkaAdminClient(bootstrap_servers=_address(broker))
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC, partitions, 1)])
    await admin.close()


async def _send(broker: Broker, values: Sequence[bytes], partitions: int) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=_address(broker), max_request_size=MAX_BYTES, linger_ms=5)
    await producer.start()
    try:
        for number, value in enumerate(values):
            await producer.send(TOPIC, value, partition=number % partitions)
        await producer.flush()
    finally:
        await producer.stop()


def _wait_stored(store: ServerProcess, spans_expected: int, running: Sequence[Measured]) -> None:
    before, since = -1, time.monotonic()
    while (stored := store.drained().get(TABLE, 0)) < spans_expected:
        for one in running:
            one.check_runs()
        if stored != before:
            before, since = stored, time.monotonic()
        elif time.monotonic() - since > STILL_S:
            raise TimeoutError(f"{stored:,} of {spans_expected:,} spans are stored, and no more came in {STILL_S:g} s")
        time.sleep(POLL_S)
    if stored != spans_expected:
        raise RuntimeError(f"{stored:,} spans were stored of {spans_expected:,}")


def _quiet(running: Sequence[Measured]) -> float:
    """CPU time of all processes when they had come to rest."""
    before = sum(one.cpu_s() for one in running)
    until = time.monotonic() + STILL_S
    while time.monotonic() < until:
        time.sleep(QUIET_S)
        after = sum(one.cpu_s() for one in running)
        if after - before < 0.1 * QUIET_S * len(running):
            return before
        before = after
    raise TimeoutError("the processes did not come to rest")


def _at_rest(running: Sequence[Measured]) -> float:
    """CPU-ms a second of one process, over some seconds without input."""
    before = sum(one.cpu_s() for one in running)
    time.sleep(REST_S)
    return (sum(one.cpu_s() for one in running) - before) * 1000 / REST_S / len(running)


def _report(load: Load, baseline: list[Run], workers: list[Run], scaled: dict[int, Run]) -> tuple[str, bool]:
    worker_us = statistics.median(run.cpu_us for run in workers)
    rows = [_row("OpenTelemetry Collector, traces only", baseline)] if baseline else []
    rows.append(_row("Telltale's worker, everything on", workers))
    if baseline:
        ratio = worker_us / statistics.median(run.cpu_us for run in baseline)
        rows.append(["ratio", f"{ratio:.2f}", "", "", "", "", ""])
    header = ["", "CPU-us a span", "runs", "start, CPU-s", "at rest, CPU-ms a second", "wall, s", "memory, MB"]
    counts = [
        [f"{count} workers", f"{run.cpu_us:.1f}", f"{run.cpu_us / worker_us - 1:+.0%}"] for count, run in scaled.items()
    ]
    body = (
        f"{load.measured * spans.SPANS_PER_MESSAGE:,} spans in {load.measured:,} messages of "
        f"{spans.SPANS_PER_MESSAGE}, after a warm-up of {load.warm_up}; {load.partitions} partitions; medians of "
        f"{len(workers)} runs. Target: at most {TARGET_US:g} us.\n\n{report.table(header, rows)}\n\n"
        "Several workers of one group, CPU time of all of them together; target: within 10 % of one.\n\n"
        + report.table(["", "CPU-us a span", "against one"], counts)
    )
    scale = all(abs(run.cpu_us / worker_us - 1) <= WORKERS_WITHIN for run in scaled.values())
    return body, worker_us <= TARGET_US and scale


def _row(name: str, runs: list[Run]) -> list[str]:
    median = [statistics.median(values) for values in zip(*runs, strict=True)]
    each = ", ".join(f"{run.cpu_us:.1f}" for run in runs)
    return [name, f"**{median[0]:.1f}**", each, f"{median[1]:.1f}", *(f"{value:.0f}" for value in median[2:])]


if __name__ == "__main__":
    raise SystemExit(main())
