"""The check of the Host header, against DNS rebinding."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import orjson

LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")


class HostCheck:
    """ASGI middleware: refuses requests whose Host header names none of `allowed` (`*` = any)."""

    def __init__(self, app: Any, allowed: Sequence[str]) -> None:
        self._app = app
        self._allowed = frozenset(name.lower() for name in allowed)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass on or answer 403."""
        if scope["type"] != "http" or "*" in self._allowed or self._host(scope) in self._allowed:
            await self._app(scope, receive, send)
            return
        error = {
            "code": "host_not_allowed",
            "message": "this Host is not answered here",
            "field": "Host",
            "hint": f"use one of: {', '.join(sorted(self._allowed))}",
            "retry_after_s": None,
        }
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": orjson.dumps({"error": error})})

    @staticmethod
    def _host(scope: dict[str, Any]) -> str:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1:
            return ""
        return re.sub(r":\d+$", "", hosts[0].decode("latin-1").strip().lower())
