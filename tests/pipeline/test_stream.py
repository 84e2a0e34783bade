"""The whole stream of one process on its real parts: SQLite log, Faust, chDB. Only receiver and API are missing."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pipeline.assembly import detectors, normalizer
from pipeline.decode.otlp_json import request_from_json
from pipeline.journal import LocalJournal
from pipeline.settings import Settings
from pipeline.stream import Parts, Stream
from schemas.finding import Finding
from sinks.clickhouse import ClickHouseSink, connect
from sinks.prometheus import PrometheusMetrics

CAPTURES = Path(__file__).parents[1] / "fixtures" / "captures"


def run_stream(folder: Path, body: Callable[[Stream], Awaitable[None]]) -> list[Finding]:
    """Start on the folder, do something, let everything settle, stop."""
    told: list[Finding] = []

    async def whole() -> None:
        settings = Settings(data_dir=folder, resolver_wait_s=0.5)
        parts = Parts(
            normalizer(settings), detectors(), ClickHouseSink(settings.store_url), PrometheusMetrics(), told.append
        )
        stream = Stream(settings, parts)
        await stream.start()
        try:
            await body(stream)
            assert await stream.settle(30)
        finally:
            await stream.stop()

    asyncio.run(whole())
    return told


async def append(stream: Stream, capture: str, lines: slice = slice(None)) -> None:
    for line in gzip.decompress((CAPTURES / f"{capture}.jsonl.gz").read_bytes()).splitlines()[lines]:
        for signal, value in request_from_json(None, line):
            await LocalJournal(stream.log).append(signal, value)


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    client = connect(Settings(data_dir=folder).store_url)
    try:
        return [tuple(row) for row in client.query(sql, settings={"final": 1}).result_rows]
    finally:
        client.close()


CALLS = "SELECT SessionId, ToolName, Outcome, count() FROM tool_calls GROUP BY ALL ORDER BY ALL"


def test_a_looping_session_is_stored_found_and_told(tmp_path: Path) -> None:
    async def body(stream: Stream) -> None:
        await append(stream, "pydanticai-v5-B")

    told = run_stream(tmp_path, body)
    [(session, tool, outcome, count)] = rows(tmp_path, CALLS)
    assert (tool, outcome, count) == ("run_command", "error", 8)
    assert {(f.session_id, f.kind) for f in told} == {(session, "tool_call_loop")}
    assert max(f.count for f in told) == 8
    stored = rows(tmp_path, "SELECT Id, SessionId, Severity, Count FROM findings")
    assert stored == [(told[-1].id, session, told[-1].severity, told[-1].count)]


def test_stopped_in_the_middle_it_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = run_stream(tmp_path / "whole", lambda s: append(s, "claude-details-grpc-B"))
    first = run_stream(tmp_path / "cut", lambda s: append(s, "claude-details-grpc-B", slice(0, 6)))
    rest = run_stream(tmp_path / "cut", lambda s: append(s, "claude-details-grpc-B", slice(6, None)))
    last = {f.id: f for f in whole}
    assert {f.id: f for f in first + rest} == last
    assert rows(tmp_path / "cut", CALLS) == rows(tmp_path / "whole", CALLS)


def test_tool_spans_without_a_session_are_stored_under_their_ancestors(tmp_path: Path) -> None:
    told = run_stream(tmp_path, lambda s: append(s, "langchain-genai-B"))
    assert rows(tmp_path, CALLS) == [("thread-B", "run_command", "error", 8)]
    assert {f.session_id for f in told} == {"thread-B"}


def test_what_cannot_be_decoded_lands_in_the_dead_letters_and_its_neighbours_are_stored(tmp_path: Path) -> None:
    async def body(stream: Stream) -> None:
        await LocalJournal(stream.log).append("traces", b"\xff\xff this is no protobuf")
        await append(stream, "pydanticai-v5-A")

    run_stream(tmp_path, body)
    [(topic, offset, reason)] = rows(tmp_path, "SELECT SourceTopic, SourceOffset, Reason FROM dead_letters")
    assert (topic, offset) == ("otlp_spans", 0)
    assert reason
    assert rows(tmp_path, "SELECT count() > 0 FROM otel_traces") == [(1,)]
