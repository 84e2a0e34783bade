"""One HTTP request taken apart into what the engine is to run.

Source: https://clickhouse.com/docs/interfaces/http
"""

from __future__ import annotations

import base64
import email
import re
from email.message import Message
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import cramjam

# Parameters of a request that are no settings of the query.
RESERVED: Final = frozenset(
    (
        *("query", "database", "user", "password", "role", "quota_key", "query_id", "default_format", "stacktrace"),
        *("compress", "decompress", "enable_http_compression", "buffer_size", "wait_end_of_query"),
        *("session_id", "session_timeout", "session_check", "client_protocol_version"),
        *("send_progress_in_http_headers", "http_headers_progress_interval_ms"),
    )
)
_INSERT: Final = re.compile(
    rb"\s*(?P<sql>INSERT\s+INTO\b(?:(?!\bSELECT\b|\bVALUES\b).)*?)\s*\bFORMAT\s+(?P<format>\w+)[ \t]*\r?(?:\n|$)?",
    re.IGNORECASE | re.DOTALL,
)
MAX_HEAD_BYTES: Final = 65_536
"""Where the FORMAT of an insert is looked for."""


class HttpRequest(NamedTuple):
    """A request as it came, its body still encoded."""

    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


class Statement(NamedTuple):
    """What the engine is to run."""

    sql: str
    data: bytes | None
    """Rows of an INSERT in `format`; None: the statement stands alone."""
    format: str
    """Of `data`, or of an answer whose statement names none."""
    settings: dict[str, str]
    parameters: dict[str, str]
    database: str
    user: str
    password: str
    query_id: str
    accepts: str
    """Encodings that the client would take for the answer; "" = plain."""


def path_of(target: str) -> str:
    """The path of a request target."""
    return urlsplit(target).path


def parse(request: HttpRequest) -> Statement:
    """Take a request apart; raises ValueError where it is not one of this interface."""
    asked = dict(parse_qsl(urlsplit(request.target).query, keep_blank_values=True))
    body = _decoded(request.body, request.headers.get("content-encoding", ""))
    kind = request.headers.get("content-type", "")
    if kind.startswith("multipart/form-data"):
        asked |= _form(kind, body)
        body = b""
    if asked.get("compress", "0") != "0" or asked.get("decompress", "0") != "0":
        raise ValueError("ClickHouse's own block compression is not spoken here: use Content-Encoding")
    text = b"\n".join(part for part in (asked.get("query", "").encode(), body) if part)
    sql, data, form = _split(text, asked.get("default_format") or request.headers.get("x-clickhouse-format", ""))
    settings = {name: value for name, value in asked.items() if name not in RESERVED and not name.startswith("param_")}
    if request.method == "GET":
        settings.setdefault("readonly", "2")
    user, password = _credentials(asked, request.headers)
    return Statement(
        sql=sql,
        data=data,
        format=form,
        settings=settings,
        parameters={name[6:]: value for name, value in asked.items() if name.startswith("param_")},
        database=asked.get("database") or request.headers.get("x-clickhouse-database", ""),
        user=user,
        password=password,
        query_id=asked.get("query_id") or request.headers.get("x-clickhouse-query-id", ""),
        accepts=request.headers.get("accept-encoding", "") if asked.get("enable_http_compression") == "1" else "",
    )


def _split(text: bytes, default_format: str) -> tuple[str, bytes | None, str]:
    """SQL, rows of an insert, and their format or the answer's."""
    found = _INSERT.match(text[:MAX_HEAD_BYTES])
    if found is None:
        return text.decode("utf-8", "surrogateescape"), None, default_format or "TabSeparated"
    return found["sql"].decode(), text[found.end() :], found["format"].decode()


def _decoded(body: bytes, encoding: str) -> bytes:
    codecs = {"gzip": cramjam.gzip, "lz4": cramjam.lz4, "zstd": cramjam.zstd, "deflate": cramjam.zlib}
    if encoding in ("", "identity"):
        return body
    if encoding not in codecs:
        raise ValueError(f"unknown Content-Encoding {encoding!r}")
    return bytes(codecs[encoding].decompress(body))


def _form(kind: str, body: bytes) -> dict[str, str]:
    """Fields of a multipart form: the query and its parameters."""
    message = email.message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    parts = message.get_payload()
    fields = {}
    for part in parts if isinstance(parts, list) else []:
        if isinstance(part, Message):
            name = part.get_param("name", header="content-disposition")
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                fields[str(name)] = payload.decode("utf-8", "surrogateescape")
    return fields


def _credentials(asked: dict[str, str], headers: dict[str, str]) -> tuple[str, str]:
    """User and password from the header, the request's parameters or HTTP's own way."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        user, _, password = base64.b64decode(token).decode().partition(":")
        return user, password
    user = headers.get("x-clickhouse-user") or asked.get("user") or "default"
    password = headers.get("x-clickhouse-key") or asked.get("password") or ""
    return unquote(user), password
