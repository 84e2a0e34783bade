"""Who may read the feed, and who may change what is kept of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from query.api import Process, api_app
from query.feed.routes import DOORS, Doors
from query.guarded import Access, digest
from query.service import Service
from tests.feed.conftest import Store, finding

TOKENS = {digest("reader"): "read", digest("writer"): "write"}


@pytest.fixture
async def api(store: Store, doors: Doors) -> AsyncIterator[httpx.AsyncClient]:
    """The API as it is beyond loopback."""
    process = Process(lambda: b"", "text/plain")
    access = Access(tokens=TOKENS)  # type: ignore[arg-type] # literals of two words
    app = api_app(Service(store.reader, lambda: 1), doors, process, access)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://telltale.example") as client:
        yield client


def token(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {name}"}


@pytest.mark.parametrize("path", ["/v1/findings?wait_s=0", "/v1/findings/stream", "/v1/consumers", "/v1/webhooks"])
async def test_without_a_token_nothing_is_told(api: httpx.AsyncClient, path: str) -> None:
    for headers in ({}, token("nobody")):
        assert (await api.get(path, headers=headers)).status_code == 401


async def test_a_token_that_only_reads_changes_nothing(api: httpx.AsyncClient, store: Store) -> None:
    await store.append(0, finding("guarded"))
    assert (await api.get("/v1/findings?wait_s=0", headers=token("reader"))).status_code == 200
    written = 0
    for door in DOORS:
        if door.task.method == "POST":
            path = door.task.path.format(id="guarded", consumer="c", webhook="w")
            body = {"reason": "r", "cursor": "now"}
            answer = await api.post(path, json=body, headers=token("reader"))
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden"), path
            written += 1
    assert written == 7
    answer = await api.post("/v1/findings/guarded/ack", json={"reason": "r"}, headers=token("writer"))
    assert (answer.status_code, answer.json()["state"]) == (200, "acknowledged")
