"""How soon answers come over ten million spans: every reading task, warm, each time about something else.

The spans are made in the store by SQL, as the sink would have written them: a week of 40-call sessions of agents in
the order of time, with texts, traces of ten spans, slices by minute and findings.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import orjson

from benchmarks import report
from query.reader import Reader
from query.service import Service
from sinks.clickhouse import ClickHouseSink, connect

TARGET_MS: Final = 1_000
CHUNK: Final = 500_000
"""Spans of one insert."""
WEEK_NS: Final = 7 * 86_400 * 1_000_000_000
T0: Final = 1_767_603_600_000_000_000
CALLS: Final = 40
"""Of a session: every second is a tool's."""

# One row for each span; `n` is its number, `calls` how many there are in all.
_AT: Final = "T0 + intDiv(n, 40) * intDiv(604800000000000 * 40, {calls:UInt64}) + (n % 40) * 5000000000"
_IDS: Final = """\
    concat('session-', toString(intDiv(n, 40))) AS session, concat('turn-', toString(intDiv(n, 10))) AS turn,
    lower(hex(sipHash128(intDiv(n, 10)))) AS trace, lower(hex(sipHash64(n))) AS span,
    if(n % 10 = 0, '', lower(hex(sipHash64(intDiv(n, 10) * 10)))) AS parent,
    concat('agent-', toString(intDiv(n, 40) % 20)) AS service,
    ['Bash', 'Read', 'Edit', 'Grep', 'Write', 'WebFetch', 'Glob', 'Task'][1 + sipHash64(n, 1) % 8] AS tool,
    ['opus', 'sonnet', 'haiku'][1 + sipHash64(n, 2) % 3] AS model, sipHash64(n, 3) % 50 = 0 AS failed,
    toUInt64(1e8 * exp(2 * (sipHash64(n, 4) % 1000) / 1000)) AS duration_ns,
    if(intDiv(n, 40) * 2 < {calls:UInt64} / 40, '2.0', '2.1') AS version"""
NUMBERED: Final = f"""\
SELECT number + {{first:UInt64}} AS n, toInt64({{t0:Int64}}) AS T0, {_AT} AS at_ns,
    fromUnixTimestamp64Nano(at_ns) AS at,
{_IDS}
FROM numbers({{rows:UInt64}})"""  # noqa: S608 - constants
TEXT: Final = "concat('{\"command\": \"', repeat(hex(sipHash64(n, 5)), 5), '\"}')"
RESULT: Final = "concat('line ', repeat(hex(sipHash64(n, 6)), 12), if(failed, ' no such file', ''))"

SPANS: Final = f"""\
INSERT INTO otel_traces (Timestamp, TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName, ResourceAttributes,
    ScopeName, SpanAttributes, Duration, StatusCode, StatusMessage, SourceTopic, SourceOffset)
SELECT at, trace, span, parent, if(n % 2, concat('execute_tool ', tool), concat('chat ', model)), 'Internal', service,
    map('service.name', service, 'service.version', version), 'agent',
    map('gen_ai.conversation.id', session, 'gen_ai.tool.name', tool, 'gen_ai.request.model', model,
        'gen_ai.tool.call.arguments', {TEXT}),
    duration_ns, if(failed, 'Error', 'Unset'), if(failed, 'no such file', ''), 'otlp_spans', intDiv(n, 512)
FROM ({NUMBERED})"""  # noqa: S608 - constants
TOOLS: Final = f"""\
INSERT INTO tool_calls (SessionId, TurnId, CallId, ToolName, ArgumentsSignature, ArgumentsStrength, ResultSignature,
    ResultStrength, Arguments, Result, Outcome, ErrorType, StartTimeUnixNano, DurationNs, Dialect, Signal, ServiceName,
    ServiceVersion, TraceId, SpanId, ParentSpanId, EventSequence, SourceTopic, SourceOffset)
SELECT session, turn, concat('toolu_', span), tool, hex(sipHash64(n, 5)), 'full', hex(sipHash64(n, 6)), 'full',
    {TEXT}, {RESULT}, if(failed, 'error', 'ok'), if(failed, 'ShellError', ''), at, toInt64(duration_ns), 'genai',
    'span', service, version, trace, span, parent, -1, 'otlp_spans', intDiv(n, 512)
FROM ({NUMBERED}) WHERE n % 2 = 1"""  # noqa: S608 - constants
MODELS: Final = f"""\
INSERT INTO model_calls (SessionId, TurnId, RequestModel, ResponseModel, InputTokens, OutputTokens, CacheReadTokens,
    CacheCreationTokens, CostUsd, Temperature, Outcome, StartTimeUnixNano, DurationNs, Dialect, Signal, ServiceName,
    ServiceVersion, TraceId, SpanId, ParentSpanId, PromptName, PromptVersion, EventSequence, SourceTopic, SourceOffset)
SELECT session, turn, model, model, toInt64(1000 + sipHash64(n, 7) % 5000), toInt64(50 + sipHash64(n, 8) % 500), -1, -1,
    0.01, nan, if(failed, 'error', 'ok'), at, toInt64(duration_ns), 'genai', 'span', service, version, trace, span,
    parent, 'review', version, -1, 'otlp_spans', intDiv(n, 512)
FROM ({NUMBERED}) WHERE n % 2 = 0"""  # noqa: S608 - constants
SLICES: Final = f"""\
INSERT INTO series_1m (ServiceName, Operation, Name, ServiceVersion, Minute, Part, Count, Errors, DurationSumNs,
    Histogram, Sessions, Tokens, CostUsd, SourceTopic, SourceOffset, Version)
SELECT service, if(n % 2, 'execute_tool', 'chat'), if(n % 2, tool, model), version, toStartOfMinute(toDateTime(at)),
    {{part:UInt32}}, count(), countIf(failed), sum(duration_ns),
    sumMap(map(toInt32(floor(log2(duration_ns) * 16)), toUInt64(1))), uniq(session), 0, 0, 'telltale.slices',
    {{part:UInt32}}, count()
FROM ({NUMBERED}) GROUP BY 1, 2, 3, 4, 5"""  # noqa: S608 - constants
FINDINGS: Final = """\
INSERT INTO findings (Id, Fingerprint, Revision, Precedence, Rule, Kind, Severity, Status, SessionId, ServiceName,
    FirstSeenUnixNano, LastSeenUnixNano, Why, Document, SourceTopic, SourceOffset)
SELECT lower(hex(sipHash64(number))) AS Id, Id, 1, 1, 'tool_call_loop', 'tool_call_loop',
    ['suspect', 'warning', 'critical'][1 + number % 3] AS Severity, if(number % 4, 'resolved', 'open') AS Status,
    concat('session-', toString(number * 50)) AS SessionId,
    concat('agent-', toString(number * 50 % 20)) AS ServiceName,
    fromUnixTimestamp64Nano({t0:Int64} + toInt64(number) * 100000000000) AS FirstSeenUnixNano, FirstSeenUnixNano,
    '`Bash` was called 8 times with the same arguments and failed the same way each time.' AS Why,
    concat('{"schema":"telltale.finding/v1","id":"', Id, '","fingerprint":"', Id, '","revision":1,',
        '"rule":"tool_call_loop","kind":"tool_call_loop","severity":"', Severity, '","status":"', Status,
        '","confidence":"full","session_id":"', SessionId, '","agent":"","series":{"service.name":"', ServiceName,
        '","operation":"execute_tool","tool":"Bash","model":"","version":"2.0"},"first_seen":"2026-01-05T09:00:00Z",',
        '"last_seen":"2026-01-05T09:00:00Z","detected_at":"2026-01-05T09:00:00Z","observed":8,"baseline":1,',
        '"unit":"calls","count":8,"wasted":{"tokens":1,"cost_usd":1,"duration_s":1},"evidence":[],"why":"', Why,
        '","reason":"opened","next":[]}'), 'telltale.findings', number
FROM numbers(2000)"""


async def fill(folder: str, spans: int) -> None:
    """Make the store."""
    sink = ClickHouseSink(f"chdb://{folder}")
    await sink.start()
    await sink.close()
    client = connect(f"chdb://{folder}")
    try:
        for part, first in enumerate(range(0, spans, CHUNK)):
            values = {"first": first, "rows": min(CHUNK, spans - first), "calls": spans, "t0": T0, "part": part}
            for statement in (SPANS, TOOLS, MODELS, SLICES):
                client.command(statement, parameters=values)
        client.command(FINDINGS, parameters={"t0": T0})
    finally:
        client.close()


def settled(folder: str, within_s: float) -> str:
    """Wait for merges to end; gives how many parts the tables have then."""
    client = connect(f"chdb://{folder}")
    try:
        deadline = time.monotonic() + within_s
        while client.query("SELECT count() FROM system.merges").result_rows[0][0] and time.monotonic() < deadline:
            time.sleep(1)
        sql = """SELECT table, count(), sum(bytes_on_disk) FROM system.parts WHERE active AND table IN
            ('otel_traces', 'tool_calls', 'model_calls', 'series_1m') GROUP BY table ORDER BY table"""
        return ", ".join(
            f"{t}: {parts} parts, {size / 1e6:,.0f} MB" for t, parts, size in client.query(sql).result_rows
        )
    finally:
        client.close()


class Questions:
    """What is asked, each time about something else."""

    def __init__(self, spans: int) -> None:
        self._spans = spans
        self._random = random.Random(1)
        self._traces: list[str] = []
        self._calls: list[str] = []

    async def prepare(self, service: Service) -> None:
        """Learn some ids."""
        for _ in range(3):
            skipped = self._random.randrange(self._spans // 12)
            sql = f"SELECT TraceId FROM otel_traces_trace_id_ts LIMIT 40 OFFSET {skipped}"  # noqa: S608 - a number
            answer = await service.answer("sql", {"sql": sql, "max_tokens": 100_000})
            self._traces += [row[0] for row in answer["rows"]]
            found = await service.answer("calls", {"session": self._session()})
            self._calls += [call["id"] for call in found["calls"]]

    def all(self) -> dict[str, tuple[str, Callable[[], dict[str, Any]]]]:
        """Name -> task and its parameters."""
        tools = ("Bash", "Read", "Edit", "Grep")
        return {
            "overview": ("overview", dict),
            "trace by id": ("trace", lambda: {"id": self._random.choice(self._traces)}),
            "session": ("session", lambda: {"id": self._session()}),
            "one call": ("calls", lambda: {"id": self._random.choice(self._calls)}),
            "sessions of a day, by cost": ("session", lambda: {"order": "cost"} | self._day()),
            "calls of one tool over a day": ("calls", lambda: {"name": self._random.choice(tools)} | self._day()),
            "failed calls of one tool over a day": (
                "calls",
                lambda: {"name": self._random.choice(tools), "outcome": "error"} | self._day(),
            ),
            "calls of a session": (
                "calls",
                lambda: {"session": f"session-{self._random.randrange(self._spans // CALLS)}"},
            ),
            "free text over an hour": ("calls", lambda: {"text": "no such file"} | self._hours(1)),
            "free text over all of it": ("calls", lambda: {"text": f"{self._random.randrange(16**6):06X}"}),
            "spans by attribute over an hour": (
                "calls",
                lambda: {"kind": "span", "where": ["attributes.gen_ai.tool.name = Bash"]} | self._hours(1),
            ),
            "findings": ("findings", lambda: {"status": "open"}),
            "series, a day": ("series", self._day),
            "compare two versions": ("compare", lambda: {"service": f"agent-{self._random.randrange(20)}"}),
            "assert, a day": ("assert", lambda: {"assertion": "Bash p95 < 800ms"} | self._day()),
        }

    def _session(self) -> str:
        return f"session-{self._random.randrange(self._spans // CALLS)}"

    def _day(self) -> dict[str, str]:
        return self._hours(24)

    def _hours(self, hours: int) -> dict[str, str]:
        first = T0 + self._random.randrange(max(1, WEEK_NS - hours * 3_600_000_000_000))
        return {"since": _rfc3339(first), "until": _rfc3339(first + hours * 3_600_000_000_000)}


def _rfc3339(unix_nano: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(unix_nano // 1_000_000_000))


async def measure(folder: str, spans: int, times: int) -> list[list[str]]:
    """Rows of the table: question, median, p95, slowest and CPU in milliseconds, bytes and tokens of the answer."""
    reader = Reader(f"chdb://{folder}", timeout_s=120)  # what is too slow is to be measured, not refused
    service = Service(reader, lambda: T0 + WEEK_NS, now=lambda: T0 + WEEK_NS)
    questions = Questions(spans)
    await questions.prepare(service)
    rows = []
    for name, (task, parameters) in questions.all().items():
        for _ in range(3):  # warm
            await service.answer(task, parameters())
        spent, answer, cpu_s = [], {}, time.process_time()
        for _ in range(times):
            asked = parameters()
            started = time.perf_counter()
            answer = await service.answer(task, asked)
            size = len(orjson.dumps(answer))
            spent.append((time.perf_counter() - started) * 1000)
        p95 = statistics.quantiles(spent, n=20, method="inclusive")[-1]
        rows.append(
            [
                name,
                f"{statistics.median(spent):.0f}",
                f"{p95:.0f}",
                f"{max(spent):.0f}",
                f"{(time.process_time() - cpu_s) * 1000 / times:.0f}",
                f"{size:,}",
                f"{answer['tokens']:,}",
            ]
        )
    reader.close()
    return rows


def main(argv: list[str] | None = None) -> int:
    """Fill, ask, print the table; 0 = every p95 is below the target."""
    parser = argparse.ArgumentParser(prog="benchmarks.answers", description=__doc__)
    parser.add_argument("--spans", type=int, default=10_000_000)
    parser.add_argument("--times", type=int, default=40, help="how often each question is asked")
    parser.add_argument("--folder", type=Path, help="keep the store here, and use it again if it is there")
    parser.add_argument("--short", action="store_true", help="one million spans")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/answers.md")
    options = parser.parse_args(argv)
    spans = 1_000_000 if options.short else options.spans
    with tempfile.TemporaryDirectory(prefix="telltale-bench-") as scratch:
        folder = str(options.folder or Path(scratch) / "store")
        if not Path(folder).exists():
            asyncio.run(fill(folder, spans))
        parts = settled(folder, within_s=300)
        rows = asyncio.run(measure(folder, spans, options.times))
    missed = [row[0] for row in rows if float(row[2]) >= TARGET_MS]
    body = (
        f"{spans:,} spans in {parts}. Each question is asked {options.times} times, each time about something else, "
        f"after three to warm up; target: p95 below {TARGET_MS:,} ms. One-minute load at the end "
        f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores: above the cores, wall-clock times are mostly waiting for "
        "one; CPU time is not.\n\n"
        + report.table(["answer", "median ms", "p95 ms", "slowest ms", "CPU ms", "bytes", "tokens"], rows)
        + f"\n\nMissed: {', '.join(missed) or 'none'}."
    )
    report.publish("answers", "Time to an answer over ten million spans", body, write=options.write)
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
