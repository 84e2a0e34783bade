"""Statements that take all the time they are given do not hold up the questions beside them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx

ENDLESS = {"sql": "SELECT sum(number) FROM numbers(1000000000000)"}


def test_a_thread_is_left_to_other_questions(api: httpx.Client) -> None:
    with ThreadPoolExecutor(6) as pool:
        endless = [pool.submit(api.post, "/v1/sql", json=ENDLESS, timeout=120) for _ in range(6)]
        overview = api.get("/v1/overview", timeout=120)
        running = [one for one in endless if not one.done()]
        codes = {one.result().json()["error"]["code"] for one in endless}
    assert overview.status_code == 200
    assert len(running) >= 3  # three at a time: the others have not begun
    assert codes == {"timeout"}
