"""How Python itself is set up for a process that reads telemetry: `prepare` before the imports, `tune` after them.

The garbage collector: a batch is a million short-lived objects and hardly a cycle, and with Python's defaults the
collector walks them again and again: half of all CPU time in `benchmarks.pipe`. Reference counting frees nearly
everything here; the collector is left for the rare cycle.
"""

from __future__ import annotations

import gc
import sys
from typing import Final

YOUNG: Final = 200_000
"""Objects made and not freed before the youngest are looked at."""

SWITCH_S: Final = 0.0005
"""How long a busy thread keeps the interpreter: at Python's 5 ms each answer of the log waits for normalize."""


class _WithoutPandas:
    """Says that pandas is not there (contract: `importlib.abc.MetaPathFinder`)."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        """Refuse pandas, leave everything else to the finders that follow."""
        del path, target
        if name.partition(".")[0] == "pandas":
            raise ModuleNotFoundError("pandas is left out on purpose: see pipeline/interpreter.py", name=name)


def prepare() -> None:
    """Call before pyarrow makes its first array: it imports pandas then, where that is installed.

    chDB brings pandas along and nothing here uses it; it costs a second of CPU and 33 MB.
    """
    sys.meta_path.insert(0, _WithoutPandas)


def tune() -> None:
    """Call once, when imports are done: what lives now is never looked at again, the rest seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
    sys.setswitchinterval(SWITCH_S)
