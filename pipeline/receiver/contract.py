"""What the receiver needs from outside, and its bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from schemas.topics import Signal

Transport = Literal["grpc", "http"]


class LogWriter(Protocol):
    """Where accepted requests go."""

    async def append(self, signal: Signal, value: bytes) -> None:
        """Store one OTLP export request (protobuf bytes); return only when it is durable.

        Raises LogFullError, with the delay after which to try again, when the log is over its bound, and LimitError
        when it will never take a request as large as this; nothing was stored then.
        """
        ...


class ReceiverCounter(Protocol):
    """Told once about every request, whatever became of it."""

    def received(self, signal: str, transport: str, outcome: str, records: int, size_bytes: int) -> None:
        """Count one request.

        Args:
            signal: `traces`, `logs` or `metrics`.
            transport: `grpc` or `http`.
            outcome: `accepted`, or the kind of a RefusedError.
            records: Spans, log records or metric data points; 0 where it was refused.
            size_bytes: The request after decompression, 0 where it was never read.
        """
        ...


class NoCounter:
    """Counts nothing."""

    def received(self, signal: str, transport: str, outcome: str, records: int, size_bytes: int) -> None:
        """Forget it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the receiver."""

    max_request_bytes: int = 16 * 1024 * 1024
    """One HTTP request as sent."""
    max_decompressed_bytes: int = 64 * 1024 * 1024
    """One request once decompressed; gRPC knows this bound only."""
    max_in_flight_bytes: int = 256 * 1024 * 1024
    """Requests held in memory at one time by one protocol, over all its connections."""
    max_concurrent_rpcs: int = 4096
    """gRPC calls at one time. Beyond, gRPC itself refuses, and gives no delay after which to try again."""
    body_timeout_s: float = 30.0
    """From the headers to the end of an HTTP body."""
    busy_retry_after_s: float = 1.0
    """Delay told to a client when the receiver itself is over a bound."""
