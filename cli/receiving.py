"""The role of the receiver: OTLP doors on one side, the log on the other."""

from __future__ import annotations

import asyncio

from cli.addresses import host_port, with_port
from pipeline.journal import Journal
from pipeline.receiver.contract import Limits
from pipeline.receiver.intake import Intake
from pipeline.receiver.otlp_grpc import OtlpGrpcServer
from pipeline.receiver.otlp_http import otlp_http_app
from pipeline.receiver.servers import AsgiServer
from pipeline.settings import Settings
from sinks.prometheus import PrometheusMetrics


class Receiving:
    """Contract: `cli.part.Part`."""

    def __init__(self, settings: Settings, metrics: PrometheusMetrics, log: Journal) -> None:
        self._settings = settings
        self._log = log
        self._intake = Intake(log, metrics)
        limits = Limits(settings.max_request_bytes, settings.max_decompressed_bytes)
        self._grpc = OtlpGrpcServer(self._intake, *host_port(settings.otlp_grpc), limits)
        self._http = AsgiServer(otlp_http_app(self._intake, limits), *host_port(settings.otlp_http), "OTLP/HTTP")

    async def start(self) -> dict[str, str]:
        """The log first: nothing is accepted that could not be kept."""
        await self._log.start()
        await self._grpc.start()
        await self._http.start()
        settings = self._settings
        return {
            "otlp_grpc": with_port(settings.otlp_grpc, self._grpc.port),
            "otlp_http": with_port(settings.otlp_http, self._http.port),
        }

    async def failed(self) -> None:
        """It does not: a log that is down is told to senders, request by request."""
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Refuse what comes from now on, finish what is under way, then close the log."""
        self._intake.stop()
        await asyncio.gather(self._grpc.stop(), self._http.stop())
        await self._log.close()
