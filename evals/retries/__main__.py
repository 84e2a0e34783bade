"""`python -m evals.retries`: the table of jobs that are retried, as the scoreboard shows it."""

from __future__ import annotations

import argparse
import sys

from evals.loops.tellings import DIALECTS
from evals.retries.score import SEEDS, rows, section


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m evals.retries", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"jobs of each kind (default {SEEDS})")
    parser.add_argument("--dialect", action="append", choices=DIALECTS, help="only this dialect (repeatable)")
    options = parser.parse_args(argv)
    if options.seeds < 1:
        parser.error("--seeds must be at least 1")
    told = rows(options.seeds, options.dialect or DIALECTS, lambda what: print(f"{what} ...", file=sys.stderr))
    print(section(told, options.seeds))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
