"""Spans per CPU-second of `telltale replay`, its start included: the command is run as a user would."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import report, spans

PROGRAM = Path(sys.executable).with_name("telltale")
TARGET_SPANS_PER_CPU_S = 25_000


def main(argv: list[str] | None = None) -> int:
    """Measure and print the table; 0 = the target is reached."""
    parser = argparse.ArgumentParser(prog="benchmarks.replay", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000, help="lines of 512 spans")
    parser.add_argument("--short", action="store_true", help="200 lines")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/replay.md")
    options = parser.parse_args(argv)
    count = 200 if options.short else options.messages
    with tempfile.TemporaryDirectory(prefix="telltale-bench-") as folder:
        empty, full = Path(folder) / "empty.jsonl", Path(folder) / "spans.jsonl"
        empty.touch()
        with full.open("w") as lines:
            lines.writelines(spans.json_lines(count))
        size_mb = full.stat().st_size / 1e6
        start_cpu_s, cpu_s = cpu_seconds(empty), cpu_seconds(full)
    total = count * spans.SPANS_PER_MESSAGE
    rate = total / cpu_s
    rows = [
        ["the whole run", f"{cpu_s:.2f}", f"{rate:,.0f}"],
        ["its start (an empty file)", f"{start_cpu_s:.2f}", ""],
        ["without the start", f"{cpu_s - start_cpu_s:.2f}", f"{total / (cpu_s - start_cpu_s):,.0f}"],
    ]
    body = (
        f"{total:,} spans in {count:,} lines of OTLP/JSON, {size_mb:.0f} MB; "
        f"target at least {TARGET_SPANS_PER_CPU_S:,} spans a CPU-second.\n\n"
        + report.table(["`telltale replay FILE`", "CPU-s", "spans a CPU-second"], rows)
    )
    report.publish("replay", "Spans per CPU-second of telltale replay", body, write=options.write)
    return 0 if rate >= TARGET_SPANS_PER_CPU_S else 1


def cpu_seconds(file: Path) -> float:
    """User and system time of one `telltale replay FILE`; raises RuntimeError when it fails."""
    with subprocess.Popen([str(PROGRAM), "replay", str(file)], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"telltale replay ended with status {process.returncode}")
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    raise SystemExit(main())
