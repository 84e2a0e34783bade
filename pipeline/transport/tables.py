"""Faust's table manager without the second that it sleeps at the start."""

from __future__ import annotations

from faust.tables.manager import TableManager


class PromptTableManager(TableManager):
    """Starts recovery at once: every table is declared before the app starts, there is nothing to wait for."""

    async def on_start(self) -> None:
        """Register the changelogs and start recovery."""
        await self._update_channels()
        await self.recovery.start()
