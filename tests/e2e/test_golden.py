"""The golden requests through a real process, by every door: what it stores is what the real Collector stored.

No tolerance but that of the comparison itself: the API writes times as RFC 3339 and 64-bit integers as numbers, floats
are compared as the numbers they are, maps in any order of keys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from schemas.columns import Column
from schemas.tables import BY_NAME
from schemas.topics import Signal
from tests.decode import golden
from tests.e2e.running import KINDS, METHODS, PROTOBUF, Up, attributes, logs, running, telltale, wait_until

SIGNALS: tuple[Signal, ...] = ("traces", "logs", "metrics")
TABLES = sorted(name for name in BY_NAME if name.startswith("otel_"))
OURS = ("SourceTopic", "SourcePartition", "SourceOffset", "StoredAt")
VIEW = "otel_traces_trace_id_ts"
"""Filled by a materialized view: its rows do not say where they came from."""
FLOATS = re.compile(r"(Array\()?Float64\)?")


def requests() -> list[tuple[Signal, bytes]]:
    return [(signal, message.value) for signal, found in golden.protobuf_messages().items() for message in found]


def over_http_as_protobuf(up: Up) -> None:
    for signal, body in requests():
        up.store(signal, body, PROTOBUF)


def over_grpc(up: Up) -> None:
    with up.channel() as channel:
        for signal, body in requests():
            assert channel.unary_unary(METHODS[signal])(body, timeout=30) == b""


def over_http_as_json(up: Up) -> None:
    for message in golden.json_messages():
        request = json.loads(message.value)
        up.store(KINDS[next(iter(request))], message.value)


DOORS: tuple[Callable[[Up], None], ...] = (over_http_as_protobuf, over_grpc, over_http_as_json)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A process without redaction, with the golden requests in it once for each door, one door after the other."""
    with running(tmp_path_factory.mktemp("golden"), "--set", "redaction=off") as up:
        for times, door in enumerate(DOORS, 1):
            door(up)
            wait_until_stored(up, times)
        yield up


def wait_until_stored(up: Up, times: int) -> None:
    wanted = {table: times * len(golden.rows(table)) for table in TABLES}

    def counts() -> dict[str, int]:
        sums = ", ".join(f"(SELECT count() FROM {table})" for table in wanted)  # noqa: S608 - names of our tables
        return dict(zip(wanted, up.rows(f"SELECT {sums}")[0], strict=True))

    wait_until(lambda: counts() == wanted, lambda: f"{counts()} rows, not {wanted}")


def collectors(table: str) -> list[Column]:
    """The columns that are not ours alone."""
    return [column for column in BY_NAME[table].columns if column.name not in OURS]


def select(table: str, where: str = "") -> str:
    """The Collector's columns; floats as text, because JSON has no NaN."""
    names = []
    for column in collectors(table):
        name = f"`{column.name}`"
        as_text = f"arrayMap(x -> toString(x), {name})" if "Array" in column.type else f"toString({name})"
        names.append(f"{as_text} AS {name}" if FLOATS.fullmatch(column.type) else name)
    return f"SELECT {', '.join(names)} FROM {table} {where}"  # noqa: S608 - names of our tables


def found(up: Up, table: str, where: str = "") -> list[dict[str, Any]]:
    """Rows as the golden files have them."""
    columns = collectors(table)
    rows = up.rows(select(table, where))
    return golden.ordered(
        [{c.name: as_golden(value, c.type) for c, value in zip(columns, row, strict=True)} for row in rows]
    )


def wanted(table: str) -> list[dict[str, Any]]:
    types = {column.name: column.type for column in BY_NAME[table].columns}
    return golden.ordered(
        [
            {name: floats(value) if FLOATS.fullmatch(types[name]) else value for name, value in row.items()}
            for row in golden.rows(table)
        ]
    )


def as_golden(value: Any, kind: str) -> Any:
    if kind.startswith("Array("):
        return [as_golden(one, kind[6:-1]) for one in value]
    if kind in ("UInt64", "Int64"):
        return str(value)
    if kind.startswith("DateTime"):
        return value.replace("T", " ").removesuffix("Z")
    return floats(value) if kind == "Float64" else value


def floats(value: Any) -> Any:
    return [floats(one) for one in value] if isinstance(value, list) else repr(float(value))


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
@pytest.mark.parametrize("table", [table for table in TABLES if table != VIEW])
def test_rows_are_the_collectors(up: Up, table: str, door: Callable[[Up], None]) -> None:
    signal: Signal = "traces" if "traces" in table else "logs" if "logs" in table else "metrics"
    requests_of = sum(1 for of, _ in requests() if of == signal)
    first = DOORS.index(door) * requests_of
    rows = found(up, table, f"WHERE SourceOffset BETWEEN {first} AND {first + requests_of - 1}")
    assert rows == wanted(table)


def test_rows_of_the_view_are_the_collectors(up: Up) -> None:
    assert found(up, VIEW) == golden.ordered(wanted(VIEW) * len(DOORS))


def test_the_command_prints_the_rows_that_the_api_gives(up: Up) -> None:
    sql = "SELECT TraceId, Body, LogAttributes FROM otel_logs ORDER BY SourceOffset, TraceId, Body, LogAttributes"
    done = telltale("sql", "--json", "--limit", "5000", sql, "--url", f"http://{up.ready['api']}")
    assert (done.returncode, done.stderr) == (0, "")
    printed = [list(json.loads(line).values()) for line in done.stdout.splitlines()]
    assert len(printed) == len(DOORS) * len(golden.rows("otel_logs"))
    assert printed == up.rows(sql)


SECRET = "ghp_" + "a1B2" * 9


def test_redaction_as_it_is_by_default_changes_secrets_and_nothing_else(
    up: Up, tmp_path_factory: pytest.TempPathFactory
) -> None:
    record = {
        "timeUnixNano": "1795357942444000000",
        "attributes": attributes({"command": f"curl -H {SECRET}", "n": "1"}),
    }
    with running(tmp_path_factory.mktemp("redacted")) as redacting:
        over_http_as_protobuf(redacting)
        redacting.store("logs", logs(record, service="secrets"))
        assert wait_until(
            lambda: redacting.rows("SELECT LogAttributes FROM otel_logs WHERE ServiceName = 'secrets'")
        ) == [[{"command": "curl -H [REDACTED:github_token]", "n": "1"}]]
        wait_until(lambda: len(found(redacting, VIEW)) == len(golden.rows(VIEW)))
        wait_until(lambda: len(found(redacting, "otel_metrics_summary")) == len(golden.rows("otel_metrics_summary")))
        for table in TABLES:
            where = "WHERE ServiceName != 'secrets'" if table == "otel_logs" else ""
            assert found(redacting, table, where) == wanted(table)
