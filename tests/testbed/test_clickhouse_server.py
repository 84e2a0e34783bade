"""The test server speaks ClickHouse's HTTP interface, as clients know it."""

from __future__ import annotations

import gzip
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import clickhouse_connect
import cramjam
import httpx
import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from testbed.clickhouse import ServerProcess
from testbed.clickhouse.faults import DISK_FULL, TOO_MANY_PARTS, Fault
from testbed.clickhouse.statement import HttpRequest, parse


def ask(server: ServerProcess, sql: str, **parameters: str) -> httpx.Response:
    return httpx.post(server.url, params=parameters, content=sql.encode(), timeout=30)


@pytest.fixture
def table(server: ServerProcess) -> str:
    ask(server, "DROP TABLE IF EXISTS t").raise_for_status()
    ask(server, "CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a").raise_for_status()
    return "t"


def rows(server: ServerProcess) -> str:
    return ask(server, "SELECT groupArray((a, b)) FROM (SELECT * FROM t ORDER BY a)").text.strip()


def test_it_answers_ping_and_an_empty_question(server: ServerProcess) -> None:
    assert [httpx.get(server.url + path).text for path in ("/ping", "/")] == ["Ok.\n", "Ok.\n"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_query_may_stand_in_the_url(server: ServerProcess, method: str) -> None:
    answer = httpx.request(method, server.url, params={"query": "SELECT 1 AS x FORMAT JSONEachRow", "query_id": "q7"})
    assert (answer.text, answer.headers["x-clickhouse-format"]) == ('{"x":1}\n', "JSONEachRow")
    assert answer.headers["x-clickhouse-query-id"] == "q7"


def test_a_get_can_change_nothing(server: ServerProcess, table: str) -> None:
    answer = httpx.get(server.url, params={"query": f"DROP TABLE {table}"})
    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (404, "164")


def test_settings_and_parameters_are_those_of_the_request_alone(server: ServerProcess) -> None:
    sql = "SELECT getSetting('max_threads'), {who:String}"
    assert ask(server, sql, max_threads="3", param_who="it's").text == "3\tit\\'s\n"
    assert ask(server, sql, param_who="x").text != "3\tx\n"


def test_an_error_has_number_status_and_text(server: ServerProcess) -> None:
    answer = ask(server, "SELECT * FROM nowhere")
    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (404, "60")
    assert answer.text.startswith("Code: 60. DB::Exception: ")
    assert ask(server, "SELEC").status_code == 400


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd", "lz4"])
def test_bodies_come_compressed_and_in_pieces(server: ServerProcess, table: str, encoding: str) -> None:
    pack: dict[str, Callable[[bytes], Any]] = {
        "identity": bytes,
        "gzip": gzip.compress,
        "zstd": cramjam.zstd.compress,
        "lz4": cramjam.lz4.compress,
    }
    body = bytes(pack[encoding](b'{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n'))
    pieces = (body[at : at + 7] for at in range(0, len(body), 7))
    query = {"query": f"INSERT INTO {table} (a, b) FORMAT JSONEachRow"}
    answer = httpx.post(server.url, params=query, content=pieces, headers={"content-encoding": encoding})
    assert (answer.status_code, rows(server)) == (200, "[(1,'x'),(2,'y')]")
    assert '"written_rows": "2"' in answer.headers["x-clickhouse-summary"]


def test_values_and_selects_are_inserted_too(server: ServerProcess, table: str) -> None:
    assert table == "t"
    ask(server, "INSERT INTO t VALUES (1, 'FORMAT Native')").raise_for_status()
    ask(server, "INSERT INTO t SELECT 2, 'z'").raise_for_status()
    assert rows(server) == "[(1,'FORMAT Native'),(2,'z')]"


def test_clickhouse_connect_reads_and_writes(server: ServerProcess, table: str) -> None:
    client = clickhouse_connect.get_client(host="127.0.0.1", port=server.port)
    client.insert(table, [[1, "native"]], column_names=["a", "b"])
    client.insert_arrow(table, pa.table({"a": pa.array([2], pa.uint64()), "b": ["arrow"]}))
    assert client.query("SELECT * FROM t ORDER BY a").result_rows == [(1, "native"), (2, "arrow")]
    long = "x" * 200_000  # goes as a form
    assert client.query("SELECT length({long:String})", parameters={"long": long}).result_rows == [(200_000,)]
    with pytest.raises(DatabaseError, match="Code: 47") as caught:
        client.query("SELECT nope FROM t")
    assert caught.value.code == 47
    client.close()


def test_a_long_query_holds_no_other_back(server: ServerProcess) -> None:
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(ask, server, "SELECT sleep(3)")
        assert (ask(server, "SELECT 1").text, long.done()) == ("1\n", False)
        assert long.result().status_code == 200


def test_the_collector_gets_its_handshake(server: ServerProcess) -> None:
    answer = ask(server, "SELECT displayName(), version(), revision(), timezone()", default_format="Native")
    assert answer.content.startswith(b"\x01\x00\x02\xff\xff\xff\xff\x00\x04\x01\x0ddisplayName()\x06String\x00")


@pytest.mark.parametrize(("fault", "code"), [(TOO_MANY_PARTS, 252), (DISK_FULL, 243)])
def test_an_ill_server_refuses_inserts_and_still_answers(
    server: ServerProcess, table: str, fault: Fault, code: int
) -> None:
    server.fault(fault)
    answer = ask(server, f"INSERT INTO {table} FORMAT CSV\n1,x\n")
    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (500, str(code))
    assert rows(server) == "[]"
    server.fault()
    assert ask(server, f"INSERT INTO {table} FORMAT CSV\n1,x\n").status_code == 200


@pytest.mark.parametrize(("when", "stored"), [("before", "[]"), ("after", "[(1,'x')]")])
def test_a_connection_is_cut_before_or_after_the_work(
    server: ServerProcess, table: str, when: str, stored: str
) -> None:
    server.fault(Fault("cut", when="before" if when == "before" else "after", times=1))
    with pytest.raises(httpx.RemoteProtocolError):
        ask(server, f"INSERT INTO {table} FORMAT CSV\n1,x\n")
    assert rows(server) == stored


def test_it_refuses_connections_for_a_while(server: ServerProcess) -> None:
    server.fault(Fault("refuse", delay_s=3))
    with pytest.raises(httpx.TransportError):
        httpx.get(server.url + "/ping")
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            httpx.get(server.url + "/ping")
            break
        except httpx.TransportError:
            time.sleep(0.02)
    assert time.monotonic() < end


def test_a_killed_server_comes_back_on_its_port_with_its_data(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        port = server.port
        ask(server, "CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a").raise_for_status()
        ask(server, "INSERT INTO t VALUES (1, 'x')").raise_for_status()
        server.stop(signal.SIGKILL)
        server.start()
        assert (server.port, rows(server)) == (port, "[(1,'x')]")


def test_only_the_user_with_the_password_is_answered(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    with ServerProcess(tmp_path / "s", "--user", "telltale", "--password-file", str(tmp_path / "secret")) as server:
        right = httpx.post(server.url, content=b"SELECT 1", auth=("telltale", "s3cret"))
        by_header = httpx.post(
            server.url, content=b"SELECT 1", headers={"X-ClickHouse-User": "telltale", "X-ClickHouse-Key": "s3cret"}
        )
        wrong = httpx.post(server.url, content=b"SELECT 1", auth=("telltale", "guess"))
    assert (right.text, by_header.text, wrong.status_code) == ("1\n", "1\n", 403)
    assert wrong.headers["x-clickhouse-exception-code"] == "516"


def test_what_is_not_of_this_interface_is_refused() -> None:
    with pytest.raises(ValueError, match="Content-Encoding"):
        parse(HttpRequest("POST", "/", {"content-encoding": "br"}, b"x"))
    with pytest.raises(ValueError, match="block compression"):
        parse(HttpRequest("POST", "/?decompress=1", {}, b"x"))
