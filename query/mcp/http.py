"""Streamable HTTP at `/mcp`, without sessions: each request stands for itself, so any process may answer it.

Host, Origin, tokens and rates are checked in front of it, as for the rest of the API (`query.guarded`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from query.feed.routes import DOORS, Doors
from query.guarded import MAY
from query.refusals import refusal
from query.service import Service
from schemas.errors import QueryError

PATH: Final = "/mcp"
MAX_BODY_BYTES: Final = 262_144

Handle = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class McpDoor:
    """ASGI application of the one path."""

    def __init__(self, service: Service, doors: Doors) -> None:
        self._service = service
        self._doors = doors

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["method"] != "POST":  # there are no sessions to listen to or to end
            error = QueryError("wrong_method", f"{scope['method'][:20]} is not answered here", hint="POST", status=405)
            response = refusal(error)
            response.headers["allow"] = "POST"
            await response(scope, receive, send)
            return
        # A second of imports that a process without such clients never spends; not in the way of other requests.
        handler = await asyncio.to_thread(_handler)
        await handler(self._service, self._decide(scope.get(MAY, "write")))(scope, receive, send)

    def _decide(self, may: str) -> Any:
        async def decide(identity: str, given: Mapping[str, Any]) -> dict[str, Any]:
            if may != "write":
                hint = "use a token with the scope write"
                raise QueryError("forbidden", "this token only reads", field="Authorization", hint=hint, status=403)
            (door,) = (one for one in DOORS if one.task.name == given["action"])
            asked = {"who": "mcp"} | {name: value for name, value in given.items() if name != "action"}
            return await door.open(self._doors, asked | {"id": identity})

        return decide


def _handler() -> Callable[[Service, Any], Handle]:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager  # noqa: PLC0415

    from query.mcp.server import Backend, mcp_server  # noqa: PLC0415

    def handler(service: Service, decide: Any) -> Handle:
        async def handle(scope: dict[str, Any], receive: Any, send: Any) -> None:
            manager = StreamableHTTPSessionManager(
                mcp_server(Backend(service.answer, decide)),
                json_response=True,
                stateless=True,
                max_request_body_size=MAX_BODY_BYTES,
            )
            async with manager.run():
                await manager.handle_request(scope, receive, send)

        return handle

    return handler
