"""OTLP over HTTP as an ASGI application: POST /v1/traces, /v1/logs, /v1/metrics.

Specification: https://opentelemetry.io/docs/specs/otlp/#otlphttp. An answer comes in the encoding of the request;
a refusal is a google.rpc.Status.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Final

import orjson
from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.receiver.body import BodyReader
from pipeline.receiver.contract import Limits
from pipeline.receiver.intake import Intake, Receipt
from pipeline.receiver.refusal import RefusedError
from pipeline.receiver.requests import EXPORTS, Export

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
PATHS: Final = ", ".join(export.path for export in EXPORTS)


def otlp_http_app(intake: Intake, limits: Limits | None = None) -> Starlette:
    """The application; it holds no state but the bytes under way."""
    reader = BodyReader(limits or Limits())
    routes = [Route(export.path, _export(export, intake, reader), methods=["POST"]) for export in EXPORTS]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _no_route})
    app.router.redirect_slashes = False
    return app


def _export(export: Export, intake: Intake, reader: BodyReader) -> Callable[[Request], Awaitable[Response]]:
    async def post(request: Request) -> Response:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            _require_known(content_type)
            body = await reader.read(request)
        except RefusedError as refusal:
            intake.refused(export.signal, "http", refusal)
            return _refused(refusal, content_type)
        except ClientDisconnect:
            intake.refused(export.signal, "http", RefusedError("timeout", "the client went away"))
            return Response(status_code=400)  # nobody reads it
        try:
            receipt = await intake.accept(export.signal, "http", body, is_json=content_type == JSON)
        except RefusedError as refusal:
            return _refused(refusal, content_type)
        finally:
            reader.release(len(body))
        return _accepted(export, receipt, content_type)

    return post


def _require_known(content_type: str) -> None:
    if content_type not in (PROTOBUF, JSON):
        said = repr(content_type[:100]) if content_type else "missing"
        raise RefusedError("unsupported", f"the content type is {said}: send {PROTOBUF} or {JSON}")


def _accepted(export: Export, receipt: Receipt, content_type: str) -> Response:
    answer = export.response()
    if receipt.warning:
        answer.partial_success.error_message = receipt.warning
    if content_type == JSON:
        return Response(orjson.dumps(json_format.MessageToDict(answer)), media_type=JSON)
    return Response(answer.SerializeToString(), media_type=PROTOBUF)


def _refused(refusal: RefusedError, content_type: str) -> Response:
    status = refusal.status()
    headers: dict[str, str] = {}
    if refusal.retry_after_s is not None:
        headers["retry-after"] = str(max(1, math.ceil(refusal.retry_after_s)))
    if content_type == PROTOBUF:
        body, media_type = status.SerializeToString(), PROTOBUF
    else:
        body, media_type = orjson.dumps(json_format.MessageToDict(status)), JSON
    return Response(body, status_code=refusal.code.http_status, headers=headers, media_type=media_type)


async def _no_route(request: Request, error: Exception) -> Response:
    allowed = getattr(error, "headers", None)
    if getattr(error, "status_code", 404) == 405:
        refusal = RefusedError("method", f"OTLP is sent by POST, not {request.method[:20]}")
    else:
        refusal = RefusedError("not_found", f"nothing is here; OTLP is posted to {PATHS}")
    response = _refused(refusal, JSON)
    response.headers.update(allowed or {})
    return response
