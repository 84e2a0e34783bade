"""How many bytes of requests are in memory."""

from __future__ import annotations

from pipeline.receiver.contract import Limits
from pipeline.receiver.refusal import RefusedError


class HeldBytes:
    """Counts the bytes that one protocol holds, over all its connections."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = 0

    def take(self, size_bytes: int) -> None:
        """Count bytes that are held from now on.

        Raises:
            RefusedError: There are too many already; these were not counted.
        """
        if self._held + size_bytes > self._limits.max_in_flight_bytes:
            raise RefusedError("busy", "too many requests are being read", self._limits.busy_retry_after_s)
        self._held += size_bytes

    def release(self, size_bytes: int) -> None:
        """Give back what was taken."""
        self._held -= size_bytes
