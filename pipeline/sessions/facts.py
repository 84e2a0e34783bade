"""What the session model found in one table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from schemas.facts import Link, Marker, ModelCall, ToolCall

MESSAGE: Final = "message"
"""The signal of a tool call that was read from a model call's messages, not from a span or log of its own."""


@dataclass(slots=True)
class Facts:
    """Facts of one table, each list beside the list of the rows (0-based) they came from."""

    claimed: npt.NDArray[np.bool_]
    """Rows that belong to an agent's dialect: they make no series of their own."""
    ignored: npt.NDArray[np.bool_]
    """Claimed rows that a dialect declares to be noise: neither fact nor series."""
    tool_calls: list[ToolCall] = field(default_factory=list)
    tool_call_rows: list[int] = field(default_factory=list)
    model_calls: list[ModelCall] = field(default_factory=list)
    model_call_rows: list[int] = field(default_factory=list)
    markers: list[Marker] = field(default_factory=list)
    marker_rows: list[int] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    link_rows: list[int] = field(default_factory=list)

    @classmethod
    def empty(cls, rows: int) -> Facts:
        """Facts of a table of which nothing is known yet."""
        return cls(np.zeros(rows, dtype=np.bool_), np.zeros(rows, dtype=np.bool_))
