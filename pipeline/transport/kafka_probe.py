"""Why a broker cannot be reached, in words, and what mends it; and which Kafka it speaks like, where it can.

aiokafka's clients try one broker after the other and say only that none worked: here each is tried by itself.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any, Final, NamedTuple

from aiokafka.conn import create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.admin import ApiVersionRequest
from aiokafka.protocol.metadata import MetadataRequest

from pipeline.settings import Settings
from pipeline.transport.kafka_security import client_options

FETCH: Final = 1
"""Number of the API whose versions tell releases apart."""
RELEASES: Final = {18: "4.1", 17: "3.9", 16: "3.7", 15: "3.5", 13: "3.1", 12: "2.7", 11: "2.3", 10: "2.1", 8: "2.0"}
"""Greatest version of Fetch -> the release that brought it. Brokers do not say what release they are."""


class Probed(NamedTuple):
    """What one broker answered."""

    server: str
    """HOST:PORT."""
    like: str = ""
    """The Kafka release whose protocol it speaks, at least; "" = not reached, or older than 2.0."""
    trouble: str = ""
    """Why it cannot be used; "" = it can."""
    repair: str = ""


async def probe(settings: Settings, server: str, within_s: float) -> Probed:
    """Connect to one broker as a client would, and ask it something. Raises SettingsError for wrong files."""
    options = client_options(settings)
    host, port = server.rsplit(":", 1)
    try:
        async with asyncio.timeout(within_s):
            connection = await create_conn(
                host.strip("[]"),
                int(port),
                client_id="telltale-check",
                request_timeout_ms=int(within_s * 1000),
                **options,
            )
            try:
                apis = await connection.send(ApiVersionRequest())
                await connection.send(MetadataRequest([]))  # who is not let in learns it only now
            finally:
                await connection.close()
    except (KafkaError, OSError, TimeoutError, ValueError) as error:
        trouble, repair = explained(error, settings)
        return Probed(server, trouble=trouble, repair=repair)
    greatest = {api: last for api, _, last in apis.api_versions}.get(FETCH, 0)
    return Probed(server, like=next((name for known, name in RELEASES.items() if greatest >= known), ""))


def explained(error: BaseException, settings: Settings) -> tuple[str, str]:
    """What an error of a connection means and what mends it; never holds a password."""
    for kind, what, repair in _MEANINGS:
        if isinstance(error, kind):
            return what.format(**_words(error, settings)), repair.format(**_words(error, settings))
    return f"{type(error).__name__}: {error}"[:300], "look at the broker's log"


def _words(error: BaseException, settings: Settings) -> dict[str, Any]:
    return {
        "error": str(getattr(error, "verify_message", "") or getattr(error, "strerror", "") or error)[:300],
        "protocol": settings.kafka_security_protocol,
        "mechanism": settings.kafka_sasl_mechanism,
        "user": settings.kafka_username[:100],
    }


_LISTENER: Final = (
    "set kafka_security_protocol to what the brokers' listener at this port has (now {protocol}), or name the port of "
    "the other listener"
)
_MEANINGS: Final[tuple[tuple[type[BaseException], str, str], ...]] = (
    (socket.gaierror, "this name cannot be resolved: {error}", "correct the host of --kafka, or the name service"),
    (
        ssl.SSLCertVerificationError,
        "its certificate is not trusted: {error}",
        "name the authority that signed it with kafka_tls_ca_file, and call the broker by a name of its certificate",
    ),
    (ssl.SSLError, "TLS fails: {error}", _LISTENER + "; where brokers ask for certificates, set kafka_tls_cert_file"),
    (
        SaslAuthenticationFailed,
        "it refuses user {user!r} or the password ({mechanism})",
        "correct kafka_username, and the password in kafka_password_file or TELLTALE_KAFKA_PASSWORD",
    ),
    (
        UnsupportedSaslMechanismError,
        "it does not take {mechanism}: {error}",
        "set kafka_sasl_mechanism to one that it takes",
    ),
    (IllegalSaslStateError, "this listener asks for no SASL", _LISTENER),
    (
        ConnectionRefusedError,
        "nothing listens there",
        "correct host and port of --kafka, or start the broker",
    ),
    (TimeoutError, "no answer in time", "correct host and port; a firewall that drops packets looks like this"),
    (KafkaConnectionError, "it closed the connection", "the listener wants TLS or SASL, or neither: " + _LISTENER),
    (ConnectionError, "it closed the connection", "the listener wants TLS or SASL, or neither: " + _LISTENER),
)
"""Kind of error -> what it means, what mends it; the first that fits."""
