"""HTTP requests to addresses that somebody configured: checked, pinned, bounded, never redirected.

A name is resolved once; every address that it has is checked, and the connection goes to a checked one, so that no
second look-up can lead elsewhere. TLS still verifies the name. Proxies of the environment are not used: they would
resolve the name anew.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore

from schemas.errors import PermanentSinkError, RetryableSinkError, SettingsError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_RETRY_AFTER_S: Final = 300.0
NOT_SAID: Final = 0.0
"""Delay of an error where the target has named none: the caller chooses."""
KEEPALIVE_S: Final = 30.0
RETRYABLE: Final = frozenset((408, 425, 429))

# Where machines tell about themselves, credentials included, and what is no single host.
FORBIDDEN: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # this host
        "169.254.0.0/16",  # link-local, and the metadata services of most clouds
        "100.100.100.200/32",  # metadata of Alibaba Cloud
        "168.63.129.16/32",  # the platform of Azure
        "192.0.0.192/32",  # metadata of Oracle Cloud
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "::/128",
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local
        "fd00:ec2::/32",  # metadata of AWS
        "fd20:ce::/32",  # metadata of Google Cloud
        "ff00::/8",  # multicast
    )
)
NAT64: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))


def forbidden(address: Address) -> bool:
    """Whether nothing is ever sent to this address, in whatever form an IPv4 address is written."""
    return any(one in network for one in (address, *_embedded(address)) for network in FORBIDDEN)


def _embedded(address: Address) -> Iterable[Address]:
    if not isinstance(address, ipaddress.IPv6Address) or address.is_loopback:
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if int(address) >> 32 == 0 or any(address in network for network in NAT64):
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def check_url(url: str, what: str) -> None:
    """Raise SettingsError where a URL cannot be a target at all; names are looked up only when something is sent."""
    try:
        parts = urlsplit(url)
        port_is_there = parts.port != 0
    except ValueError as error:
        raise SettingsError(f"{what}: {url!r} is no address: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_there:
        raise SettingsError(f"{what}: {url!r} is no http:// or https:// address")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise SettingsError(f"{what}: {url!r} has characters that are not of an address: write them as %XX")
    if parts.username is not None or parts.fragment:
        raise SettingsError(f"{what}: leave user, password and fragment out of the address")
    try:
        address = ipaddress.ip_address(parts.hostname)
    except ValueError:
        return
    if forbidden(address):
        raise SettingsError(f"{what}: nothing is sent to {address}: it is link-local, a metadata service or no host")


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections to checked addresses only."""

    def __init__(self) -> None:
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, check all, connect to the first that answers; raises PermanentSinkError on a forbidden one."""
        addresses = await resolve(host, port)
        for address in addresses:
            if forbidden(ipaddress.ip_address(address)):
                raise PermanentSinkError(f"{host} is {address}: nothing is sent to link-local or metadata addresses")
        failed: httpcore.ConnectError | None = None
        for address in addresses:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError as error:
                failed = error
        raise failed or httpcore.ConnectError(f"{host} has no address")

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        """Not offered."""
        raise PermanentSinkError("nothing is sent to sockets of the file system")

    async def sleep(self, seconds: float) -> None:
        """As the contract of httpcore says."""
        await asyncio.sleep(seconds)


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, each once; raises httpcore.ConnectError where it has none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # a label that is empty or too long is no text for the name service
        raise httpcore.ConnectError(f"{host} cannot be resolved: {error}") from error
    # An address of IPv6 may come with the zone of an interface, which is no part of it.
    return list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


class Outbound:
    """Posts to one target. `close` once.

    Args:
        url: Where to.
        timeout_s: Of the whole request, from the look-up of the name to the status of the answer.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=2,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=PinnedBackend(),
        )

    async def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Send; returns when the target has answered with 2xx. Nothing of what else it answers is read.

        Raises:
            RetryableSinkError: It cannot take it now, or was not there; carries the delay that it asked for.
            PermanentSinkError: It never will, it redirects, or it must not be spoken to.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                status, retry_after = await self._exchange(body, headers)
        except TimeoutError as error:
            raise RetryableSinkError(f"no answer within {self._timeout_s:g} s", NOT_SAID) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, ssl.SSLError) as error:
            raise RetryableSinkError(f"{type(error).__name__}: {error}"[:300], NOT_SAID) from error
        if 200 <= status < 300:
            return
        if 300 <= status < 400:
            raise PermanentSinkError(
                f"it answered {status}: redirects are not followed, write the address that it means"
            )
        if status in RETRYABLE or status >= 500:
            raise RetryableSinkError(f"it answered {status}", _delay(retry_after))
        raise PermanentSinkError(f"it answered {status}")

    async def _exchange(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        async with self._pool.stream("POST", self._url, headers=[*_HEADERS, *sent], content=body) as response:
            given = [value for name, value in response.headers if name.lower() == b"retry-after"]
            return response.status, given[0] if given else b""

    async def close(self) -> None:
        """Give the connections back."""
        await self._pool.aclose()


_HEADERS: Final = ((b"user-agent", b"telltale"), (b"content-type", b"application/json"))


def _delay(retry_after: bytes) -> float:
    """Seconds that the target asked for; dates are not read."""
    return min(MAX_RETRY_AFTER_S, float(retry_after)) if retry_after.isdigit() and len(retry_after) < 9 else NOT_SAID
