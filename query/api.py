"""The HTTP API: the tasks of `query.tasks` as JSON for agents, `/metrics` for Prometheus.

Errors are `{"error": {code, message, field, hint, retry_after_s}}`. What stands in front of it (Host and Origin,
tokens, rates) is in `query.guarded`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any, Final

import orjson
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from query import lines
from query.asked import Answer
from query.feed.routes import DOORS, Door, Doors
from query.feed.tasks import FOLLOW, FOLLOWING, STREAM
from query.guarded import OPEN, Access, Guarded
from query.mcp.http import PATH, McpDoor
from query.openapi import document
from query.refusals import NOT_KEPT, refusal
from query.service import Service
from query.tasks import FINDINGS, SQL, TASKS, Task, budget
from schemas.errors import QueryError
from schemas.printable import printable_json

MAX_BODY_BYTES: Final = 65_536
BODY_S: Final = 30.0
"""A body that has not come to its end after so long is given up."""
DOCUMENT: Final = document()
ENDPOINTS: Final = ", ".join(
    [*(f"{method.upper()} {path}" for path, ways in DOCUMENT["paths"].items() for method in ways), "GET /healthz"]
)
BUDGET: Final = budget()
JSON_HINT: Final = 'such as {"sql": "SELECT ..."}'

Endpoint = Callable[[Request], Awaitable[Response]]


class _Identity(Convertor[str]):
    """The rest of a path, whatever is in it: ids of sessions are telemetry's, line breaks and all."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("identity", _Identity())


@dataclass(frozen=True, slots=True)
class Process:
    """What the API tells of the process around it."""

    metrics: Callable[[], bytes]
    """The Prometheus exposition."""
    metrics_content_type: str


def api_app(service: Service, doors: Doors, process: Process, access: Access = OPEN) -> Any:
    """The application.

    Args:
        service: Answers the questions.
        doors: Answers those about the feed.
        process: For `/metrics` and `/healthz`.
        access: Who may ask, under which names, how often.
    """

    async def metrics(_: Request) -> Response:
        return Response(await asyncio.to_thread(process.metrics), media_type=process.metrics_content_type)

    async def healthz(_: Request) -> Response:
        return json_response({"status": "ok", "as_of": service.as_of()})

    described = orjson.dumps(DOCUMENT)

    async def openapi(request: Request) -> Response:
        return _tagged(request, described, _tag(described))

    routes = [
        Route(PATH, McpDoor(service, doors)),
        *_feed_routes(service, doors),
        *(route for task in TASKS for route in _routes(service, task)),
        Route("/v1/openapi.json", openapi, methods=["GET"]),
        Route("/healthz", healthz, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _no_route, Exception: _broken})
    app.router.redirect_slashes = False
    return Guarded(app, access)


def answering(answer: Callable[[Request], Awaitable[dict[str, Any]]], *, rows: bool = False) -> Endpoint:
    """An endpoint that gives what `answer` gives, or the error that it raises; `rows`: as lines where asked for."""

    async def endpoint(request: Request) -> Response:
        try:
            answered = await answer(request)
        except QueryError as error:
            return refusal(error)
        if request.method == "POST":
            return lines.response(answered) if rows and lines.wanted(request) else json_response(answered)
        # Freshness moves all the time: a tag is of what is said, so that a poll that has nothing new costs nothing.
        said = {name: value for name, value in answered.items() if name not in ("as_of", "coverage", "tokens")}
        return _tagged(request, printable_json(answered), f"W/{_tag(orjson.dumps(said))}")

    return endpoint


def _feed_routes(service: Service, doors: Doors) -> list[Route]:
    """They stand before the tasks' own: what asks for the feed is a list of findings too, by its path."""

    async def stream(request: Request) -> Any:
        try:
            return await doors.stream(request)
        except QueryError as error:
            return refusal(error)

    async def follow(request: Request) -> dict[str, Any]:
        return await doors.follow(_query(request, FOLLOW), await service.head())

    listing, following = _task_endpoint(service, FINDINGS), answering(follow)

    async def findings(request: Request) -> Response:
        return await (following if FOLLOWING & set(request.query_params) else listing)(request)

    return [
        Route(FINDINGS.path, findings, methods=["GET"]),
        Route(STREAM.path, stream, methods=["GET"]),
        *(
            Route(door.task.path, answering(partial(_door, service, doors, door)), methods=[door.task.method])
            for door in DOORS
        ),
    ]


async def _door(service: Service, doors: Doors, door: Door, request: Request) -> dict[str, Any]:
    given = _query(request, door.task) if door.task.method == "GET" else await _body(request)
    body = await door.open(doors, given | dict(request.path_params))
    if door.task.method != "GET":
        return {**await service.head(), **body}
    total, commands = body.pop("total", None), body.pop("next", ())
    more = total is not None and total > len(body[door.rows])
    answer = Answer(body, rows=door.rows, more=more, total=total, next=commands)
    return await service.seal(answer, BUDGET.read(given.get("max_tokens", BUDGET.default), 0))


def _routes(service: Service, task: Task) -> list[Route]:
    endpoint = _task_endpoint(service, task)
    routes = [Route(task.path, endpoint, methods=[task.method])]
    identity = task.identity
    if identity is not None:
        one = Route(f"{task.path}/{{{identity.name}:identity}}", endpoint, methods=[task.method])
        routes = [one] if identity.required else [*routes, one]
    return routes


def _task_endpoint(service: Service, task: Task) -> Endpoint:
    async def answer(request: Request) -> dict[str, Any]:
        given = _query(request, task) if task.method == "GET" else await _body(request)
        return await service.answer(task.name, given | dict(request.path_params))

    return answering(answer, rows=task is SQL)


def _query(request: Request, task: Task) -> dict[str, object]:
    """The query parameters; refuses what is there twice and may not be."""
    several = {p.name for p in task.parameters if p.kind == "texts"}
    in_path = {p.name for p in task.parameters if p.identity}
    given: dict[str, object] = {}
    for name in request.query_params:
        values = request.query_params.getlist(name)
        if name in in_path:
            raise QueryError("unknown_parameter", f"{name} stands in the path", field=name, hint=f"{task.path}/ID")
        if len(values) > 1 and name not in several:
            raise QueryError(
                "repeated_parameter", f"{name[:60]!r} is given twice", field=name[:60], hint="give it once"
            )
        given[name] = values if name in several else values[0]
    return given


async def _body(request: Request) -> dict[str, object]:
    """The parameters in a JSON body."""
    if request.query_params:
        name = next(iter(request.query_params))[:60]
        raise QueryError("unknown_parameter", "parameters stand in the body here", field=name, hint=JSON_HINT)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise QueryError("wrong_content_type", "send application/json", hint=JSON_HINT, status=415)
    try:
        async with asyncio.timeout(BODY_S):
            asked = orjson.loads(await _read(request))
    except TimeoutError as error:
        raise QueryError("timeout", f"the body did not end within {BODY_S:g} s", hint=JSON_HINT, status=408) from error
    except ClientDisconnect as error:
        raise QueryError("disconnected", "the client went away") from error
    except orjson.JSONDecodeError as error:
        raise QueryError("bad_json", f"the body is not JSON: {error}", hint=JSON_HINT) from error
    if not isinstance(asked, dict):
        raise QueryError("bad_json", "the body is not a JSON object", hint=JSON_HINT)
    return asked


async def _read(request: Request) -> bytearray:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise QueryError(
                "too_large", f"a body may have {MAX_BODY_BYTES} bytes", hint="ask for less at a time", status=413
            )
    return body


def json_response(body: Any) -> Response:
    """JSON that is not kept by anyone on the way."""
    return Response(printable_json(body), 200, NOT_KEPT, "application/json")


def _tag(content: bytes) -> str:
    return f'"{blake2b(content, digest_size=8).hexdigest()}"'


def _tagged(request: Request, content: bytes, tag: str) -> Response:
    headers = {"cache-control": "no-cache", "x-content-type-options": "nosniff", "etag": tag}
    known = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    if tag.removeprefix("W/") in known:
        return Response(status_code=304, headers=headers)
    return Response(content, 200, headers, "application/json")


async def _no_route(request: Request, error: Exception) -> Response:
    if getattr(error, "status_code", 404) == 405:
        headers = getattr(error, "headers", None) or {}
        said = f"{request.method[:20]} is not answered here"
        response = refusal(QueryError("wrong_method", said, hint=headers.get("Allow", ENDPOINTS), status=405))
        response.headers.update(headers)
        return response
    return refusal(QueryError("not_found", "nothing is here", hint=ENDPOINTS, status=404))


async def _broken(_: Request, __: Exception) -> Response:
    """Our own fault; the server logs it."""
    return refusal(
        QueryError(
            "internal",
            "the question could not be answered: this is an error in Telltale",
            hint="ask another way; the log of the process has the cause",
            status=500,
        )
    )
