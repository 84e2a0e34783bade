"""Statements run by chDB. Each has a connection of its own, as a request has at a server; opening one takes 0.1 ms."""

from __future__ import annotations

import json
import re
import struct
import threading
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
from chdb.state.sqlitelike import Connection

from testbed.clickhouse.statement import Statement

HANDSHAKE: Final = "SELECT displayName(), version(), revision(), timezone()"
"""The first question of clickhouse-go. It reads the answer as a block of its own revision, with block info."""

# Status by error number; any other is 500. Source: exceptionCodeToHTTPStatus.cpp
STATUS: Final[dict[int, int]] = (
    dict.fromkeys((516, 192, 193, 497, 291), 403)
    | dict.fromkeys((6, 27, 26, 38, 41, 42, 43, 46, 47, 53, 62, 70, 72, 117, 130, 190, 386, 456, 457), 400)
    | dict.fromkeys((60, 81, 50, 48, 164), 404)
    | {194: 401, 229: 413, 241: 500, 159: 408}
)


class EngineError(Exception):
    """The engine refused: `code` is ClickHouse's number, the text what a server would answer."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUS.get(self.code, 500)


class Answer(NamedTuple):
    """What a statement gave."""

    body: bytes
    format: str
    read_rows: int = 0
    written_rows: int = 0

    def summary(self) -> str:
        """The X-ClickHouse-Summary header."""
        return json.dumps({"read_rows": str(self.read_rows), "written_rows": str(self.written_rows)})


class Engine:
    """chDB over one folder.

    Args:
        folder: Where the data is kept.
        drain: Rows of inserts are thrown away instead of stored.
    """

    def __init__(self, folder: Path, *, drain: bool = False) -> None:
        self._path = str(folder)
        self._drain = drain
        self._drained: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._open = Connection(self._path)  # as long as it is open, so is the engine
        self._version = self._open.query("SELECT version()", "TabSeparated").bytes().decode().strip()

    def close(self) -> None:
        """Close the engine."""
        self._open.close()

    def run(self, statement: Statement) -> Answer:
        """Run one statement; raises EngineError."""
        if statement.sql.strip() == HANDSHAKE:
            return Answer(_handshake(self._version), "Native")
        if self._drain and statement.data is not None:
            rows = row_count(statement.format, statement.data)
            with self._lock:
                self._drained[_table_of(statement.sql)] += rows
            return Answer(b"", statement.format, written_rows=rows)
        connection = Connection(self._path)
        try:
            return self._run(connection, statement)
        except RuntimeError as error:
            raise self._error(str(error)) from error
        finally:
            connection.close()

    def drained(self) -> dict[str, int]:
        """Table -> rows that were thrown away."""
        with self._lock:
            return dict(self._drained)

    def _run(self, connection: Connection, statement: Statement) -> Answer:
        if statement.database:
            connection.query("USE " + _quoted(statement.database, "`"))
        for name, value in sorted(statement.settings.items(), key=lambda one: one[0] == "readonly"):
            connection.query(f"SET {_quoted(name, '`')} = {_quoted(value, chr(39))}")
        if statement.data is None:
            result = connection.query(statement.sql, statement.format, statement.parameters)
            found = re.search(r"\bFORMAT\s+(\w+)\s*;?\s*$", statement.sql, re.IGNORECASE)
            form = found[1] if found else statement.format
            return Answer(result.bytes() or b"", form, result.rows_read(), result.rows_written())
        with connection.send_insert(statement.sql, statement.format) as insert:
            insert.append(statement.data)
            return Answer(b"", statement.format, 0, insert.finish().rows_written)

    def _error(self, text: str) -> EngineError:
        found = re.search(r"Code: (\d+)\.", text)
        if found is None:
            return EngineError(1001, f"Code: 1001. DB::Exception: {text} (STD_EXCEPTION) (version {self._version})")
        whole = text[found.start() :].strip()
        if "(version " not in whole:
            whole += f" (version {self._version} (official build))"
        return EngineError(int(found[1]), whole)


def _quoted(text: str, quote: str) -> str:
    return quote + text.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote


def _table_of(sql: str) -> str:
    """The table of an INSERT, without its database."""
    found = re.match(r"\s*INSERT\s+INTO\s+(?:TABLE\s+)?([\w.`\"]+)", sql, re.IGNORECASE)
    return found[1].replace("`", "").replace('"', "").rpartition(".")[2] if found else ""


def row_count(form: str, data: bytes) -> int:
    """How many rows the data of an insert holds, without decoding them; formats but Native and Arrow count as 0."""
    if form == "Arrow":
        reader = pa.ipc.open_file(pa.BufferReader(data))
        return sum(reader.get_batch(n).num_rows for n in range(reader.num_record_batches))
    if form != "Native" or not data:
        return 0
    _, at = _varint(data, 0)  # columns; one block a body is what clients send
    return _varint(data, at)[0]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _handshake(version: str) -> bytes:
    """The answer to `HANDSHAKE`, of revision 0, so that the client goes on with plain Native blocks."""
    columns = (("displayName()", "testbed"), ("version()", version), ("revision()", 0), ("timezone()", "UTC"))
    block = bytearray(b"\x01\x00\x02\xff\xff\xff\xff\x00") + bytes((len(columns), 1))
    for name, value in columns:
        kind = "String" if isinstance(value, str) else "UInt32"
        block += _text(name) + _text(kind) + b"\x00"
        block += _text(value) if isinstance(value, str) else struct.pack("<I", value)
    return bytes(block)


def _text(text: str) -> bytes:
    raw = text.encode()
    return bytes((len(raw),)) + raw  # shorter than 128: the length is one byte
