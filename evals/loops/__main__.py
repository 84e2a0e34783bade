"""`python -m evals.loops`: the loop scoreboard."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from evals.loops.score import SEEDS, rows
from evals.loops.table import numbers, section, worse
from evals.loops.tellings import DIALECTS

PUBLISHED = Path(__file__).with_name("published.json")


def main(argv: list[str] | None = None) -> int:
    """Print the tables; 1 where a number is worse than the published one's interval."""
    parser = argparse.ArgumentParser(
        prog="python -m evals.loops",
        description="Score loop detectors on generated sessions in every dialect.",
        epilog="Example: python -m evals.loops --seeds 5 --dialect codex",
    )
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"sessions of each kind (default {SEEDS})")
    parser.add_argument("--dialect", action="append", choices=DIALECTS, help="only this dialect (repeatable)")
    parser.add_argument("--write", action="store_true", help="publish these numbers: later runs are compared with them")
    options = parser.parse_args(argv)
    if options.seeds < 1:
        parser.error("--seeds must be at least 1")
    table = rows(options.seeds, options.dialect or DIALECTS, lambda dialect: print(f"{dialect} ...", file=sys.stderr))
    print(section(table))
    if options.write:
        PUBLISHED.write_text(json.dumps(numbers(table), indent=1) + "\n", encoding="utf-8")
        return 0
    said = worse(table, json.loads(PUBLISHED.read_text(encoding="utf-8"))) if PUBLISHED.exists() else []
    for sentence in said:
        print(f"worse: {sentence}", file=sys.stderr)
    return 1 if said else 0


if __name__ == "__main__":
    raise SystemExit(main())
