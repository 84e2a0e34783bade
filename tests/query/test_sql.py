"""SQL of users over a real chDB folder: what can be asked, what cannot, and that nothing gets out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from query.functions import allowed
from query.sql import safe_sql
from schemas.errors import QueryError


def ask(api: httpx.Client, sql: str, **more: Any) -> httpx.Response:
    return api.post("/v1/sql", json={"sql": sql, **more})


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT count() FROM tool_calls", [[33]]),
        ("SELECT ToolName, count() AS c FROM tool_calls GROUP BY 1 ORDER BY c DESC LIMIT 2",
         [["Bash", 27], ["Read", 2]]),
        ("SELECT countIf(Outcome = 'error') / count() AS r FROM tool_calls WHERE SessionId = 'stuck'", [[27 / 29]]),
        ("SELECT quantile(0.5)(DurationNs) FROM tool_calls", [[1_000_000_000]]),
        ("SELECT quantileExactIf(0.5)(DurationNs, Outcome = 'ok') FROM tool_calls", [[1_000_000_000]]),
        ("SELECT uniqExact(SessionId), any(ServiceName) FROM tool_calls", [[2, "claude-code"]]),
        ("WITH s AS (SELECT SessionId FROM findings) SELECT count() FROM tool_calls WHERE SessionId IN s", [[29]]),
        ("WITH ['stuck'] AS wanted SELECT count() FROM tool_calls WHERE has(wanted, SessionId)", [[29]]),
        ("SELECT count() FROM tool_calls WHERE SessionId IN (SELECT SessionId FROM findings)", [[29]]),
        ("SELECT count() FROM tool_calls AS t JOIN findings AS f ON t.SessionId = f.SessionId", [[29]]),
        ("SELECT max(StartTimeUnixNano) FROM tool_calls", [["2026-01-05T09:05:00.000000000Z"]]),
        ("SELECT toStartOfMinute(min(StartTimeUnixNano)) FROM tool_calls", [["2026-01-05T09:00:00Z"]]),
        ("SELECT count() FROM tool_calls WHERE StartTimeUnixNano > toDateTime('2030-01-01') + INTERVAL 1 DAY", [[0]]),
        ("SELECT row_number() OVER (ORDER BY StartTimeUnixNano) AS n FROM tool_calls ORDER BY n DESC LIMIT 1", [[33]]),
        ("SELECT JSONExtractString(Document, 'severity') FROM findings WHERE Id = 'stuck-finding'", [["critical"]]),
        ("SELECT Evidence.SpanId FROM findings WHERE Id = 'stuck-finding'", [[["00f067aa0ba902b7"]]]),
        ("SELECT SpanId FROM findings ARRAY JOIN Evidence.SpanId AS SpanId WHERE Id = 'stuck-finding'",
         [["00f067aa0ba902b7"]]),
        ("SELECT arraySort(groupUniqArray(ToolName)) FROM tool_calls WHERE SessionId = 'healthy'",
         [[["T0", "T1", "T2", "T3"]]]),
        ("SELECT LogAttributes['event.sequence'] AS n FROM otel_logs ORDER BY toInt64(n) LIMIT 1",
         [["0"]]),
        ("SELECT ToolCalls FROM sessions WHERE SessionId = 'stuck'", [[29]]),
        ("SELECT if(1, 'a', 'b'), multiIf(0, 1, 2), CASE WHEN 1 THEN 3 END, 1 ? 4 : 5", [["a", 2, 3, 4]]),
        ("SELECT arrayMap(x -> x + 1, [1, 2]), map('a', 1)['a'], (1, 'b').2, [7, 8][2]", [[[2, 3], 1, "b", 8]]),
        ("SELECT toDate('2026-01-05'), dateDiff('day', toDate('2026-01-01'), toDate('2026-01-05'))",
         [["2026-01-05", 4]]),
        ("SELECT 1 UNION ALL SELECT 1", [[1], [1]]),
        ("SELECT 0 / 0, 1 / 0, NULL", [[None, None, None]]),
        ("SELECT 18446744073709551615", [[18446744073709551615]]),
        ("select count() from numbers(10) -- a comment", [[10]]),
        ("SELECT 1;", [[1]]),
        ("SELECT unhex('41FF42'), substring('ä', 1, 1)", [["A\ufffdB", "\ufffd"]]),
        ("SELECT number FROM numbers(9) ORDER BY number DESC LIMIT 2 OFFSET 1", [[7], [6]]),
        ("SELECT number FROM numbers(9) ORDER BY number DESC LIMIT 1, 2", [[7], [6]]),
        ("SELECT number % 2 AS m, number FROM numbers(9) ORDER BY number LIMIT 1 BY m", [[0, 0], [1, 1]]),
        ("SELECT number FROM numbers(3) ORDER BY number DESC LIMIT 100000", [[2], [1], [0]]),
        ("SELECT 1 AS a UNION ALL SELECT 2 AS a ORDER BY a DESC LIMIT 1", [[1], [2]]),
    ],
)  # fmt: skip
def test_ordinary_questions_are_answered(api: httpx.Client, sql: str, rows: list[list[Any]]) -> None:
    response = ask(api, sql)
    assert response.status_code == 200, response.text
    assert response.json()["rows"] == rows
    assert response.json()["as_of"] == "2026-01-05T10:00:00.000000Z"


@pytest.mark.parametrize(
    "text",
    [
        "it's",
        'say "x"',
        "a\\b",
        "\\",
        "\\'",
        "a\nb\tc",
        "`",
        "''",
        "\\\\'; SELECT 2",
        "ä€😀",
        "%s {x:String} $1",
        "--x",
        "/*",
    ],
)
def test_text_in_quotes_is_the_same_after_checking(api: httpx.Client, text: str) -> None:
    quoted = "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    doubled = "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
    assert ask(api, f"SELECT {quoted}, {doubled}").json()["rows"] == [[text, text]]


ESCAPES = [
    # other statements
    "INSERT INTO tool_calls SELECT * FROM tool_calls",
    "DROP TABLE findings",
    "ALTER TABLE findings DELETE WHERE 1",
    "CREATE TABLE x (a Int8) ENGINE = Memory",
    "TRUNCATE TABLE findings",
    "SET readonly = 0",
    "USE system",
    "SYSTEM FLUSH LOGS",
    "KILL QUERY WHERE 1",
    "SHOW TABLES",
    "EXPLAIN SELECT 1",
    "DESCRIBE TABLE findings",
    "ATTACH TABLE x FROM '/'",
    "BACKUP TABLE findings TO Disk('x', 'y')",
    "SELECT 1; DROP TABLE findings",
    "SELECT 1;; SELECT 2",
    # other places
    "SELECT * FROM system.tables",
    "SELECT * FROM `system`.`tables`",
    'SELECT * FROM "system"."tables"',
    "SELECT * FROM SYSTEM.tables",
    "SELECT * FROM `system.tables`",
    "SELECT * FROM system . tables",
    "SELECT * FROM/**/system/**/./**/tables",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM INFORMATION_SCHEMA.TABLES",
    "SELECT * FROM default.schema_migrations",
    "SELECT * FROM schema_migrations",
    "SELECT * FROM nope",
    "SELECT 1 IN system.one",
    "SELECT 1 IN (system.one)",
    "SELECT 1 IN ((system.one))",
    "SELECT 1 GLOBAL IN system.one",
    "SELECT 1 NOT IN system.one",
    "SELECT (1, 2) IN (system.one, 3)",
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM system.one)",
    "SELECT (SELECT name FROM system.tables LIMIT 1)",
    "WITH x AS (SELECT * FROM system.tables) SELECT * FROM x",
    "WITH tables AS (SELECT 1) SELECT * FROM system.tables",
    "SELECT * FROM findings UNION ALL SELECT name FROM system.tables",
    "SELECT * FROM findings JOIN system.tables ON 1 = 1",
    "SELECT * FROM findings, system.tables",
    "SELECT 1 FROM (SELECT 1 FROM (SELECT * FROM system.one))",
    "SELECT in(1, system.one)",
    # table functions
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM `file`('/etc/passwd', 'LineAsString')",
    "SELECT * FROM url('http://localhost/', 'RawBLOB')",
    "SELECT * FROM remote('localhost', 'system', 'one')",
    "SELECT * FROM s3('x')",
    "SELECT * FROM mysql('h', 'd', 't', 'u', 'p')",
    "SELECT * FROM executable('id', 'TSV', 'a String')",
    "SELECT * FROM input('a String')",
    "SELECT * FROM cluster('default', system.one)",
    "SELECT * FROM merge('system', '.*')",
    "SELECT * FROM merge(default, '.*')",
    "SELECT * FROM view(SELECT * FROM system.one)",
    "SELECT * FROM viewIfPermitted(SELECT 1 ELSE null('a Int8'))",
    "SELECT * FROM dictionary('x')",
    "SELECT * FROM loop(system.one)",
    "SELECT * FROM mergeTreeIndex(default, findings)",
    "SELECT * FROM mergeTreeProjection(default, findings, x)",
    "SELECT * FROM fuzzQuery('x')",
    "SELECT * FROM values('a String', 'b')",
    "SELECT * FROM format(JSONEachRow, '{}')",
    "SELECT * FROM Python(os)",
    "SELECT * FROM findings, file('/etc/passwd')",
    "SELECT 1 IN file('/etc/passwd')",
    "SELECT * FROM generateRandom()",
    "SELECT * FROM zeros(10)",
    # functions
    "SELECT file('/etc/passwd')",
    "SELECT `file`('/etc/passwd')",
    "SELECT \"file\"('/etc/passwd')",
    "SELECT FILE('/etc/passwd')",
    "SELECT file/**/('/etc/passwd')",
    "SELECT dictGet('d', 'a', 1)",
    "SELECT dictGetOrDefault('d', 'a', 1, 2)",
    "SELECT joinGet('system.x', 'a', 1)",
    "SELECT getSetting('readonly')",
    "SELECT getServerSetting('x')",
    "SELECT hostName()",
    "SELECT currentUser()",
    "SELECT currentDatabase()",
    "SELECT version()",
    "SELECT uptime()",
    "SELECT filesystemAvailable()",
    "SELECT sleep(3)",
    "SELECT sleepEachRow(3)",
    "SELECT throwIf(1)",
    "SELECT catboostEvaluate('/etc/passwd', 1)",
    "SELECT hasColumnInTable('default', 'findings', 'Id')",
    "SELECT addressToLine(1)",
    "SELECT evalMLMethod(1)",
    "SELECT encrypt('aes-128-ecb', 'a', 'b')",
    "SELECT initializeAggregation('x', 1)",
    "SELECT * FROM findings WHERE sleep(1)",
    "SELECT count() FROM findings GROUP BY sleep(1)",
    "SELECT arrayMap(x -> file(x), ['/etc/passwd'])",
    "SELECT 1 ORDER BY sleep(1)",
    "SELECT 1 LIMIT sleep(1)",
    # clauses
    "SELECT 1 INTO OUTFILE '{canary}'",
    "SELECT 1 INTO OUTFILE '{canary}' FORMAT CSV",
    "SELECT 1 INTO DUMPFILE '{canary}'",
    "SELECT 1 FORMAT CSV",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS max_execution_time = 0, max_memory_usage = 0",
    "SELECT * FROM (SELECT 1 SETTINGS final = 0)",
    "SELECT 1 FROM findings SETTINGS max_result_rows = 0",
    "WITH x AS (SELECT 1 SETTINGS final = 0) SELECT * FROM x",
    "SELECT {x:String}",
    "SELECT * FROM {t:Identifier}",
    "SELECT ?",
    "SELECT @@version",
    "SELECT @x",
    # more ways to the same places
    "SELECT * FROM azureBlobStorage('x')",
    "SELECT * FROM hdfs('hdfs://x/y', 'TSV', 'a String')",
    "SELECT * FROM postgresql('h:1', 'd', 't', 'u', 'p')",
    "SELECT * FROM mongodb('h:1', 'd', 'c', 'u', 'p', 'a String')",
    "SELECT * FROM redis('h:1', 'k', 'k String')",
    "SELECT * FROM sqlite('/etc/passwd', 't')",
    "SELECT * FROM odbc('DSN=x', 'd', 't')",
    "SELECT * FROM jdbc('x', 'd', 't')",
    "SELECT * FROM deltaLake('x')",
    "SELECT * FROM iceberg('x')",
    "SELECT * FROM gcs('x')",
    "SELECT * FROM urlCluster('default', 'http://x')",
    "SELECT * FROM fileCluster('default', '/etc/passwd')",
    "SELECT * FROM remoteSecure('localhost', 'system', 'one')",
    "SELECT * FROM clusterAllReplicas('default', system.one)",
    "SELECT * FROM timeSeriesData(default, x)",
    "SELECT * FROM prometheusQuery(default, 'up', now())",
    "SELECT * FROM arrowFlight('localhost:1', 'x')",
    "SELECT * FROM ytsaurus('x', 'y', 'z', 'a String')",
    "SELECT * FROM filesystem('/')",
    "SELECT * FROM primes(10)",
    "SELECT * FROM `default`.`findings`",
    'SELECT * FROM "_temporary_and_external_tables".x',
    "SELECT * FROM tool_calls, system.parts",
    "SELECT * FROM (SELECT * FROM system.settings)",
    "SELECT * FROM tool_calls SAMPLE 1 OFFSET (SELECT count() FROM system.one)",
    "SELECT (SELECT count() FROM merge(REGEXP('.*'), '.*'))",
    "WITH (SELECT count() FROM system.one) AS n SELECT n",
    "SELECT count() FROM findings HAVING (SELECT 1 FROM system.one)",
    "SELECT 1 FROM findings QUALIFY (SELECT 1 FROM system.one)",
    "SELECT arrayJoin((SELECT groupArray(name) FROM system.tables))",
    "SELECT dictGetString('d', 'a', 1)",
    "SELECT dictHas('d', 1)",
    "SELECT joinGetOrNull('system.x', 'a', 1)",
    "SELECT shardNum()",
    "SELECT serverUUID()",
    "SELECT tcpPort()",
    "SELECT getMacro('x')",
    "SELECT displayName()",
    "SELECT buildId()",
    "SELECT getClientHTTPHeader('x')",
    "SELECT showCertificate()",
    "SELECT revision()",
    "SELECT defaultRoles()",
    "SELECT queryID()",
    "SELECT connectionId()",
    "SELECT demangle('x')",
    "SELECT addressToSymbol(1)",
    "SELECT logTrace('x')",
    "SELECT aes_decrypt_mysql('aes-128-ecb', 'a', 'b')",
    "SELECT decrypt('aes-128-ecb', 'a', 'b')",
    "SELECT runningAccumulate(x) FROM findings",
    "SELECT finalizeAggregation(unhex('00'))",
    "SELECT arrayReduce('sleep', [1])",
    "SELECT apply(sleep, 1)",
    "SELECT 1 SETTINGS allow_introspection_functions = 1",
    "SELECT 1 UNION ALL SELECT 1 SETTINGS max_result_rows = 0",
    "(SELECT 1) INTO OUTFILE '{canary}'",
    "SELECT 1 INTO OUTFILE '{canary}' AND STDOUT",
    "SELECT 1 INTO OUTFILE '{canary}' APPEND",
    "SELECT 1 FORMAT Null; SELECT * FROM system.one",
    "EXPLAIN PLAN SELECT * FROM system.one",
    "EXPLAIN AST SELECT 1",
    "CHECK TABLE findings",
    "OPTIMIZE TABLE findings FINAL",
    "RENAME TABLE findings TO x",
    "EXCHANGE TABLES findings AND tool_calls",
    "DETACH TABLE findings",
    "GRANT SELECT ON *.* TO x",
    "CREATE USER x",
    "CREATE FUNCTION f AS (x) -> x",
    "DELETE FROM findings WHERE 1",
    "UPDATE findings SET Why = 'x' WHERE 1",
    "UNDROP TABLE findings",
    "EXISTS TABLE findings",
    "WITH x AS (INSERT INTO findings SELECT 1) SELECT 1",
    # two readings
    "SELECT `a\\`` FROM findings",
    'SELECT "a\\"b" FROM findings',
    "SELECT 1 AS `x\\`",
    "SELECT 'a' -- \\\n; DROP TABLE findings",
    "SELECT 1 # ; \n; DROP TABLE findings",
    "SELECT 1 AS system",
    "SELECT system.name FROM findings AS system",
    "SELECT " + "(" * 500 + "1" + ")" * 500,
    "SELECT " + "-" * 5000 + "1",
    "SELECT",
    "'",
    "SELECT '",
    "\x00",
    "SELECT 1 \x00",
]


def test_comments_are_gone_before_the_engine_reads_them() -> None:
    assert safe_sql("SELECT 1 /* /* */ ; DROP TABLE findings */ -- x", 100) == "SELECT 1 LIMIT 100"


@pytest.mark.parametrize("sql", ESCAPES)
def test_what_could_get_out_is_refused_before_it_runs(sql: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    with pytest.raises(QueryError) as refused:
        safe_sql(sql.replace("{canary}", str(canary)), 100)
    assert refused.value.code not in ("", "query_failed")
    assert not canary.exists()


@pytest.mark.parametrize("sql", [escape for escape in ESCAPES if "canary" not in escape])
def test_what_could_get_out_is_an_answer_with_a_reason_and_the_api_goes_on(api: httpx.Client, sql: str) -> None:
    response = ask(api, sql)
    assert response.status_code == 400
    assert response.json()["error"]["message"]
    assert ask(api, "SELECT count() FROM findings").json()["rows"] == [[12]]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT Nope FROM findings", "unknown_column"),
        ("SELECT count() FROM findings WHERE Id = 1", "wrong_type"),
        ("SELECT TOSTRING(1)", "unknown_function"),
        ("SELECT sum(number) FROM numbers(1000000000000)", "timeout"),
        ("SELECT groupArray(repeat('x', 1000000)) FROM numbers(100000)", "memory_limit"),
    ],
)
def test_a_failure_in_the_engine_is_an_error_with_a_code(api: httpx.Client, sql: str, code: str) -> None:
    response = ask(api, sql)
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["code"], error["field"]) == (code, "sql")
    assert error["hint"]
    assert "DB::Exception" not in error["message"]


def test_what_a_failed_query_had_written_is_not_in_the_next_answer(api: httpx.Client) -> None:
    for _ in range(8):
        failing = ask(
            api, "SELECT toDate(if(number < 200000, '2026-01-05', 'no date')) FROM numbers(400000)", limit=10_000
        )
        assert failing.status_code in (200, 400)
        assert ask(api, "SELECT 1 AS one").json()["rows"] == [[1]]


def test_rows_are_limited_and_the_answer_says_so(api: httpx.Client) -> None:
    answer = ask(api, "SELECT number FROM numbers(1000000)", limit=3).json()
    assert (answer["rows"], answer["truncated"]) == ([[0], [1], [2]], True)
    assert answer["columns"] == [{"name": "number", "type": "UInt64"}]
    complete = ask(api, "SELECT number FROM numbers(3)", limit=3).json()
    assert (len(complete["rows"]), complete["truncated"]) == (3, False)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT number FROM numbers(10000000) LIMIT 10000000",
        "SELECT number FROM numbers(10000000) UNION ALL SELECT 1",
        "SELECT number FROM numbers(10000000) LIMIT 10000000 BY number",
        "SELECT number FROM numbers(10000000) LIMIT 5, 10000000",
        "(SELECT number FROM numbers(10000000))",
    ],
)
def test_a_limit_of_the_users_own_lifts_nothing(api: httpx.Client, sql: str) -> None:
    answer = ask(api, sql, limit=10_000, max_tokens=1_000_000).json()
    assert (len(answer["rows"]), answer["truncated"]) == (10_000, True)


@pytest.mark.parametrize(
    "name", ["count", "sumIf", "quantileExactIf", "uniqExactIfOrNull", "groupArrayDistinct", "argMaxIf"]
)
def test_aggregates_can_be_combined(name: str) -> None:
    assert allowed(name)


@pytest.mark.parametrize(
    "name", ["file", "fileIf", "dictGet", "dictGetIf", "sleep", "sleepArray", "sumMerge2", "if if"]
)
def test_a_combinator_makes_nothing_else_callable(name: str) -> None:
    assert not allowed(name)
