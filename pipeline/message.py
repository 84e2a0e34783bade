"""A message of the log, as every stage sees it."""

from __future__ import annotations

from typing import NamedTuple


class Message(NamedTuple):
    """One record of one partition. On the `otlp_*` topics it holds one OTLP export request."""

    topic: str
    partition: int
    offset: int
    timestamp_unix_nano: int
    """When the log took it."""
    value: bytes
    key: bytes | None = None


class DeadLetter(NamedTuple):
    """A message, or a part of one, that could not be used, and why."""

    topic: str
    partition: int
    offset: int
    timestamp_unix_nano: int
    reason: str
    value: bytes
