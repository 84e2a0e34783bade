"""Who we are to the brokers, and how we know that they are who they say: settings to credentials."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any, Final

from faust.auth import SASLCredentials, SSLCredentials
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from pipeline.settings import Settings
from schemas.errors import SettingsError

HANDSHAKE_S: Final = 10.0


def credentials(settings: Settings) -> SASLCredentials | SSLCredentials | None:
    """As Faust takes them; None: nothing is asked of us.

    Raises:
        SettingsError: a file cannot be read, or user or password are missing.
    """
    protocol = settings.kafka_security_protocol
    context = _context(settings) if protocol.endswith("SSL") else None
    if protocol.startswith("SASL"):
        if not settings.kafka_username:
            raise SettingsError(f"kafka_security_protocol = {protocol} needs kafka_username")
        return SASLCredentials(
            username=settings.kafka_username,
            password=password(settings),
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=context,
        )
    return None if context is None else SSLCredentials(context)


def client_options(settings: Settings) -> dict[str, Any]:
    """The same for a client of aiokafka without Faust; raises SettingsError."""
    return dict(credentials_to_aiokafka_auth(credentials(settings)))


async def tls_fault(settings: Settings, server: str) -> str:
    """What is wrong with TLS to HOST:PORT, with its repair; "": nothing, or nobody listens there.

    Clients of Kafka say only that a connection failed. Raises SettingsError.
    """
    if not settings.kafka_security_protocol.endswith("SSL"):
        return ""
    host, _, port = server.rpartition(":")
    opening = asyncio.open_connection(host.strip("[]"), int(port), ssl=_context(settings))
    try:
        _, writer = await asyncio.wait_for(opening, HANDSHAKE_S)
    except ssl.SSLCertVerificationError as error:
        return (
            f"the certificate of {server} is not to be trusted: {error.verify_message}. Let kafka_tls_ca_file name the "
            "certificates (PEM) that sign those of the brokers, and --kafka the hosts that they are made for"
        )
    except ssl.SSLError as error:
        return f"{server} does not answer with TLS as it should: {error}. Is kafka_security_protocol its listener's?"
    except (OSError, TimeoutError):
        return ""
    writer.close()
    return ""


def password(settings: Settings) -> str:
    """The password of SASL, from its file or its setting; raises SettingsError."""
    if not settings.kafka_password_file:
        if not settings.kafka_password:
            raise SettingsError(
                "SASL needs a password: name a file with kafka_password_file, or set TELLTALE_KAFKA_PASSWORD"
            )
        return settings.kafka_password
    try:
        return Path(settings.kafka_password_file).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"kafka_password_file {settings.kafka_password_file} cannot be read: {error}") from error


def _context(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.kafka_tls_ca_file or None)
        if settings.kafka_tls_cert_file:
            context.load_cert_chain(settings.kafka_tls_cert_file, settings.kafka_tls_key_file or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"the certificates of kafka_tls_ca_file, kafka_tls_cert_file or kafka_tls_key_file cannot be used: {error}"
        ) from error
    return context
