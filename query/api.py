"""The HTTP API: JSON for agents, `/metrics` for Prometheus.

Errors are `{"error": {code, message, field, hint, retry_after_s}}`. It is meant for loopback: a Host header that
names anything else is refused, so that no web page can reach it by rebinding its own name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from query.findings import MAX_LIMIT, STATUSES, Filter
from query.hosts import LOOPBACK, HostCheck
from query.reader import MAX_ROWS
from query.service import Service
from schemas.errors import QueryError
from schemas.finding import SEVERITIES

MAX_BODY_BYTES: Final = 65_536
KINDS: Final = ("tool_call_loop", "latency_regression", "error_spike")
ENDPOINTS: Final = "/v1/overview, /v1/findings, /v1/findings/ID, /v1/sessions/ID, POST /v1/sql, /healthz, /metrics"
RETRY_AFTER_S: Final = {"busy": 1.0, "store_unavailable": 2.0}

Answer = Callable[[Service, Request], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Process:
    """What the API tells of the process around it."""

    metrics: Callable[[], bytes]
    """The Prometheus exposition."""
    metrics_content_type: str
    trouble: Callable[[], str] = lambda: ""
    """Why the process is not well; "" = it is."""


def api_app(service: Service, process: Process, allowed_hosts: Sequence[str] = LOOPBACK) -> Any:
    """The application.

    Args:
        service: Answers the questions.
        process: For `/metrics` and `/healthz`.
        allowed_hosts: Names that a Host header may have; `*` = any.
    """

    async def metrics(_: Request) -> Response:
        return Response(await asyncio.to_thread(process.metrics), media_type=process.metrics_content_type)

    async def healthz(_: Request) -> Response:
        trouble = process.trouble()
        body = {"status": "trouble" if trouble else "ok", "reason": trouble or None, "as_of": service.as_of()}
        return _json(body, 503 if trouble else 200)

    def answering(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                return _json(await answer(service, request))
            except QueryError as error:
                return _error(error)

        return endpoint

    routes = [
        Route("/v1/findings", answering(_findings), methods=["GET"]),
        Route("/v1/findings/{id:path}", answering(_finding), methods=["GET"]),
        Route("/v1/sessions/{id:path}", answering(_session), methods=["GET"]),
        Route("/v1/overview", answering(_overview), methods=["GET"]),
        Route("/v1/sql", answering(_sql), methods=["POST"]),
        Route("/healthz", healthz, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _no_route, Exception: _broken})
    app.router.redirect_slashes = False
    return HostCheck(app, allowed_hosts)


async def _findings(service: Service, request: Request) -> dict[str, Any]:
    asked = _parameters(request, "status", "severity", "kind", "session", "limit", "after")
    which = Filter(
        status=_one_of(asked, "status", tuple(status for status in STATUSES if status)),
        severity=_one_of(asked, "severity", SEVERITIES),
        kind=_one_of(asked, "kind", KINDS),
        session=asked.get("session", ""),
    )
    return await service.findings(which, _limit(asked.get("limit", "50"), MAX_LIMIT), asked.get("after", ""))


async def _finding(service: Service, request: Request) -> dict[str, Any]:
    _parameters(request)
    return await service.finding(request.path_params["id"])


async def _session(service: Service, request: Request) -> dict[str, Any]:
    _parameters(request)
    return await service.session(request.path_params["id"])


async def _overview(service: Service, request: Request) -> dict[str, Any]:
    _parameters(request)
    return await service.overview()


async def _sql(service: Service, request: Request) -> dict[str, Any]:
    _parameters(request)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise QueryError("wrong_content_type", "send application/json", hint='{"sql": "SELECT ..."}', status=415)
    try:
        asked = orjson.loads(await _body(request))
    except orjson.JSONDecodeError as error:
        raise QueryError("bad_json", f"the body is not JSON: {error}", hint='{"sql": "SELECT ..."}') from error
    if not isinstance(asked, dict) or not isinstance(asked.get("sql"), str):
        raise QueryError("missing", "the body has no text `sql`", field="sql", hint='{"sql": "SELECT ..."}')
    unknown = sorted(set(asked) - {"sql", "limit"})
    if unknown:
        raise QueryError(
            "unknown_parameter", f"there is no {unknown[0][:60]!r}", field=unknown[0][:60], hint="sql, limit"
        )
    return await service.sql(asked["sql"], _limit(str(asked.get("limit", 1000)), MAX_ROWS))


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise QueryError("too_large", f"a body may have {MAX_BODY_BYTES} bytes", status=413)
    except ClientDisconnect as error:
        raise QueryError("disconnected", "the client went away") from error
    return bytes(body)


def _parameters(request: Request, *known: str) -> dict[str, str]:
    """The query parameters; refuses what is unknown or there twice."""
    for name in request.query_params:
        if name not in known:
            raise QueryError(
                "unknown_parameter", f"there is no {name[:60]!r}", field=name[:60], hint=", ".join(known) or "none"
            )
        if len(request.query_params.getlist(name)) > 1:
            raise QueryError("repeated_parameter", f"{name!r} is given twice", field=name)
    return dict(request.query_params)


def _one_of(asked: dict[str, str], name: str, values: Sequence[str]) -> str:
    value = asked.get(name, "")
    if value and value not in values:
        raise QueryError("bad_value", f"{name} cannot be {value[:60]!r}", field=name, hint=", ".join(values))
    return value


def _limit(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        raise QueryError("bad_value", f"limit cannot be {text[:20]!r}", field="limit", hint=f"1 to {most}")
    return int(text)


def _json(body: Any, status: int = 200) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(orjson.dumps(body), status, headers, "application/json")


def _error(error: QueryError) -> Response:
    retry_after_s = RETRY_AFTER_S.get(error.code)
    response = _json(
        {
            "error": {
                "code": error.code,
                "message": str(error),
                "field": error.field or None,
                "hint": error.hint or None,
                "retry_after_s": retry_after_s,
            }
        },
        error.status,
    )
    if retry_after_s is not None:
        response.headers["retry-after"] = str(int(retry_after_s))
    return response


async def _no_route(request: Request, error: Exception) -> Response:
    if getattr(error, "status_code", 404) == 405:
        response = _error(QueryError("wrong_method", f"{request.method[:20]} is not answered here", status=405))
        response.headers.update(getattr(error, "headers", None) or {})
        return response
    return _error(QueryError("not_found", "nothing is here", hint=ENDPOINTS, status=404))


async def _broken(_: Request, __: Exception) -> Response:
    """Our own fault; the server logs it."""
    return _error(
        QueryError("internal", "the question could not be answered: this is an error in Telltale", status=500)
    )
