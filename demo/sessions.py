"""The two sessions of the demonstration."""

from __future__ import annotations

import secrets
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sessions:
    """The ids of the two sessions."""

    healthy: str
    stuck: str

    @classmethod
    def fresh(cls) -> Sessions:
        """New ids that a person can tell apart."""
        suffix = secrets.token_hex(4)
        return cls(f"healthy-{suffix}", f"stuck-{suffix}")
