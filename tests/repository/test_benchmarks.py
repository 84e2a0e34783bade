"""What the benchmarks measure with is right: the telemetry, the clock, the tables."""

from __future__ import annotations

import json
from itertools import islice

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks import spans
from benchmarks.clock import StageClock
from benchmarks.report import table


def test_messages_hold_512_spans_of_eight_attributes() -> None:
    for message in spans.messages(2):
        listed = ExportTraceServiceRequest.FromString(message).resource_spans[0].scope_spans[0].spans
        assert len(listed) == spans.SPANS_PER_MESSAGE
        assert {len(span.attributes) for span in listed} == {8}


def test_half_of_the_spans_are_tool_calls_and_none_repeats() -> None:
    made = list(spans.spans(4_000))
    tools = [span.attributes for span in made if span.attributes["gen_ai.operation.name"] == "execute_tool"]
    assert len(tools) / len(made) == pytest.approx(0.5, abs=0.01)
    assert len({span.span_id for span in made}) == len(made)
    repeated = {(a["gen_ai.conversation.id"], a["gen_ai.tool.call.result"]) for a in tools}
    assert len(repeated) == len(tools)


def test_json_lines_and_messages_hold_the_same_spans() -> None:
    line = json.loads(next(spans.json_lines(1, 10)))
    request = ExportTraceServiceRequest.FromString(next(spans.messages(1, 10)))
    in_json = [s["spanId"] for s in line["resourceSpans"][0]["scopeSpans"][0]["spans"]]
    in_protobuf = [s.span_id.hex() for s in request.resource_spans[0].scope_spans[0].spans]
    assert in_json == in_protobuf == [s.span_id for s in islice(spans.spans(10), 10)]


def test_a_stage_is_charged_without_the_stages_inside_it() -> None:
    times = iter([0, 10, 15, 30, 40, 47])
    clock = StageClock(now_ns=lambda: next(times))
    with clock.stage("outer"), clock.stage("inner"):
        pass
    wrapped = clock.wrap("inner", lambda: "result")
    assert wrapped() == "result"
    assert clock.spent_ns == {"outer": 10 + 15, "inner": 5 + 7}


def test_tables_are_markdown() -> None:
    assert table(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"
