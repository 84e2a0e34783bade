"""Faust on the local log: `faust.App(broker="local:///DIR")`, one process, the same agents and tables as on Kafka.

Importing this module registers the scheme with Faust; an installed distribution does so by its entry point.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, ClassVar, Final

from faust.transport import base
from faust.transport.drivers import TRANSPORTS
from yarl import URL

from pipeline.transport.local_consumer import LocalConsumer
from pipeline.transport.local_producer import LocalProducer
from pipeline.transport.log import Log, open_log
from schemas.errors import SettingsError

SCHEME: Final = "local"


def directory_of(url: URL) -> Path:
    """The folder that `local:///DIR` (or `local://DIR`, relative) names.

    Raises:
        SettingsError: the URL names none.
    """
    path = Path((url.host or "") + url.path)
    if url.scheme != SCHEME or path == Path():
        raise SettingsError(f"broker {url} names no folder: write local:///path/of/the/folder")
    return path


class LocalTransport(base.Transport):
    """Holds the log while the app runs."""

    Consumer: ClassVar[Any] = LocalConsumer
    Producer: ClassVar[Any] = LocalProducer
    driver_version = f"local-sqlite={sqlite3.sqlite_version}"
    default_port = 0

    def __init__(self, url: Any, app: Any, loop: Any = None) -> None:
        super().__init__(url, app, loop)
        self._directory = directory_of(self.url[0])
        self._log: Log | None = None

    @property
    def log(self) -> Log:
        """The log, opened when it is first needed."""
        if self._log is None:
            self._log = open_log(self._directory)
        return self._log

    def close(self) -> None:
        """Give the log back; the producer calls this, the last service to stop."""
        if self._log is not None:
            self._log.close()
            self._log = None


def register() -> None:
    """Make Faust know the scheme without an installed entry point."""
    TRANSPORTS.aliases.setdefault(SCHEME, f"{__name__}:LocalTransport")


register()
