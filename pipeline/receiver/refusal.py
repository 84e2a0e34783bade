"""Why a request was refused, in the terms of both protocols."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from google.protobuf import duration_pb2
from google.rpc import error_details_pb2, status_pb2

Kind = Literal[
    "malformed", "too_large", "unsupported", "not_found", "method", "timeout", "log_full", "busy", "stopping", "failed"
]


class Code(NamedTuple):
    """The answer to one kind of refusal."""

    http_status: int
    grpc_code: int
    """Number of `grpc.StatusCode`, also the `code` of google.rpc.Status."""


INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, RESOURCE_EXHAUSTED, UNIMPLEMENTED, UNAVAILABLE = 3, 4, 5, 8, 12, 14

CODES: Final[dict[Kind, Code]] = {
    "malformed": Code(400, INVALID_ARGUMENT),
    "too_large": Code(413, RESOURCE_EXHAUSTED),
    "unsupported": Code(415, INVALID_ARGUMENT),
    "not_found": Code(404, NOT_FOUND),
    "method": Code(405, UNIMPLEMENTED),
    "timeout": Code(408, DEADLINE_EXCEEDED),
    "log_full": Code(429, RESOURCE_EXHAUSTED),
    "busy": Code(429, RESOURCE_EXHAUSTED),
    "stopping": Code(503, UNAVAILABLE),
    "failed": Code(503, UNAVAILABLE),
}


class RefusedError(Exception):
    """A request that was not stored; its text is the reason told to the client. It never leaves the receiver.

    `retry_after_s` is None where sending the same request again cannot help.
    """

    def __init__(self, kind: Kind, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.retry_after_s = retry_after_s

    @property
    def code(self) -> Code:
        """HTTP status and gRPC code."""
        return CODES[self.kind]

    def status(self) -> status_pb2.Status:
        """The refusal as google.rpc.Status, with RetryInfo where a retry can help."""
        status = status_pb2.Status(code=self.code.grpc_code, message=str(self))
        if self.retry_after_s is not None:
            delay = duration_pb2.Duration()
            delay.FromNanoseconds(int(self.retry_after_s * 1e9))
            status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
        return status
