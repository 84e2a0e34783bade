"""Clients of ClickHouse: its engine in this process (`chdb:///DIR`) or a server (`http://`, `https://`).

One client runs one query at a time, so every thread opens its own. chDB takes one data folder a process and one
process a folder.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.errors import SettingsError

SERVER_SCHEMES: Final = {"http": "http", "https": "https", "clickhouse": "http", "clickhouses": "https"}
SESSION: Final = {"session_timezone": "UTC"}
"""Times read the same wherever the process runs."""
LOCK_FILE: Final = "status"
"""ClickHouse locks this file of its data folder for as long as it runs."""


def connect(url: str) -> Client:
    """Open one client, for one thread; the caller closes it.

    Raises SettingsError where the URL is wrong, the folder is held by another process or the server is not there.
    """
    scheme = urlsplit(url).scheme
    if scheme == "chdb":
        return _embedded(url)
    if scheme in SERVER_SCHEMES:
        return _server(url, SERVER_SCHEMES[scheme])
    raise SettingsError(f"a store is chdb:///FOLDER or http(s)://HOST:PORT, not {url!r}")


def _server(url: str, interface: str) -> Client:
    parts = urlsplit(url)
    try:
        return clickhouse_connect.get_client(
            interface=interface,
            host=parts.hostname or "localhost",
            port=parts.port or 0,
            username=parts.username,
            password=parts.password or "",
            database=parts.path.strip("/") or "default",
            settings=SESSION,
        )
    except (ClickHouseError, ValueError) as error:
        raise SettingsError(f"no ClickHouse answers at {parts.hostname}:{parts.port}: {error}") from error


def _embedded(url: str) -> Client:
    path = url.removeprefix("chdb://")  # taken as it stands: a folder may be called anything
    if not path.startswith("/") or not path.strip("/") or "?" in path:
        raise SettingsError(f"{url!r} names no folder; write chdb:///path/to/folder, without a question mark")
    folder = Path(path).resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"cannot make the data folder {folder}: {error.strerror}") from error
    _check_free(folder)
    try:
        return clickhouse_connect.get_client(interface="chdb", path=str(folder), settings=SESSION)
    except ClickHouseError as error:
        raise SettingsError(f"cannot open the data folder {folder}: {error}") from error


def _check_free(folder: Path) -> None:
    """Raise SettingsError where another process holds the folder; the engine itself only says that it failed."""
    try:
        with (folder / LOCK_FILE).open("r+b") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _holder(lock.read(4096))
                if holder == os.getpid():
                    return
                raise SettingsError(
                    f"the data folder {folder} is in use by another process (pid {holder}): "
                    "stop that one, ask it through its API, or choose another folder with --data"
                ) from None
    except FileNotFoundError:
        return
    except PermissionError as error:
        raise SettingsError(f"the data folder {folder} belongs to another user") from error


def _holder(status: bytes) -> int:
    """The process that ClickHouse's status file names; 0 where it names none."""
    for line in status.decode("ascii", "replace").splitlines():
        name, _, value = line.partition(":")
        if name == "PID" and value.strip().isdigit():
            return int(value)
    return 0
