"""What a process of ours is composed of."""

from __future__ import annotations

from typing import Protocol


class Part(Protocol):
    """One role within a process. `start` once, `stop` once, also when `start` failed."""

    async def start(self) -> dict[str, str]:
        """Return when it works: what it listens on, name -> HOST:PORT; raises TelltaleError."""
        ...

    async def failed(self) -> None:
        """Wait until it breaks, and raise why."""
        ...

    async def stop(self) -> None:
        """Finish what is under way, let go of everything."""
        ...
