"""The sink that posts one finding to one webhook. Contract: `sinks.contract.Sink[Delivery]`.

    POST URL
    Idempotency-Key: FINDING_ID-REVISION
    Telltale-Signature: t=UNIX_SECONDS,v1=HEX        HMAC-SHA256 of "UNIX_SECONDS.BODY" with the secret

The time is part of what is signed, so that a recorded request cannot be sent again later: receivers refuse old ones.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from schemas.errors import SettingsError
from schemas.finding import SEVERITIES
from sinks.outbound import Outbound, check_url

MIN_SECRET: Final = 16
TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where findings are posted. Making one checks it."""

    name: str
    url: str
    secret: str = field(repr=False)
    """Signs; at least 16 characters."""
    min_severity: str = "warning"
    timeout_s: float = TIMEOUT_S
    attempts: int = 6
    """How often a delivery is tried before it is parked."""
    retry_s: float = 1.0
    """Before the second attempt; doubled before each further one."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        what = f"webhook {self.name!r}"
        check_url(self.url, what)
        if len(self.secret) < MIN_SECRET:
            raise SettingsError(f"{what}: the secret has less than {MIN_SECRET} characters; `openssl rand -hex 32`")
        if self.min_severity not in SEVERITIES:
            raise SettingsError(f"{what}: min_severity is one of {', '.join(SEVERITIES)}")
        for name, low, high in (("timeout_s", 0.1, 60), ("attempts", 1, 20), ("retry_s", 0.01, 600)):
            if not low <= getattr(self, name) <= high:
                raise SettingsError(f"{what}: {name} must be from {low:g} to {high:g}")


class Delivery(NamedTuple):
    """One post."""

    key: str
    """The same whenever this revision of this finding is sent."""
    body: bytes


class WebhookSink:
    """Posts deliveries, signed anew each time."""

    def __init__(self, webhook: Webhook, clock: Callable[[], float] = time.time) -> None:
        self._webhook = webhook
        self._clock = clock
        self._outbound = Outbound(webhook.url, webhook.timeout_s)

    async def start(self) -> None:
        """Nothing to prepare."""

    async def write(self, batch: Delivery) -> None:
        """Post; see `sinks.outbound.Outbound.post` for what it raises."""
        signed = signature(self._webhook.secret, int(self._clock()), batch.body)
        await self._outbound.post(batch.body, {"idempotency-key": batch.key, "telltale-signature": signed})

    async def close(self) -> None:
        """Give the connections back."""
        await self._outbound.close()


def signature(secret: str, unix_s: int, body: bytes) -> str:
    """What `Telltale-Signature` says."""
    digest = hmac.digest(secret.encode(), b"%d." % unix_s + body, "sha256").hex()
    return f"t={unix_s},v1={digest}"
