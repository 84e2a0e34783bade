"""Tables of results, in Markdown, headed by what they were measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

RESULTS: Final = Path(__file__).parent / "results"
VERSIONS: Final = ("chdb", "clickhouse-connect", "faust-streaming", "opentelemetry-proto", "protobuf", "pyarrow")


def machine() -> str:
    """One line: processor, cores, operating system, Python and the packages that matter."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in VERSIONS)
    return (
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {versions}"
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; columns after the first are right-aligned."""
    rule = ["---", *(["---:"] * (len(header) - 1))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


def publish(name: str, title: str, body: str, *, write: bool) -> None:
    """Print a report, and write it to benchmarks/results/NAME.md when asked to."""
    command = " ".join(["python -m", f"benchmarks.{name}", *sys.argv[1:]])
    text = f"# {title}\n\n`{command}`\n\n{machine()}\n\n{body}\n"
    print(text)
    if write:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.md").write_text(text)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"
