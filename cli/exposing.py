"""`/metrics` and `/healthz` of a process without an API."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cli.access import is_loopback
from cli.addresses import allowed_hosts, host_port, with_port
from pipeline.receiver.servers import AsgiServer
from pipeline.settings import Settings
from query.guarded import Access, Guarded
from sinks.prometheus import PrometheusMetrics


def _access(settings: Settings) -> Access:
    """On loopback by name; beyond it by any: no page of another origin may read what it is answered."""
    return Access(hosts=allowed_hosts(settings.metrics) if is_loopback(settings.metrics) else ("*",))


class Exposing:
    """Contract: `cli.part.Part`."""

    def __init__(self, settings: Settings, metrics: PrometheusMetrics) -> None:
        self._address = settings.metrics

        async def exposition(_: Request) -> Response:
            return Response(await asyncio.to_thread(metrics.render), media_type=metrics.content_type)

        async def healthz(_: Request) -> Response:
            return JSONResponse({"status": "ok"})

        routes = [Route("/metrics", exposition), Route("/healthz", healthz)]
        app = Guarded(Starlette(routes=routes), _access(settings))
        self._server = AsgiServer(app, *host_port(settings.metrics), "/metrics")

    async def start(self) -> dict[str, str]:
        """Listen."""
        await self._server.start()
        return {"metrics": with_port(self._address, self._server.port)}

    async def failed(self) -> None:
        """It does not."""
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Close the port."""
        await self._server.stop()
