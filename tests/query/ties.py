"""What looks alike: series of equal numbers, and calls that no id tells apart, as rows of the store.

codex    30 sessions, one call of a model each second in each of them, all of them of equal length and without any id
busy     a session whose agent calls ten tools at once, again and again
s00 ...  64 services whose only series has as many calls, errors and seconds as any other
"""

from __future__ import annotations

import math

import pyarrow as pa

from schemas.facts import ModelCall, Slice, ToolCall
from schemas.histogram import bucket
from schemas.rows import model_call_rows, series_rows, tool_call_rows
from tests.query.api_process import T0, S, model, tool

SERIES = 64
SESSIONS = 30
CALLS = 10
"""Of each session."""
BARE = {"trace_id": "", "span_id": "", "call_id": "", "event_sequence": -1}


def tables() -> dict[str, pa.Table]:
    """All of it."""
    models, tools, series = _models(), _tools(), _series()
    return {
        "series_1m": series_rows([(one, 0) for one in series], "otlp_spans", 0, range(len(series))),
        "model_calls": model_call_rows(models, "otlp_logs", 0, range(len(models))),
        "tool_calls": tool_call_rows(tools, "otlp_logs", 0, range(len(tools))),
    }


def _models() -> list[ModelCall]:
    return [
        model(at, session_id=f"codex-{number:02}", turn_id="", service_name="codex", cost_usd=math.nan, **BARE)
        for number in range(SESSIONS)
        for at in range(CALLS)
    ]


def _tools() -> list[ToolCall]:
    return [
        tool(at, f"T{number}", "{}", session_id="busy", call_id=f"{at}-{number}", outcome="ok")
        for at in range(5)
        for number in range(10)
    ]


def _series() -> list[Slice]:
    histogram = {bucket(S): 3}
    return [
        Slice(f"s{number:02}", "GET /", "", "1", T0 // S + 60, 3, 1, 3 * S, histogram, {}, 3, 0, 0.0, ())
        for number in range(SERIES)
    ]
