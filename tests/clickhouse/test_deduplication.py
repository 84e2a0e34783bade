"""What carries a token is stored once; what carries none is never dropped, however often its block was seen."""

from clickhouse_connect.driver.client import Client

from schemas.rows import tool_call_rows
from sinks.clickhouse.deduplication import deduplication
from tests.pipeline.facts_for_tests import tool

ROWS = tool_call_rows([tool(i, span_id=f"s{i}") for i in range(3)], "otlp_spans", 0, [0, 1, 2])
COUNT = "SELECT count() FROM tool_calls"


def test_the_same_token_stores_once_and_no_token_always_stores(client: Client) -> None:
    client.command("TRUNCATE TABLE tool_calls")
    for _ in range(2):
        client.insert_arrow("tool_calls", ROWS, settings=deduplication(client, "otlp_spans:0:0-2:tool_calls"))
    assert client.query(COUNT).result_rows == [(3,)]
    # a repair inserts a block whose hash the table may know from a process that was killed before it had the rows
    for inserts in (2, 3):
        client.insert_arrow("tool_calls", ROWS, settings={**deduplication(client), "optimize_on_insert": 0})
        assert client.query(COUNT).result_rows == [(3 * inserts,)]
