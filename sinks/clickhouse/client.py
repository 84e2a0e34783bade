"""Clients of ClickHouse: its engine in this process (`chdb:///DIR`) or a server (`sinks.clickhouse.server`).

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
from sinks.clickhouse.server import INTERFACES, SESSION, address, open_server

LOCK_FILE: Final = "status"
"""ClickHouse locks this file of its data folder for as long as it runs."""


def connect(url: str) -> Client:
    """Open one client, for one thread; the caller closes it.

    Raises SettingsError where the URL is wrong, the folder is held by another process or the server is not there.
    """
    if embedded(url):
        return _embedded(url)
    scheme = urlsplit(url).scheme
    if scheme in INTERFACES:
        return open_server(address(url))
    raise SettingsError(f"a store is chdb:///FOLDER or http(s)://USER@HOST:PORT/DATABASE, not {scheme[:20]!r}")


def embedded(url: str) -> bool:
    """Whether the store is the engine in this process, which no other process can ask or write to."""
    return urlsplit(url).scheme == "chdb"


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
