"""CPU time per span from the log to chDB, everything on: decode, sessions, redaction, series, inserts, detection.

The same objects as in `telltale up`, called in one thread without Faust and the log, whose own cost a message
(about 0.2 ms over 512 spans) is measured by `benchmarks.live`.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from benchmarks import report, spans
from benchmarks.clock import StageClock
from benchmarks.stages import INSERT, Pipe, open_pipe
from pipeline.interpreter import tune

TARGET_US = 60.0
BATCH_MESSAGES = 40
WARM_UP_MESSAGES = 80


def main(argv: list[str] | None = None) -> int:
    """Measure and print the table; 0 = within the target."""
    parser = argparse.ArgumentParser(prog="benchmarks.pipe", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_200, help="of 512 spans each, measured after a warm-up")
    parser.add_argument("--short", action="store_true", help="200 messages")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/pipe.md")
    options = parser.parse_args(argv)
    tune()  # as `telltale up` does
    count = 200 if options.short else options.messages
    with tempfile.TemporaryDirectory(prefix="telltale-bench-") as folder:
        clock = StageClock()
        total_us, wall_s = asyncio.run(measure(Path(folder), count, clock))
    measured = count * spans.SPANS_PER_MESSAGE
    # what the stages' own thread did not do, the database's threads did: inserts and the merges behind them
    del clock.spent_ns[INSERT]
    clock.spent_ns[INSERT] = int(total_us * 1000 * measured) - sum(clock.spent_ns.values())
    rows = [
        [name, f"{spent / measured / 1000:.2f}", f"{spent / 1000 / measured / total_us:.0%}"]
        for name, spent in sorted(clock.spent_ns.items(), key=lambda row: -row[1])
    ]
    rows.append(["**all**", f"**{total_us:.2f}**", "100%"])
    body = (
        f"{measured:,} spans in {count:,} messages after a warm-up of {WARM_UP_MESSAGES}; {wall_s:.0f} s; "
        f"target at most {TARGET_US:.0f} us.\n\n" + report.table(["stage", "CPU-us a span", "share"], rows)
    )
    report.publish("pipe", "CPU time per span from the log to chDB", body, write=options.write)
    return 0 if total_us <= TARGET_US else 1


async def measure(folder: Path, count: int, clock: StageClock) -> tuple[float, float]:
    """CPU-us a span in all, and wall seconds."""
    pipe = await open_pipe(folder, clock)
    try:
        made = list(spans.messages(WARM_UP_MESSAGES + count))
        await feed(pipe, made[:WARM_UP_MESSAGES], first_offset=0)
        clock.spent_ns.clear()
        cpu_ns, wall = time.process_time_ns(), time.monotonic()
        await feed(pipe, made[WARM_UP_MESSAGES:], first_offset=WARM_UP_MESSAGES)
        cpu_ns = time.process_time_ns() - cpu_ns
        return cpu_ns / 1000 / (count * spans.SPANS_PER_MESSAGE), time.monotonic() - wall
    finally:
        await pipe.close()


async def feed(pipe: Pipe, values: list[bytes], first_offset: int) -> None:
    """Give the pipe its messages in batches."""
    for start in range(0, len(values), BATCH_MESSAGES):
        await pipe.batch(values[start : start + BATCH_MESSAGES], first_offset + start)


if __name__ == "__main__":
    raise SystemExit(main())
