"""An error as an answer: the same five fields at every door."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from schemas.errors import QueryError
from schemas.printable import printable_json

NOT_KEPT: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
"""Headers of an answer that nobody on the way may keep."""
RETRY_AFTER_S: Final = {"busy": 1.0, "store_unavailable": 2.0, "rate_limited": 1.0}


def as_json(error: QueryError) -> dict[str, Any]:
    """`{"error": {code, message, field, hint, retry_after_s}}`."""
    return {
        "error": {
            "code": error.code,
            "message": str(error),
            "field": error.field or None,
            "hint": error.hint or None,
            "retry_after_s": RETRY_AFTER_S.get(error.code),
        }
    }


def refusal(error: QueryError) -> Response:
    """The error over HTTP."""
    headers = dict(NOT_KEPT)
    retry_after_s = RETRY_AFTER_S.get(error.code)
    if retry_after_s is not None:
        headers["retry-after"] = str(int(retry_after_s))
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(printable_json(as_json(error)), error.status, headers, "application/json")
