"""The declarations of tables hold together, and their documentation follows them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from schemas.columns import arrow_type
from schemas.facts import Marker, ModelCall, ToolCall
from schemas.tables import BY_NAME, TABLES, VIEWS, Table
from schemas.tables.document import markdown
from schemas.tables.facts import pascal_case

DOCS = Path(__file__).parents[2] / "docs"
DECIDED = ("acknowledgements", "consumers", "webhook_parked")
"""Written by the API, not by the stream."""
SOURCED = [table for table in TABLES if table.name not in ("otel_traces_trace_id_ts", *DECIDED)]


def test_the_page_of_tables_is_not_stale() -> None:
    page = (DOCS / "tables.md").read_text()
    assert page == markdown(), "run python -m schemas.tables.document > docs/tables.md"


def test_names_are_unique() -> None:
    names = [table.name for table in TABLES] + [view.name for view in VIEWS]
    assert len(set(names)) == len(names)
    for table in TABLES:
        columns = [column.name for column in table.columns]
        assert len(set(columns)) == len(columns), table.name


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_says_what_it_holds(table: Table) -> None:
    assert [column.name for column in table.columns if not column.doc] == []


@pytest.mark.parametrize("table", SOURCED, ids=lambda table: table.name)
def test_every_row_tells_where_it_came_from(table: Table) -> None:
    assert table.schema.field("SourceTopic").type == pa.string()
    assert table.schema.field("SourcePartition").type == pa.uint32()
    assert table.schema.field("SourceOffset").type == pa.uint64()
    assert any(index.expression == "SourceOffset" for index in table.indexes) or "SourceOffset" in table.order_by


@pytest.mark.parametrize(("name", "fact"), [("tool_calls", ToolCall), ("model_calls", ModelCall), ("markers", Marker)])
def test_a_fact_has_a_column_for_each_field_in_order(name: str, fact: type[ToolCall]) -> None:
    own = [column.name for column in BY_NAME[name].sent][: len(fact._fields)]
    assert own == [pascal_case(field) for field in fact._fields]


@pytest.mark.parametrize("name", ["tool_calls", "model_calls", "markers"])
def test_the_session_is_no_part_of_a_calls_identity(name: str) -> None:
    assert "SessionId" not in BY_NAME[name].order_by
    assert BY_NAME[name].order_by.endswith(", KeySession)")  # of what has no id at all; a key grows at its end
    assert BY_NAME[name].engine == "ReplacingMergeTree(Version)"


@pytest.mark.parametrize(
    ("declared", "wanted"),
    [
        ("LowCardinality(String)", pa.string()),
        ("Array(DateTime64(9))", pa.list_(pa.timestamp("ns"))),
        ("DateTime64(9, 'UTC')", pa.timestamp("ns")),
        ("Map(LowCardinality(String), Array(UInt64))", pa.map_(pa.string(), pa.list_(pa.uint64()))),
        ("Bytes", pa.binary()),
    ],
)
def test_the_arrow_type_of_a_column(declared: str, wanted: pa.DataType) -> None:
    assert arrow_type(declared) == wanted


@pytest.mark.parametrize("declared", ["Decimal(9, 2)", "Tuple(String)", "", "Map(String)"])
def test_a_type_that_is_not_used_is_refused(declared: str) -> None:
    with pytest.raises(ValueError, match=r"ClickHouse|Map"):
        arrow_type(declared)
