"""HOST:PORT, and by which names an HTTP server of ours may be called."""

from __future__ import annotations

from query.guarded import LOOPBACK


def host_port(address: str) -> tuple[str, int]:
    """`HOST:PORT` or `[IPV6]:PORT` taken apart."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def with_port(address: str, port: int) -> str:
    """The address with the port that it really got."""
    return f"{address.rpartition(':')[0]}:{port}"


def allowed_hosts(address: str) -> tuple[str, ...]:
    """Names by which a server may be called: loopback ones, and the host it was told to listen on."""
    return (*LOOPBACK, host_port(address)[0])
