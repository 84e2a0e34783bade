"""Garbage collection for a process that makes a million short-lived objects a second and hardly a cycle.

With Python's defaults the collector walks the rows of a batch again and again: half of all CPU time in
`benchmarks.pipe`. Reference counting frees nearly everything here; the collector is left for the rare cycle.
"""

from __future__ import annotations

import gc
from typing import Final

YOUNG: Final = 200_000
"""Objects made and not freed before the youngest are looked at."""


def tune() -> None:
    """Call once, when imports are done: what lives now is never looked at again, the rest seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
