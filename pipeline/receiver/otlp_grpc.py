"""OTLP over gRPC: the Export calls of TraceService, LogsService and MetricsService.

Specification: https://opentelemetry.io/docs/specs/otlp/#otlpgrpc. Requests come as raw bytes: they are parsed once, to
know that they can be, and go to the log as they came. gzip and the size bound, on what was sent and on what it
inflates to, are gRPC's own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc

from pipeline.receiver.contract import Limits
from pipeline.receiver.intake import Intake, Receipt
from pipeline.receiver.memory import HeldBytes
from pipeline.receiver.refusal import RefusedError
from pipeline.receiver.requests import EXPORTS, Export
from schemas.errors import SettingsError

STATUS_DETAILS: Final = "grpc-status-details-bin"
STATUS_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


class OtlpGrpcServer:
    """Listens on one address. `start` once, `stop` once."""

    def __init__(self, intake: Intake, host: str, port: int, limits: Limits | None = None) -> None:
        self._intake = intake
        self._address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._limits = limits or Limits()
        self._server: Any = None
        self.port = port
        """The real port once started."""

    async def start(self) -> None:
        """Listen.

        Raises:
            SettingsError: The address cannot be had.
        """
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", self._limits.max_decompressed_bytes),
                ("grpc.so_reuseport", 0),  # or a second process would silently share the port
            ],
            maximum_concurrent_rpcs=self._limits.max_concurrent_rpcs,
        )
        held = HeldBytes(self._limits)
        server.add_generic_rpc_handlers(tuple(_handlers(export, self._intake, held) for export in EXPORTS))
        try:
            self.port = server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise SettingsError(f"OTLP/gRPC cannot listen on {self._address}: is the port in use?") from error
        await server.start()
        self._server = server

    async def stop(self, grace_s: float = 5.0) -> None:
        """Refuse new calls, let those under way finish for `grace_s` seconds."""
        if self._server is not None:
            await self._server.stop(grace_s)
            self._server = None


def _handlers(export: Export, intake: Intake, held: HeldBytes) -> Any:
    method = grpc.unary_unary_rpc_method_handler(_export(export, intake, held))
    return grpc.method_handlers_generic_handler(export.service, {"Export": method})


def _export(export: Export, intake: Intake, held: HeldBytes) -> Callable[[bytes, Any], Awaitable[bytes]]:
    async def call(body: bytes, context: Any) -> bytes:
        try:
            receipt = await _accept(export, intake, held, body)
        except RefusedError as refusal:
            await context.abort(
                STATUS_CODES[refusal.code.grpc_code],
                str(refusal),
                ((STATUS_DETAILS, refusal.status().SerializeToString()),),
            )
        answer = export.response()
        if receipt.warning:
            answer.partial_success.error_message = receipt.warning
        serialized: bytes = answer.SerializeToString()
        return serialized

    return call


async def _accept(export: Export, intake: Intake, held: HeldBytes, body: bytes) -> Receipt:
    try:
        held.take(len(body))
    except RefusedError as refusal:
        intake.refused(export.signal, "grpc", refusal)
        raise
    try:
        return await intake.accept(export.signal, "grpc", body)
    finally:
        held.release(len(body))
