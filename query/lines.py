"""Rows of `sql` as a JSON object each, a line each, for a request that asks for them."""

from __future__ import annotations

from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from query.refusals import NOT_KEPT
from query.tasks import LINES, MORE

SEPARATORS: Final = "\x85\u2028\u2029"
"""What JSON need not escape and many programs end a line at."""


def wanted(request: Request) -> bool:
    """Whether the request asks for lines."""
    accepted = request.headers.get("accept", "").lower().split(",")
    return any(one.partition(";")[0].strip() == LINES for one in accepted)


def response(answer: dict[str, Any]) -> Response:
    """An answer with `columns` and `rows`, as lines."""
    names = [column["name"] for column in answer["columns"]]
    body = b"".join(orjson.dumps(dict(zip(names, row, strict=True))) + b"\n" for row in answer["rows"])
    for separator in SEPARATORS:
        body = body.replace(separator.encode(), f"\\u{ord(separator):04x}".encode())
    headers = {**NOT_KEPT, MORE: "true"} if answer.get("truncated") else NOT_KEPT
    return Response(body, 200, headers, LINES)
