"""Names without parentheses in SQL of users: what is a column or an alias, and what would be a function or a table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from query.functions import allowed
from query.sql import safe_sql
from query.sql_names import KEYWORD_FUNCTIONS, TAKE_A_FUNCTION
from schemas.errors import QueryError

FUNCTIONS_BY_NAME = Path(__file__).with_name("escapes_by_name.sql").read_text().splitlines()
ESCAPES = [line for line in FUNCTIONS_BY_NAME if line and not line.startswith("--")]


@pytest.mark.parametrize("sql", ESCAPES)
def test_a_name_that_reaches_a_function_or_a_table_is_refused_with_a_hint(sql: str) -> None:
    with pytest.raises(QueryError) as refused:
        safe_sql(sql, 100)
    assert refused.value.field == "sql"
    assert refused.value.hint


def test_the_api_gives_nothing_away_for_any_of_them(api: httpx.Client) -> None:
    for sql in ESCAPES:
        answer = api.post("/v1/sql", json={"sql": sql})
        assert answer.status_code == 400, sql
        assert "root:" not in answer.text, sql
    assert api.post("/v1/sql", json={"sql": "SELECT count() FROM findings"}).json()["rows"] == [[12]]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT any(ServiceVersion) AS version, any(ServiceName) AS file FROM tool_calls HAVING version = '2.1'",
         [["2.1", "claude-code"]]),
        ("SELECT count FROM (SELECT count() AS count, max(Timestamp) AS Timestamp FROM otel_logs)", [[18]]),
        ("SELECT tool_calls.ToolName FROM tool_calls ORDER BY ToolName LIMIT 1", [["Bash"]]),
        ("SELECT f.n FROM (SELECT count() AS n FROM findings) AS f WHERE n > 1", [[12]]),
        ("WITH a AS (SELECT count() AS n FROM findings), b AS (SELECT a.n FROM a) SELECT n FROM b", [[12]]),
        ("WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT n FROM t",
         [[1], [2], [3]]),
        ("SELECT arrayMap((x, y) -> x + y, [1], [2]), mapFilter((k, v) -> v > 1, map('a', 2, 'b', 1))",
         [[[3], {"a": 2}]]),
        ("SELECT arrayFold((acc, x) -> acc + x, [1, 2], toInt64(0)), arrayMap(x -> x.1 + x.2, [(1, 2)])", [[3, [3]]]),
        ("SELECT arraySort([2, 1]), arraySort(x -> 0 - x, [1, 2]), arraySum(a), arrayMax(a) FROM (SELECT [1, 2] AS a)",
         [[[1, 2], [2, 1], 3, 2]]),
        ("SELECT arrayMap(x -> arrayMap(y -> x + y, [1]), [1])", [[[[2]]]]),
        ("SELECT '1' IN wanted FROM (SELECT ['1'] AS wanted)", [[1]]),
        ("WITH ['1'] AS wanted SELECT z FROM (SELECT '1' IN wanted AS z)", [[1]]),
        ("SELECT arrayMap(x -> 1 IN x, [[1], [2]])", [[[1, 0]]]),
        ("SELECT count() FROM sessions WHERE '2.1' IN Versions", [[2]]),
        ("SELECT kv FROM otel_logs ARRAY JOIN mapKeys(LogAttributes) AS kv ORDER BY kv DESC LIMIT 1", [["session.id"]]),
        ("SELECT LogAttributes.keys AS k FROM otel_logs LIMIT 1", [[["session.id", "event.sequence"]]]),
        ("SELECT rn FROM (SELECT *, row_number() OVER (ORDER BY StartTimeUnixNano) AS rn FROM tool_calls) WHERE rn = 1",
         [[1]]),
        ("SELECT dateDiff(day, d, d + 2), isNaN(nan), EXTRACT(day FROM d) FROM (SELECT toDate('2026-01-05') AS d)",
         [[2, 1, 5]]),
        ("SELECT sum(x) OVER w FROM (SELECT 1 AS x) WINDOW w AS (ORDER BY x)", [[1]]),
    ],
)  # fmt: skip
def test_names_of_columns_aliases_and_arguments_are_answered(
    api: httpx.Client, sql: str, rows: list[list[Any]]
) -> None:
    response = api.post("/v1/sql", json={"sql": sql})
    assert response.status_code == 200, response.text
    assert response.json()["rows"] == rows


def test_a_chain_of_with_queries_that_is_too_long_is_an_answer() -> None:
    chain = "".join(f", c{n} AS (SELECT * FROM c{n - 1})" for n in range(1, 500))  # noqa: S608 - refused
    with pytest.raises(QueryError) as refused:
        safe_sql(f"WITH c0 AS (SELECT 1 AS q){chain} SELECT q FROM c499", 100)  # noqa: S608 - refused
    assert refused.value.code == "too_complex"


# Each function of the engine by its bare name; what answers is one that needs no parentheses.
PROBE = """
import sys
from query.functions import allowed
from sinks.clickhouse import connect
client = connect("chdb://" + sys.argv[1])
for name, higher in client.query("SELECT name, ifNull(higher_order, 0) FROM system.functions").result_rows:
    bare = 0
    if not allowed(name):
        try:
            bare = len(client.query(f'SELECT "{name}"').result_rows)
        except Exception:
            pass
    print(name, bare, higher)
"""
OF_TIME = frozenset({"localtime", "localtimestamp"})


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, bool, bool]]:
    """Name of each function, whether it is called without parentheses, whether it takes a function."""
    said = subprocess.run(
        [sys.executable, "-c", PROBE, str(tmp_path_factory.mktemp("engine"))],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    lines = [line.split(" ") for line in said.stdout.splitlines()]
    assert len(lines) > 1000
    return [(name, bare == "1", higher == "1") for name, bare, higher in lines]


def test_what_the_engine_calls_without_parentheses_can_be_no_name(engine: list[tuple[str, bool, bool]]) -> None:
    bare = {name.lower() for name, bare, _ in engine if bare and not allowed(name)}
    assert "currentuser" in bare
    assert bare - OF_TIME <= KEYWORD_FUNCTIONS


def test_every_callable_function_that_takes_a_function_is_known(engine: list[tuple[str, bool, bool]]) -> None:
    higher = {name.lower() for name, _, takes in engine if takes and allowed(name)}
    assert "arraymap" in higher
    assert higher <= TAKE_A_FUNCTION


def test_no_function_of_the_engine_can_be_named_where_one_is_taken(engine: list[tuple[str, bool, bool]]) -> None:
    for name, _, _ in engine:
        for sql in (
            f"SELECT arrayMap(\"{name}\", ['x'])",
            f"SELECT mapApply(\"{name}\", map('x', 'y')) FROM (SELECT 1 AS \"{name}\")",  # noqa: S608 - never run
        ):
            with pytest.raises(QueryError):
                safe_sql(sql, 100)
