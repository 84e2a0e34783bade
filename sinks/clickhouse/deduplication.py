"""Whether ClickHouse drops a block that it has seen before; newer engines have moved the switch."""

from __future__ import annotations

from typing import Any, Final

from clickhouse_connect.driver.client import Client

SWITCH: Final = "deduplicate_insert"
"""Engines that have it beside `insert_deduplicate` go by it alone."""


def deduplication(client: Client, token: str = "") -> dict[str, Any]:
    """Settings of one insert: with a token, what carries it again is dropped; without one, nothing ever is."""
    settings: dict[str, Any] = {"insert_deduplicate": int(bool(token))}
    if token:
        settings["insert_deduplication_token"] = token
    if SWITCH in client.server_settings:
        settings[SWITCH] = "enable" if token else "disable"
    return settings
