"""The feed over HTTP: a real API over a real chDB folder, in a process of its own."""

from __future__ import annotations

from typing import Any

import httpx


def entries(api: httpx.Client, **parameters: Any) -> tuple[list[dict[str, Any]], str]:
    """All that comes at once after a place, and the cursor behind it."""
    found: list[dict[str, Any]] = []
    more = True
    while more:
        response = api.get("/v1/findings", params={"wait_s": 0, **parameters})
        assert response.status_code == 200, response.text
        answer = response.json()
        found += answer["entries"]
        more = answer["truncated"]
        parameters["after"] = answer["cursor"]
        parameters.pop("consumer", None)
    return found, parameters["after"]


def test_every_revision_comes_once_in_the_order_of_the_log(api: httpx.Client) -> None:
    found, cursor = entries(api, every="true")
    told = [(entry["event"], entry["finding"]["id"], entry["finding"]["revision"]) for entry in found]
    assert told == [
        *(("opened", f"f{n:04d}aaaa", 1) for n in range(1, 11)),
        ("opened", "stuck-finding", 1),
        ("resolved", "f0012aaaa", 1),
        ("updated", "f0003aaaa", 2),
    ]
    assert found[-1]["changed"] == {"status": ["open", "updated"], "count": [27, 30]}
    assert entries(api, after=cursor) == ([], cursor)
