"""CPU time per span of the real stream: log, Faust, every stage, chDB, changelogs; only receiver and API are missing.

`benchmarks.pipe` tells where the time of the stages goes; this is the sum with everything around them. Appending to
the log belongs to the receiver: it is in the sum, because the stream reads while it is appended to, and is measured
once more by itself, into a log that nobody reads, to tell what is left from the log to chDB.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import report, spans
from pipeline.assembly import detectors, normalizer
from pipeline.interpreter import tune
from pipeline.journal import LocalJournal
from pipeline.settings import Settings
from pipeline.stream import Parts, Stream
from pipeline.transport.log import Log, open_log
from schemas.topics import SPANS
from sinks.clickhouse import ClickHouseSink
from sinks.prometheus import PrometheusMetrics

TARGET_US = 60.0
WARM_UP_MESSAGES = 80
SETTLE_S = 600.0


def main(argv: list[str] | None = None) -> int:
    """Measure and print the table; 0 = within the target."""
    parser = argparse.ArgumentParser(prog="benchmarks.stream", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_200, help="of 512 spans each, measured after a warm-up")
    parser.add_argument("--short", action="store_true", help="200 messages")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/stream.md")
    options = parser.parse_args(argv)
    count = 200 if options.short else options.messages
    made = list(spans.messages(WARM_UP_MESSAGES + count))
    with tempfile.TemporaryDirectory(prefix="telltale-bench-") as folder:
        cpu_us, wall_s = asyncio.run(measure(Path(folder) / "stream", made))
        appending_us = asyncio.run(measure_appending(Path(folder) / "log", made[WARM_UP_MESSAGES:]))
    from_log_us = cpu_us - appending_us
    measured = count * spans.SPANS_PER_MESSAGE
    rows = [
        ["appending and the whole stream, CPU-us a span", f"{cpu_us:.1f}"],
        ["appending alone", f"{appending_us:.1f}"],
        ["from the log to chDB", f"{from_log_us:.1f}"],
        ["spans a second", f"{measured / wall_s:,.0f}"],
    ]
    body = (
        f"{measured:,} spans in {count:,} messages after a warm-up of {WARM_UP_MESSAGES}; {wall_s:.0f} s; "
        f"target from the log to chDB: at most {TARGET_US:.0f} us.\n\n" + report.table(["", "here"], rows)
    )
    report.publish("stream", "CPU time per span of the whole stream", body, write=options.write)
    return 0 if from_log_us <= TARGET_US else 1


async def measure(folder: Path, made: Sequence[bytes]) -> tuple[float, float]:
    """CPU-us a span in all, and wall seconds."""
    settings = Settings(data_dir=folder)
    parts = Parts(normalizer(settings), detectors(), ClickHouseSink(settings.store_url), PrometheusMetrics())
    stream = Stream(settings, parts)
    await stream.start()
    tune()
    try:
        await _append(stream.log, made[:WARM_UP_MESSAGES])
        await _settle(stream)
        cpu_ns, wall = time.process_time_ns(), time.monotonic()
        await _append(stream.log, made[WARM_UP_MESSAGES:])
        await _settle(stream)
        cpu_ns = time.process_time_ns() - cpu_ns
        count = (len(made) - WARM_UP_MESSAGES) * spans.SPANS_PER_MESSAGE
        return cpu_ns / 1000 / count, time.monotonic() - wall
    finally:
        await stream.stop()


async def measure_appending(folder: Path, values: Sequence[bytes]) -> float:
    """CPU-us a span of writing requests to a log that nobody reads."""
    log = open_log(folder)
    log.create(SPANS.name, 1)
    cpu_ns = time.process_time_ns()
    await _append(log, values)
    cpu_ns = time.process_time_ns() - cpu_ns
    log.close()
    return cpu_ns / 1000 / (len(values) * spans.SPANS_PER_MESSAGE)


async def _append(log: Log | None, values: Sequence[bytes]) -> None:
    """As fast as the log takes it, 40 requests at a time."""
    writer = LocalJournal(log)
    for start in range(0, len(values), 40):
        await asyncio.gather(*[writer.append("traces", value) for value in values[start : start + 40]])


async def _settle(stream: Stream) -> None:
    """Wait until everything is judged and stored."""
    if not await stream.settle(SETTLE_S):
        raise TimeoutError(f"the stream did not settle within {SETTLE_S:g} s")


if __name__ == "__main__":
    raise SystemExit(main())
