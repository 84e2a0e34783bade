"""What the cost of a span depends on: message size, attributes, tool calls, sessions and series alive.

The stages of the worker in one thread, from decoded message to ClickHouse's port (an HTTP server that throws rows
away, in a process of its own); Kafka and Faust, which cost the same for every mix, are measured by `benchmarks.fleet`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import multiprocessing
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

from benchmarks import report
from benchmarks.clock import StageClock
from benchmarks.mixes import Mix
from benchmarks.scratch import scratch
from benchmarks.stages import Pipe, open_pipe
from pipeline.interpreter import tune
from testbed.clickhouse import ServerProcess

BATCH_SPANS: Final = 20_480
"""Spans that are stored together, as in the worker's full batches."""
MAX_BATCH_MESSAGES: Final = 40
GROWTH: Final = 1.5
"""Most that a span may cost with the most sessions, against the fewest."""
SESSION_BYTES: Final = 4_096
T = TypeVar("T")
PROCESS_LIMITS: Final = {"max_keys": 4_000_000, "max_series": 1_000_000}
TURNS: Final = (1, 10, 40)

MIX: Final = Mix()
MEMORY: Final = replace(MIX, sessions=20_480)
SHORT_MEMORY: Final = replace(MIX, sessions=2_048)
SIZES: Final = [replace(MIX, spans_per_message=count) for count in (16, 64, 512, 2_048, 8_192)]
ATTRIBUTES: Final = [replace(MIX, attributes=count) for count in (5, 15, 40)]
TOOLS: Final = [replace(MIX, tool_share=share) for share in (0.0, 0.25, 0.5, 1.0)]
SERIES: Final = [replace(MIX, series=count) for count in (100, 1_000, 10_000, 100_000)]
SESSIONS: Final = [replace(MIX, sessions=count) for count in (100, 1_000, 10_000, 100_000, 1_000_000)]
TABLES: Final = (
    ("spans a message", "spans_per_message", SIZES),
    ("attributes a span", "attributes", ATTRIBUTES),
    ("share of tool calls", "tool_share", TOOLS),
    ("series alive", "series", SERIES),
    ("sessions alive", "sessions", SESSIONS),
)
"""What varies, the field of `Mix` that says so, and the mixes."""


def main(argv: list[str] | None = None) -> int:
    """Measure and print the tables; 0 = within the targets."""
    parser = argparse.ArgumentParser(prog="benchmarks.sweep", description=__doc__)
    parser.add_argument("--spans", type=int, default=200_000, help="measured for each mix")
    parser.add_argument("--most", type=int, default=1_000_000, help="sessions and series; mixes with more are left out")
    parser.add_argument("--short", action="store_true", help="40,960 spans, up to 10,000 sessions and series")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/sweep.md")
    options = parser.parse_args(argv)
    count, most = (40_960, 10_000) if options.short else (options.spans, options.most)
    parts, growth = [], 1.0
    for title, name, mixes in TABLES:
        run = [mix for mix in mixes if max(mix.sessions, mix.series) <= most]
        costs = [alone(measure, mix, count) for mix in run]
        rows = [[f"{getattr(mix, name):,}", f"{cost:.1f}"] for mix, cost in zip(run, costs, strict=True)]
        parts.append(report.table([title, "CPU-us a span"], rows))
        if mixes is SESSIONS:
            growth = costs[-1] / costs[0]
    held = alone(memory, SHORT_MEMORY if options.short else MEMORY)
    parts.append(report.table(["spans of each session so far", "bytes of memory a session"], _held(held)))
    worst = max(held.values())
    parts.append(
        f"Most sessions against fewest: {growth:.2f} times the cost, target at most {GROWTH}. Memory of a live "
        f"session: {worst:,.0f} bytes at most, target {SESSION_BYTES:,}."
    )
    head = f"{count:,} spans for each row, after a warm-up; what a table does not vary is `{MIX}`."
    report.publish("sweep", "What the cost of a span depends on", "\n\n".join([head, *parts]), write=options.write)
    return 0 if growth <= GROWTH and worst <= SESSION_BYTES else 1


def _held(held: dict[int, float]) -> list[list[str]]:
    return [[str(turns), f"{size:,.0f}"] for turns, size in held.items()]


def measure(mix: Mix, count: int) -> float:
    """CPU-us a span, once every session and nearly every series is alive."""
    prime = max(BATCH_SPANS, mix.sessions, 2 * mix.series)

    async def run(pipe: Pipe) -> float:
        primed, measured = -(-prime // mix.spans_per_message), -(-count // mix.spans_per_message)
        await _feed(pipe, mix, mix.messages(primed), 0)
        made = list(mix.messages(measured, first=primed))
        cpu_ns = time.process_time_ns()
        await _feed(pipe, mix, made, primed)
        return (time.process_time_ns() - cpu_ns) / 1000 / (measured * mix.spans_per_message)

    return _with_pipe(run)


def memory(mix: Mix) -> dict[int, float]:
    """Spans of each session so far -> resident memory that a session has added, bytes."""

    async def run(pipe: Pipe) -> dict[int, float]:
        warm = replace(mix, sessions=100)
        await _feed(pipe, warm, warm.messages(BATCH_SPANS // mix.spans_per_message), 0)
        rss_bytes = _rss_bytes()
        turn = mix.sessions // mix.spans_per_message
        found, before = {}, 0
        for turns in TURNS:
            await _feed(pipe, mix, mix.messages((turns - before) * turn, first=before * turn), before * turn)
            before = turns
            found[turns] = (_rss_bytes() - rss_bytes) / mix.sessions
        return found

    return _with_pipe(run)


def alone(function: Callable[..., T], *arguments: Any) -> T:
    """Call it in a process of its own, whose memory nobody else has stretched."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=tune) as pool:
        found = pool.submit(function, *arguments).result()
    print(f"{arguments}: {found}", flush=True)
    return found


def _with_pipe(run: Callable[[Pipe], Awaitable[T]]) -> T:
    with scratch() as folder, ServerProcess(folder / "server", "--drain") as store:
        return asyncio.run(_open_and_run(run, folder, store.url))


async def _open_and_run(run: Callable[[Pipe], Awaitable[T]], folder: Path, url: str) -> T:
    pipe = await open_pipe(folder, StageClock(), store_url=f"{url}/default", **PROCESS_LIMITS)
    try:
        return await run(pipe)
    finally:
        await pipe.close()


async def _feed(pipe: Pipe, mix: Mix, values: Iterable[bytes], first_offset: int) -> None:
    size = max(1, min(MAX_BATCH_MESSAGES, BATCH_SPANS // mix.spans_per_message))
    source = iter(values)
    while batch := list(itertools.islice(source, size)):
        await pipe.batch(batch, first_offset)
        first_offset += len(batch)


def _rss_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    raise SystemExit(main())
