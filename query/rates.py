"""How often one asker may ask: a bucket that fills at a steady rate and holds two seconds' worth."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MAX_ASKERS: Final = 4_096
"""Beyond, the one that has not asked for longest is forgotten."""
BURST_S: Final = 2.0


class Rates:
    """Buckets by asker.

    Args:
        per_second: Questions a second.
        now: Seconds, growing.
    """

    def __init__(self, per_second: float, now: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._most = max(1.0, per_second * BURST_S)
        self._now = now
        self._buckets: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def take(self, who: bytes) -> bool:
        """Whether `who` may ask now; if so, it has asked."""
        now = self._now()
        left, at = self._buckets.pop(who, (self._most, now))
        left = min(self._most, left + (now - at) * self._per_second)
        allowed = left >= 1
        self._buckets[who] = (left - allowed, now)
        if len(self._buckets) > MAX_ASKERS:
            self._buckets.popitem(last=False)
        return allowed
