"""How right the detectors are: `python -m evals.scoreboard` prints the table and writes docs/scoreboard.md and .json.

    python -m evals.scoreboard                          all of it, half an hour on two cores
    python -m evals.scoreboard --small                  a glance, a minute or two; writes nothing
    python -m evals.scoreboard --keep F --minutes 30    so long at most, and the next run with F goes on from there

Seeded: the same commit gives the same table. Where time was short the page says how many planned series were run.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import os
import pickle
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any, Final, Protocol

from evals.loops import score as loops
from evals.loops.table import section
from evals.loops.tellings import DIALECTS
from evals.retries import score as retries
from evals.series import plan, table

ROOT: Final = Path(__file__).parents[1]
SMALL_SEEDS: Final = 3
LOOPS: Final = "## Tool-call loops"
RETRIES: Final = "## Failures retried by fresh sessions"
PAGE: Final = ROOT / "docs" / "scoreboard.md"
NUMBERS: Final = ROOT / "docs" / "scoreboard.json"


class Task(Protocol):
    """Something to simulate, in a process of its own; equal tasks give equal results."""

    def run(self) -> Any:
        """The result."""
        ...


def _run(task: Task) -> tuple[Task, Any]:
    return task, task.run()


class Kept:
    """Results by task; in a file, so that a run which was cut off goes on."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.results: dict[Task, Any] = {}
        if file is not None and file.exists():
            with file.open("r+b") as stream:
                whole = 0
                with contextlib.suppress(EOFError, pickle.UnpicklingError):  # the last one may have been cut off
                    while True:
                        task, result = pickle.load(stream)  # noqa: S301 - written by ourselves, named by who runs this
                        self.results[task] = result
                        whole = stream.tell()
                stream.truncate(whole)

    def keep(self, task: Task, result: Any) -> None:
        """One result more."""
        self.results[task] = result
        if self._file is not None:
            with self._file.open("ab") as stream:
                pickle.dump((task, result), stream)


def run_all(tasks: Sequence[Task], workers: int, kept: Kept, seconds: float, tell: Callable[[str], None]) -> None:
    """Run in several processes what is not kept yet, in the order of the tasks, for so long at most."""
    began = time.monotonic()
    left = iter([task for task in tasks if task not in kept.results])
    with ProcessPoolExecutor(workers) as pool:
        under_way = {pool.submit(_run, task) for task in itertools.islice(left, 2 * workers)}
        while under_way:
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                kept.keep(*future.result())
                task = next(left, None) if time.monotonic() - began < seconds else None
                if task is not None:
                    under_way.add(pool.submit(_run, task))
            tell(f"{len(kept.results)} of {len(tasks)} series, {time.monotonic() - began:.0f} s")


def series(
    full: bool, workers: int, tell: Callable[[str], None], kept: Kept | None = None, seconds: float = math.inf
) -> table.Board:
    """Simulate and count everything about series."""
    kept = kept or Kept(None)
    groups: list[list[Any]] = [plan.healthy(full), plan.changed(full), plan.blips(full), plan.replayed(full)]
    tasks: list[Any] = [task for group in groups for task in group]
    ordered: list[Any] = sorted(tasks, key=plan.turn)
    run_all(ordered, workers, kept, seconds, tell)
    healthy, changed, blips, replayed = ([(t, kept.results[t]) for t in g if t in kept.results] for g in groups)
    board = table.count(healthy, changed, blips) | {"replayed": table.replayed([result for _, result in replayed])}
    return board | {"run": {"series": sum(task in kept.results for task in tasks), "planned": len(tasks)}}


def main() -> int:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="a glance; writes nothing")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--keep", type=Path, help="file of results: what stands there is not run again")
    parser.add_argument("--minutes", type=float, default=math.inf, help="run series for so long at most")
    options = parser.parse_args()

    def tell(text: str) -> None:
        print(f"\r{text}", end="", file=sys.stderr, flush=True)

    try:
        kept = Kept(options.keep)
        board = series(not options.small, options.workers, tell, kept, options.minutes * 60)
    except KeyboardInterrupt:
        print("\ninterrupted; no page was written", file=sys.stderr)
        return 130
    print(file=sys.stderr)
    told = section(loops.rows(SMALL_SEEDS if options.small else loops.SEEDS, DIALECTS, tell))
    seeds = SMALL_SEEDS if options.small else retries.SEEDS
    retried = retries.section(retries.rows(seeds, DIALECTS, tell), seeds)
    page = f"{table.markdown(board)}\n{LOOPS}\n\n{told}\n\n{RETRIES}\n\n{retried}\n"
    print(page)
    if not options.small:
        PAGE.write_text(page, encoding="utf-8")
        NUMBERS.write_text(json.dumps(board, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        print(f"written: {PAGE.relative_to(ROOT)}, {NUMBERS.relative_to(ROOT)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
