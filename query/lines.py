"""Rows of `sql` as a JSON object each, a line each, for a request that asks for them."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from query.refusals import NOT_KEPT
from query.tasks import LINES, MORE
from schemas.printable import printable_json


def wanted(request: Request) -> bool:
    """Whether the request asks for lines."""
    accepted = request.headers.get("accept", "").lower().split(",")
    return any(one.partition(";")[0].strip() == LINES for one in accepted)


def response(answer: dict[str, Any]) -> Response:
    """An answer with `columns` and `rows`, as lines."""
    names = [column["name"] for column in answer["columns"]]
    body = b"".join(printable_json(dict(zip(names, row, strict=True))) + b"\n" for row in answer["rows"])
    headers = {**NOT_KEPT, MORE: "true"} if answer.get("truncated") else NOT_KEPT
    return Response(body, 200, headers, LINES)
