"""How many bytes of large messages are under way between the log and the stages.

Faust bounds its buffers by a count. A hundred requests of a few kilobytes are nothing; of 16 MiB they are the machine.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Final

LARGE_BYTES: Final = 128 * 1024
MAX_BYTES: Final = 64 * 1024 * 1024
ALWAYS: Final = 4
"""So many large messages may be under way whatever their size: Faust holds on to the last one of each stream."""


class InFlight:
    """Counts large messages from when they are handed out until nobody refers to them. Belongs to one thread."""

    def __init__(self, on_room: Callable[[], None]) -> None:
        self._on_room = on_room
        self.bytes = 0
        self.count = 0

    def note(self, message: Any, size_bytes: int) -> None:
        """A message is handed out."""
        if size_bytes >= LARGE_BYTES:
            self.bytes += size_bytes
            self.count += 1
            weakref.finalize(message, self._gone, size_bytes).atexit = False

    @property
    def full(self) -> bool:
        """Whether to wait before the next message is read."""
        return self.bytes > MAX_BYTES and self.count > ALWAYS

    def _gone(self, size_bytes: int) -> None:
        self.bytes -= size_bytes
        self.count -= 1
        self._on_room()
