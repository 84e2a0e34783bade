"""Every benchmark, one after the other; exit 1 when one of them misses its target."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

from benchmarks import answers, fleet, guard, ledger, live, pipe, replay, stream, sweep

MAINS: Final[tuple[Callable[[list[str]], int], ...]] = (
    *(pipe.main, stream.main, replay.main, live.main, ledger.main),
    *(sweep.main, fleet.main, answers.main, guard.main),
)


def main(argv: list[str]) -> int:
    """Run all with the same arguments (`--short`, `--write`)."""
    return max(run(argv) for run in MAINS)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
