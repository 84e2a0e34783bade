"""The process behind `telltale up`: receiver, stream and API side by side in one event loop.

Start: store and stream first, doors last, so that nothing is accepted that could not be processed. Stop: doors
first, then the stream finishes what it has, then the API, which answers until the end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pipeline.assembly import detectors, normalizer
from pipeline.receiver.contract import Limits
from pipeline.receiver.intake import Intake
from pipeline.receiver.otlp_grpc import OtlpGrpcServer
from pipeline.receiver.otlp_http import otlp_http_app
from pipeline.receiver.servers import AsgiServer
from pipeline.settings import Settings
from pipeline.stream import Parts, Stream
from query.api import Process, api_app
from query.findings import still_open
from query.hosts import LOOPBACK
from query.reader import Reader
from query.service import Service
from schemas.columns import RetentionDays
from schemas.finding import Finding
from sinks.clickhouse import ClickHouseSink
from sinks.prometheus import OpenFinding, PrometheusMetrics

LAG_S: Final = 1.0
"""How often lag and watermark are told to Prometheus."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the process really listens, each HOST:PORT."""

    otlp_grpc: str
    otlp_http: str
    api: str


class Daemon:
    """Everything of one machine. `start` once, `stop` once."""

    def __init__(self, settings: Settings, version: str, tell: Callable[[Finding], None]) -> None:
        self._metrics = PrometheusMetrics(started_unix_nano=time.time_ns())
        self._metrics.build(version)
        retention = RetentionDays(telemetry=settings.ttl_days, series=settings.findings_ttl_days)
        sink = ClickHouseSink(settings.store_url, retention)
        parts = Parts(normalizer(settings), detectors(), sink, self._metrics, tell)
        self._stream = Stream(settings, parts)
        self._reader = Reader(settings.store_url)
        service = Service(self._reader, lambda: self._stream.watermark_unix_nano)
        self._intake = Intake(self._stream.writer, self._metrics)
        limits = Limits(settings.max_request_bytes, settings.max_decompressed_bytes)
        self._grpc = OtlpGrpcServer(self._intake, *host_port(settings.otlp_grpc), limits)
        self._http = AsgiServer(otlp_http_app(self._intake, limits), *host_port(settings.otlp_http), "OTLP/HTTP")
        process = Process(self._metrics.render, self._metrics.content_type)
        api = api_app(service, process, allowed_hosts(settings.api))
        self._api = AsgiServer(api, *host_port(settings.api), "the API")
        self._hosts = [a.rpartition(":")[0] for a in (settings.otlp_grpc, settings.otlp_http, settings.api)]
        self._measuring: asyncio.Task[None] | None = None

    async def start(self) -> Addresses:
        """Return when everything listens and every partition is ours; raises SettingsError."""
        try:
            await self._stream.start()
            self._metrics.restore_findings(OpenFinding(*one) for one in await still_open(self._reader))
            await self._api.start()
            await self._grpc.start()
            await self._http.start()
        except BaseException:
            await self.stop()
            raise
        self._measuring = asyncio.create_task(self._measure())
        ports = (self._grpc.port, self._http.port, self._api.port)
        return Addresses(*(f"{host}:{port}" for host, port in zip(self._hosts, ports, strict=True)))

    async def failed(self) -> None:
        """Wait for the stream to crash and raise why."""
        await self._stream.failed()

    async def stop(self) -> None:
        """Stop in order; what has been acknowledged stays in the log until it is processed."""
        if self._measuring is not None:
            self._measuring.cancel()
        self._intake.stop()
        await asyncio.gather(self._grpc.stop(), self._http.stop())
        await self._stream.stop()
        await self._api.stop()
        await asyncio.to_thread(self._reader.close)

    async def _measure(self) -> None:
        while True:
            for topic, waiting in (await self._stream.lag()).items():
                self._metrics.lag(topic, waiting)
            self._metrics.watermark(self._stream.watermark_unix_nano)
            await asyncio.sleep(LAG_S)


def host_port(address: str) -> tuple[str, int]:
    """`HOST:PORT` or `[IPV6]:PORT` taken apart."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def allowed_hosts(address: str) -> tuple[str, ...]:
    """Names by which the API may be called: loopback ones, and the host it was told to listen on."""
    return (*LOOPBACK, host_port(address)[0])
