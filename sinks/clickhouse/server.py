"""Clients of a ClickHouse server, over its HTTP interface.

    http://USER@HOST:8123/DATABASE                       clickhouse:// is another name for it
    https://USER@HOST:8443/DATABASE?ca_file=/etc/ca.pem  clickhouses:// too

The password comes from the file that `password_file=` names, else from the variable `PASSWORD_VARIABLE`, else from
the URL. The file is read anew for each connection, so that a password may change while the process runs.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.errors import SettingsError
from sinks.clickhouse.errors import plain_text

INTERFACES: Final = {"http": "http", "https": "https", "clickhouse": "http", "clickhouses": "https"}
PORTS: Final = {"http": 8123, "https": 8443}
PASSWORD_VARIABLE: Final = "TELLTALE_CLICKHOUSE_PASSWORD"  # noqa: S105 - the name of a variable
SESSION: Final = {"session_timezone": "UTC"}
"""Times read the same wherever the process runs."""
CONNECT_S: Final = 5
ANSWER_S: Final = 120
"""Beyond it the connection is given up; what the server still does is ended before anything is written again."""
OPTIONS: Final = ("ca_file", "password_file", "compress")

# What they log comes as an error too, and they log addresses of kilobytes.
for _name in ("urllib3.connectionpool", "clickhouse_connect"):
    logging.getLogger(_name).setLevel(logging.ERROR)


class Address(NamedTuple):
    """Where a server is and how to speak to it."""

    interface: str
    host: str
    port: int
    user: str
    password: str
    """Of the URL; others come before it."""
    database: str
    ca_file: str
    """Certificates of the authorities trusted, PEM; "" = those of the system."""
    password_file: str
    compress: str
    """Encoding of bodies both ways: `lz4`, `zstd` or "" = none, which costs the least CPU time."""

    @property
    def shown(self) -> str:
        """For messages: without the password."""
        user = f"{self.user}@" if self.user else ""
        return f"{self.interface}://{user}{self.host}:{self.port}/{self.database}"


def address(url: str) -> Address:
    """Take a URL apart; raises SettingsError."""
    parts = urlsplit(url)
    interface = INTERFACES[parts.scheme]
    try:
        port = parts.port or PORTS[interface]
    except ValueError as error:
        raise SettingsError(f"the port of the ClickHouse URL is wrong: {error}") from error
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(options.keys() - set(OPTIONS)):
        raise SettingsError(f"a ClickHouse URL takes no {unknown[0][:60]!r}: it takes {', '.join(OPTIONS)}")
    if not parts.hostname:
        raise SettingsError("the ClickHouse URL names no host: write http(s)://USER@HOST:PORT/DATABASE")
    if (compress := options.get("compress", "")) not in ("", "lz4", "zstd"):
        raise SettingsError(f"compress={compress[:20]} of the ClickHouse URL: write lz4 or zstd, or leave it out")
    return Address(
        interface=interface,
        host=parts.hostname,
        port=port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=unquote(parts.path.strip("/")) or "default",
        ca_file=options.get("ca_file", ""),
        password_file=options.get("password_file", ""),
        compress=compress,
    )


def open_server(where: Address, answer_s: int = ANSWER_S) -> Client:
    """Connect; an answer that takes longer than `answer_s` seconds is given up.

    Raises SettingsError with what is wrong and the repair.
    """
    if where.ca_file and not Path(where.ca_file).is_file():
        raise SettingsError(f"there is no file {where.ca_file}: ca_file of the ClickHouse URL names the PEM file")
    try:
        return clickhouse_connect.get_client(
            interface=where.interface,
            host=where.host,
            port=where.port,
            username=where.user or "default",
            password=_password(where),
            database=where.database,
            ca_cert=where.ca_file or None,
            compress=where.compress or False,
            connect_timeout=CONNECT_S,
            send_receive_timeout=answer_s,
            autogenerate_session_id=False,  # sessions lock, and keep nothing that is used here
            settings=SESSION,
        )
    except (ClickHouseError, ValueError, OSError) as error:
        raise SettingsError(_trouble(where, error)) from error


def create_database(where: Address) -> bool:
    """Make the database of the URL; False: it was there. Raises SettingsError."""
    client = open_server(where._replace(database="default"))
    try:
        name = {"name": where.database}
        if client.query("SELECT name FROM system.databases WHERE name = {name:String}", name).result_rows:
            return False
        client.command("CREATE DATABASE IF NOT EXISTS {name:Identifier}", name)
    except ClickHouseError as error:
        raise SettingsError(_trouble(where, error)) from error
    else:
        return True
    finally:
        client.close()


def _password(where: Address) -> str:
    if where.password_file:
        try:
            return Path(where.password_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"the password file {where.password_file} cannot be read: {error}") from error
    return os.environ.get(PASSWORD_VARIABLE) or where.password


_REPAIRS: Final = {
    81: "make the database, or let `telltale migrate` do it",
    192: "correct the user of the URL",
    193: f"correct the password: password_file=FILE in the URL, or {PASSWORD_VARIABLE}",
    516: f"correct user or password: password_file=FILE in the URL, or {PASSWORD_VARIABLE}",
}


def _trouble(where: Address, error: Exception) -> str:
    """One line: what failed and what mends it."""
    code = getattr(error, "code", None)
    text = plain_text(error)
    if code is None and "CERTIFICATE_VERIFY_FAILED" in text:
        repair = "name the authority's certificate: ca_file=FILE in the URL"
    elif code is None:
        return f"no ClickHouse answers at {where.host}:{where.port}: {text}"
    else:
        repair = _REPAIRS.get(code, "")
    return f"ClickHouse at {where.shown} refuses: {text}" + (f"; {repair}" if repair else "")
