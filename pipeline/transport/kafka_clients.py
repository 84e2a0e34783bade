"""Clients of aiokafka that are connected, or let go of."""

from __future__ import annotations

from typing import Protocol, TypeVar


class Client(Protocol):
    """A consumer or a producer."""

    async def start(self) -> object: ...  # noqa: D102 - as aiokafka has it
    async def stop(self) -> object: ...  # noqa: D102


C = TypeVar("C", bound=Client)


async def started(client: C) -> C:
    """The client, connected. What cannot be, or is no longer waited for, leaves no connection open."""
    try:
        await client.start()
    except BaseException:
        await client.stop()
        raise
    return client
