"""What stands in front of every door over HTTP: Host and Origin, bearer tokens with scopes, rates, sizes.

On loopback there are no tokens unless some are set, and the names in `hosts` are what keeps web pages out: one that
rebinds its own name to 127.0.0.1 still sends that name. With tokens the name does not matter, because no browser
sends a token by itself. Cross-origin reading is off: no answer carries a CORS header, and a request whose Origin is
not one of ours is refused.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlsplit

from query.rates import Rates
from query.refusals import refusal
from query.tasks import TASKS, Scope
from schemas.errors import QueryError

LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
MAX_TARGET_BYTES: Final = 16_384
"""Of path and query together."""
MAY: Final = "telltale.may"
"""Key of the ASGI scope that holds what the caller may do: `read` or `write`."""
UNGUARDED: Final = "/healthz"
"""Probes of orchestrators name no host of ours and carry no token."""
READING: Final = frozenset({"/mcp"}) | {task.path for task in TASKS if task.method == "POST" and task.scope == "read"}
"""POST that only reads; any other POST takes the scope `write`, but what `Access.reading` names. A tool at
`/mcp` that writes looks at `MAY` itself."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask."""

    hosts: Sequence[str] = LOOPBACK
    """Names that a Host header may have, where there are no tokens."""
    tokens: Mapping[bytes, Scope] = field(default_factory=dict)
    """SHA-256 of each token -> what it may do; empty = no token is needed."""
    reading: Sequence[str] = ()
    """Further paths whose POST only reads."""
    per_second: float = 0.0
    """Questions a second of one token or address; 0 = any."""


OPEN: Final = Access()
"""Loopback, without tokens."""


def digest(token: str) -> bytes:
    """What is kept of a token."""
    return sha256(token.encode()).digest()


class Guarded:
    """ASGI middleware: passes a request on, or says why not."""

    def __init__(self, app: Any, access: Access) -> None:
        self._app = app
        self._access = access
        self._hosts = frozenset(name.lower() for name in access.hosts)
        self._rates = Rates(access.per_second) if access.per_second > 0 else None

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass on or refuse."""
        if scope["type"] == "http":
            try:
                self._check(scope)
            except QueryError as error:
                await refusal(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, scope: dict[str, Any]) -> None:
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_TARGET_BYTES:
            said = f"a path with its query may have {MAX_TARGET_BYTES} bytes"
            raise QueryError("too_large", said, hint="ask for less at a time", status=414)
        if scope["path"] == UNGUARDED and self._access.tokens:
            return
        host = _one_header(scope, b"host").lower()
        if not self._access.tokens and "*" not in self._hosts and _name(host) not in self._hosts:
            hint = f"use one of: {', '.join(sorted(self._hosts))}"
            raise QueryError("host_not_allowed", "this Host is not answered here", field="Host", hint=hint, status=403)
        origin = _one_header(scope, b"origin")
        if origin and _origin(origin.lower()) != host:
            hint = "leave Origin out; web pages of other origins are not answered"
            raise QueryError("origin_not_allowed", "this Origin is not answered", field="Origin", hint=hint, status=403)
        who = self._authorized(scope)
        if self._rates is not None and not self._rates.take(who):
            raise QueryError("rate_limited", "too many questions", hint="ask again in a second", status=429)

    def _authorized(self, scope: dict[str, Any]) -> bytes:
        """Who asks, for the rates: the token's digest, else the address."""
        if not self._access.tokens:
            return str((scope.get("client") or ("",))[0]).encode()
        scheme, _, token = _one_header(scope, b"authorization").partition(" ")
        given = digest(token.strip())
        # Every known token is compared, in the same time whether it fits or not.
        scopes = [may for known, may in self._access.tokens.items() if hmac.compare_digest(known, given)]
        if scheme.lower() != "bearer" or not scopes:
            hint = "send Authorization: Bearer TOKEN; telltale takes it from TELLTALE_TOKEN"
            raise QueryError("unauthorized", "a token is needed here", field="Authorization", hint=hint, status=401)
        if scopes[0] != "write" and self._writes(scope):
            hint = "use a token with the scope write"
            raise QueryError("forbidden", "this token only reads", field="Authorization", hint=hint, status=403)
        scope[MAY] = scopes[0]
        return given

    def _writes(self, scope: dict[str, Any]) -> bool:
        reads = scope["method"] in ("GET", "HEAD", "OPTIONS")
        return not reads and scope["path"] not in READING and scope["path"] not in self._access.reading


def _one_header(scope: dict[str, Any], name: bytes) -> str:
    """The header's value; "" where it is missing or there twice."""
    values = [value for header, value in scope["headers"] if header == name]
    return values[0].decode("latin-1").strip() if len(values) == 1 else ""


def _name(host: str) -> str:
    return re.sub(r":\d+$", "", host)


def _origin(origin: str) -> str:
    """Host and port of an Origin header."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ""
    return parts.netloc if parts.scheme in ("http", "https") else ""
