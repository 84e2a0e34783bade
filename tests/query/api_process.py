"""A real API over a real chDB folder with known contents: `python api_process.py FOLDER [MODULE]`.

chDB takes one data folder a process, so this is a process of its own. It prints one line, the port, once it answers.
"""

from __future__ import annotations

import asyncio
import math
import sys
from importlib import import_module
from typing import Any

import pyarrow as pa

from pipeline.receiver.servers import AsgiServer
from query.api import Process, api_app
from query.dead_letters.letters import DeadLetters
from query.dead_letters.stored import StoredLetters
from query.feed.consumers import Consumers
from query.feed.decisions import Decisions
from query.feed.feed import Feed
from query.feed.routes import Doors
from query.feed.writer import Writer
from query.notify.parked import Parking
from query.reader import Reader
from query.service import Service
from schemas.facts import Marker, ModelCall, ToolCall
from schemas.finding import Evidence, Finding
from schemas.rows import finding_rows, marker_rows, model_call_rows, tool_call_rows
from schemas.tables import BY_NAME
from sinks.clickhouse import ClickHouseSink
from sinks.contract import Batch

T0 = 1_767_603_600_000_000_000  # 2026-01-05T09:00:00Z
S = 1_000_000_000
AS_OF = T0 + 3600 * S


def tool(at_s: float, name: str, arguments: str, **changes: Any) -> ToolCall:
    fields: dict[str, Any] = dict.fromkeys(ToolCall._fields, "")
    fields |= {
        "session_id": "stuck",
        "turn_id": "p1",
        "call_id": f"call-{at_s}",
        "tool_name": name,
        "arguments": arguments,
        "arguments_signature": f"a-{arguments}",
        "arguments_strength": "full",
        "result": "Error: no such file",
        "result_signature": "r1",
        "result_strength": "full",
        "outcome": "ok",
        "start_time_unix_nano": T0 + int(at_s * S),
        "duration_ns": S,
        "dialect": "test",
        "signal": "log",
        "service_name": "claude-code",
        "service_version": "2.1",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "span_id": f"{int(at_s):016x}",
        "event_sequence": int(at_s),
    }
    return ToolCall(**{**fields, **changes})


def model(at_s: float, **changes: Any) -> ModelCall:
    fields: dict[str, Any] = dict.fromkeys(ModelCall._fields, "")
    fields |= {
        "session_id": "stuck",
        "turn_id": "p1",
        "request_model": "opus",
        "response_model": "opus-5",
        "input_tokens": 1000,
        "output_tokens": 50,
        "cache_read_tokens": -1,
        "cache_creation_tokens": -1,
        "cost_usd": 0.01,
        "temperature": math.nan,
        "finish_reasons": ("stop",),
        "outcome": "ok",
        "start_time_unix_nano": T0 + int(at_s * S),
        "duration_ns": S // 2,
        "service_name": "claude-code",
        "service_version": "2.1",
        "event_sequence": int(at_s),
    }
    return ModelCall(**{**fields, **changes})


def prompt(at_s: float, turn: str) -> Marker:
    fields: dict[str, Any] = dict.fromkeys(Marker._fields, "")
    fields |= {"session_id": "stuck", "turn_id": turn, "kind": "prompt", "count": -1, "service_name": "claude-code"}
    return Marker(**{**fields, "start_time_unix_nano": T0 + int(at_s * S), "event_sequence": int(at_s)})


def finding(number: int, **changes: Any) -> Finding:
    fields: dict[str, Any] = {
        "id": f"f{number:04d}aaaa",
        "fingerprint": f"p{number}",
        "revision": 1,
        "rule": "tool_call_loop",
        "kind": "tool_call_loop",
        "severity": "warning",
        "status": "open",
        "confidence": "full",
        "session_id": f"session-{number}",
        "service_name": "claude-code",
        "operation": "execute_tool",
        "tool": "Bash",
        "model": "",
        "version": "2.1",
        "first_seen_unix_nano": T0,
        "last_seen_unix_nano": T0 + number * S,
        "detected_at_unix_nano": T0 + S,
        "observed": 27.0,
        "baseline": 1.0,
        "unit": "calls",
        "count": 27,
        "wasted_tokens": 27_000,
        "wasted_cost_usd": 0.27,
        "wasted_duration_s": 41.5,
        "evidence": (Evidence("0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7", T0, "call-1", "call 1"),),
        "why": "`Bash` was called 27 times with equal arguments and result.",
        "reason": "opened",
    }
    return Finding(**{**fields, **changes})


def tables() -> dict[str, pa.Table]:
    """What the store holds: one stuck session, one healthy, twelve findings, one dead letter."""
    calls = [tool(1, "Read", '{"path": "a.py"}', outcome="ok", result="ok")]
    models = [model(0.2)]
    for n in range(27):  # chat, Bash, chat, Bash, ...
        models.append(model(10 + 2 * n))
        calls.append(tool(11 + 2 * n, "Bash", '{"command": "pytest"}', outcome="error", error_type="ShellError"))
    calls.append(tool(300, "Read", '{"path": "' + "x" * 900 + '"}', turn_id="p2"))
    calls += [tool(5, f"T{n}", "{}", session_id="healthy", start_time_unix_nano=T0 + n * S) for n in range(4)]
    markers = [prompt(0, "p1"), prompt(299, "p2")]
    findings = [finding(n) for n in range(1, 11)]
    findings.append(finding(11, id="stuck-finding", session_id="stuck", severity="critical"))
    findings.append(finding(12, status="resolved", kind="latency_regression", session_id="", severity="suspect"))
    revised = [finding(3, revision=2, status="updated", count=30)]
    offsets = list(range(200))
    sequences = [n for n in range(20) if n not in (7, 8)]
    logs = BY_NAME["otel_logs"].schema
    rows = [
        {f.name: _empty(f.type) for f in logs}
        | {
            "LogAttributes": [("session.id", "stuck"), ("event.sequence", str(n))],
            "SourceOffset": 5,
            "ServiceName": "claude-code",
            "Timestamp": T0,
        }
        for n in sequences
    ]
    return {
        "tool_calls": tool_call_rows(calls, "otlp_logs", 0, offsets[: len(calls)]),
        "model_calls": model_call_rows(models, "otlp_logs", 0, offsets[: len(models)]),
        "markers": marker_rows(markers, "otlp_logs", 0, offsets[: len(markers)]),
        "findings": finding_rows([*findings, *revised], "telltale.findings", 0, offsets[: len(findings) + 1]),
        "otel_logs": pa.Table.from_pylist(rows, schema=logs),
    }


def _empty(kind: pa.DataType) -> Any:
    if pa.types.is_map(kind) or pa.types.is_list(kind):
        return []
    return "" if pa.types.is_string(kind) or pa.types.is_dictionary(kind) or pa.types.is_large_string(kind) else 0


async def main(folder: str, contents: str = "") -> None:
    """Fill the store and answer until standard input ends."""
    url = f"chdb://{folder}"
    sink = ClickHouseSink(url)
    await sink.start()
    stored = import_module(contents).tables() if contents else tables()
    await sink.write(Batch("otlp_logs", 0, 0, 9_999, stored))
    reader, writer = Reader(url, timeout_s=10), Writer(url)
    feed = Feed(reader)
    letters = DeadLetters(StoredLetters(reader, writer), None)
    doors = Doors(feed, Consumers(reader, writer), Decisions(reader, writer), Parking(reader, writer), letters)
    service = Service(reader, lambda: AS_OF, now=lambda: AS_OF)
    process = Process(lambda: b"telltale_build_info 1\n", "text/plain; version=0.0.4; charset=utf-8")
    server = AsgiServer(api_app(service, doors, process), "127.0.0.1", 0, "API")
    await server.start()
    print(server.port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await feed.close()
    await server.stop()
    writer.close()
    reader.close()
    await sink.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
