"""The sink that posts alerts to Alertmanager's API v2. Contract: `sinks.contract.Sink`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from schemas.errors import SettingsError
from schemas.finding import SEVERITIES
from sinks.outbound import Outbound, check_url

PATH: Final = "/api/v2/alerts"
TIMEOUT_S: Final = 10.0
ALERTS_A_POST: Final = 100


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """Where alerts go. Making one checks it."""

    url: str
    """Base of Alertmanager, with its route prefix."""
    min_severity: str = "warning"
    resend_s: float = 60.0
    """How often an alert is told again while its finding is open; four missed tellings end it."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        check_url(self.url, "alertmanager")
        if self.min_severity not in SEVERITIES:
            raise SettingsError(f"alertmanager: min_severity is one of {', '.join(SEVERITIES)}")
        if not 1 <= self.resend_s <= 3_600:
            raise SettingsError("alertmanager: resend_s must be from 1 to 3600")


class AlertmanagerSink:
    """Posts alerts, some at a time."""

    def __init__(self, target: Alertmanager) -> None:
        self._outbound = Outbound(target.url.rstrip("/") + PATH, TIMEOUT_S)

    async def start(self) -> None:
        """Nothing to prepare."""

    async def write(self, batch: Sequence[dict[str, Any]]) -> None:
        """Post; telling an alert twice changes nothing. Raises as `sinks.outbound.Outbound.post`."""
        for first in range(0, len(batch), ALERTS_A_POST):
            await self._outbound.post(orjson.dumps(batch[first : first + ALERTS_A_POST]), {})

    async def close(self) -> None:
        """Give the connections back."""
        await self._outbound.close()
