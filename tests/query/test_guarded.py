"""What stands in front of the API: names, origins, tokens and scopes, rates, sizes."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from query.guarded import Access, Guarded, digest
from query.rates import MAX_ASKERS, Rates

READ, WRITE = "r" * 20, "w" * 20
TOKENS = Access(tokens={digest(READ): "read", digest(WRITE): "write"})


async def reached(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """What is guarded: it says that it was reached."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"reached"})


def guarded(access: Access) -> Any:
    return Guarded(reached, access)


async def ask(access: Access, method: str, path: str, host: str = "127.0.0.1:4320", **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=guarded(access))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        return await client.request(method, path, headers={"host": host, **headers})


def code(response: httpx.Response) -> str:
    if response.status_code == 200:
        return response.text
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"code", "message", "field", "hint", "retry_after_s"}
    return str(error["code"])


@pytest.mark.parametrize(
    ("origin", "says"),
    [
        ("http://127.0.0.1:4320", "reached"),
        ("http://evil.example", "origin_not_allowed"),
        ("http://127.0.0.1:9999", "origin_not_allowed"),
        ("https://127.0.0.1:4320.evil.example", "origin_not_allowed"),
        ("null", "origin_not_allowed"),
        ("file://", "origin_not_allowed"),
        ("http://[", "origin_not_allowed"),
    ],
)
async def test_a_page_of_another_origin_is_not_answered(origin: str, says: str) -> None:
    response = await ask(Access(), "GET", "/v1/findings", origin=origin)
    assert code(response) == says
    assert not [name for name in response.headers if name.startswith("access-control")]


async def test_two_hosts_are_none() -> None:
    app = Guarded(reached, Access())
    headers = [(b"host", b"localhost"), (b"host", b"evil.example")]
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/", "query_string": b"", "headers": headers, "method": "GET"}
    await app(scope, None, send)
    assert sent[0]["status"] == 403


@pytest.mark.parametrize(
    ("method", "path", "authorization", "says"),
    [
        ("GET", "/v1/findings", "", "unauthorized"),
        ("GET", "/v1/findings", "Bearer", "unauthorized"),
        ("GET", "/v1/findings", f"Basic {READ}", "unauthorized"),
        ("GET", "/v1/findings", "Bearer " + "x" * 20, "unauthorized"),
        ("GET", "/v1/findings", f"Bearer {READ}x", "unauthorized"),
        ("GET", "/metrics", "", "unauthorized"),
        ("GET", "/v1/findings", f"Bearer {READ}", "reached"),
        ("GET", "/v1/findings", f"bearer {READ}", "reached"),
        ("GET", "/v1/findings", f"Bearer {WRITE}", "reached"),
        ("POST", "/v1/sql", f"Bearer {READ}", "reached"),
        ("POST", "/v1/findings/x/ack", f"Bearer {READ}", "forbidden"),
        ("DELETE", "/v1/consumers/x", f"Bearer {READ}", "forbidden"),
        ("POST", "/v1/findings/x/ack", f"Bearer {WRITE}", "reached"),
        ("GET", "/healthz", "", "reached"),
    ],
)
async def test_a_token_is_needed_and_its_scope_counts(method: str, path: str, authorization: str, says: str) -> None:
    headers = {"authorization": authorization} if authorization else {}
    response = await ask(TOKENS, method, path, host="telltale.internal", **headers)
    assert code(response) == says
    assert ("www-authenticate" in response.headers) == (response.status_code == 401)


async def test_a_path_that_is_too_long_is_refused() -> None:
    response = await ask(Access(), "GET", "/v1/findings?session=" + "x" * 20_000)
    assert (response.status_code, code(response)) == (414, "too_large")


async def test_who_asks_too_often_waits_and_others_do_not() -> None:
    app = guarded(Access(tokens=TOKENS.tokens, per_second=1))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api") as client:
        said = [await client.get("/v1/x", headers={"authorization": f"Bearer {READ}"}) for _ in range(4)]
        other = await client.get("/v1/x", headers={"authorization": f"Bearer {WRITE}"})
    assert [one.status_code for one in said] == [200, 200, 429, 429]
    assert said[-1].headers["retry-after"] == "1"
    assert other.status_code == 200


def test_a_bucket_fills_again_and_the_longest_unseen_is_forgotten() -> None:
    now = [0.0]
    rates = Rates(2, lambda: now[0])
    assert [rates.take(b"a") for _ in range(5)] == [True, True, True, True, False]
    now[0] = 0.5
    assert [rates.take(b"a") for _ in range(2)] == [True, False]
    for one in range(MAX_ASKERS):
        rates.take(str(one).encode())
    assert rates.take(b"a")
