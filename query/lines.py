"""Rows of `sql` as a JSON object each, a line each, for a request that asks for them."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from query.tasks import LINES, MORE


def wanted(request: Request) -> bool:
    """Whether the request asks for lines."""
    accepted = request.headers.get("accept", "").lower().split(",")
    return any(one.partition(";")[0].strip() == LINES for one in accepted)


def response(answer: dict[str, Any]) -> Response:
    """An answer with `columns` and `rows`, as lines."""
    names = [column["name"] for column in answer["columns"]]
    lines = [orjson.dumps(dict(zip(names, row, strict=True))) + b"\n" for row in answer["rows"]]
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    if answer.get("truncated"):
        headers[MORE] = "true"
    return Response(b"".join(lines), 200, headers, LINES)
