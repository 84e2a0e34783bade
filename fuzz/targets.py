"""What is fuzzed: each target takes bytes and raises where a law of the code under test is broken."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import pyarrow as pa

from detectors.catalog import build
from detectors.rules import load_rules
from pipeline.assembly import normalizer, rule_files
from pipeline.decode import Decoded, decode, decode_json, request_from_json
from pipeline.decode.reference import dead_letter
from pipeline.folds import Folds, folds
from pipeline.message import Message
from pipeline.normalize import Normalizer
from pipeline.sessions import Facts, SessionModel, load_all
from pipeline.settings import Settings
from pipeline.stages import derived
from pipeline.stages.inline import InlineStage
from schemas.errors import DecodeError
from schemas.facts import STRENGTHS
from schemas.tables import BY_NAME
from schemas.topics import ATTEMPTS, CALLS, LINKS, SLICES, SOURCES, Signal

SIGNALS: Final[tuple[Signal, ...]] = ("traces", "logs", "metrics")
ARRIVED_UNIX_NANO: Final = 1_800_000_000_000_000_000
OUTCOMES: Final = ("ok", "error", "denied", "unset")


class BrokenLawError(Exception):
    """The input broke something that has to hold for all input."""


def _require(holds: bool, law: str) -> None:
    if not holds:
        raise BrokenLawError(law)


def protobuf(value: bytes) -> None:
    """Bytes as a request of each signal: rows with the declared columns, or one dead letter."""
    for signal in SIGNALS:
        decoded = decode(signal, [_message(signal, value)])
        _require(len(decoded.dead_letters) <= 1, "one message, one dead letter")
        _require(not (decoded.dead_letters and decoded.tables), "nothing of a refused message is stored")
        _well_formed(decoded)


def json(value: bytes) -> None:
    """Bytes as OTLP/JSON: both ways to read it refuse it alike or give the same rows."""
    straight, through = decode_json([_message("traces", value)]), _by_way_of_protobuf(value)
    _well_formed(straight)
    reasons = [[dead.reason for dead in found.dead_letters] for found in (straight, through)]
    _require(reasons[0] == reasons[1], f"both ways give one reason: {reasons}")
    _require(_text(straight.tables) == _text(through.tables), "both ways give the same rows")


def dialects(value: bytes) -> None:
    """Bytes as OTLP/JSON whose spans and logs go through the session model."""
    for signal, table in _tables(decode_json([_message("traces", value)])):
        _lawful(_model().facts(signal, table), table)


def pipeline(value: bytes) -> None:
    """Bytes as OTLP/JSON through everything between log and store, and through every fold and its encoding."""
    try:
        requests = request_from_json(None, value)
    except DecodeError:
        return
    stages = [InlineStage(fold) for fold in _folds()]
    for signal, body in requests:
        done = _normalizer().batch([_message(signal, body)])
        for rows in done.tables.values():
            rows.validate(full=True)
        for stage, topic in zip(stages, (LINKS, CALLS, ATTEMPTS, SLICES), strict=True):
            message = derived.encode(done.derived[topic.name])
            stage.feed(derived.decode(message))
    for stage in stages:
        stage.finish()


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "protobuf": protobuf,
    "json": json,
    "dialects": dialects,
    "pipeline": pipeline,
}


def _message(signal: Signal, value: bytes) -> Message:
    return Message(SOURCES[signal].name, 0, 7, ARRIVED_UNIX_NANO, value)


def _by_way_of_protobuf(value: bytes) -> Decoded:
    whole = _message("traces", value)
    try:
        parts = [decode(signal, [whole._replace(value=body)]) for signal, body in request_from_json(None, value)]
    except DecodeError as error:
        return Decoded({}, [dead_letter(whole, error)])
    tables = {name: rows for part in parts for name, rows in part.tables.items()}
    return Decoded(tables, [dead for part in parts for dead in part.dead_letters])


def _well_formed(decoded: Decoded) -> None:
    for name, table in decoded.tables.items():
        table.validate(full=True)
        _require(table.schema == BY_NAME[name].schema, f"the columns of {name} are those declared")
    for dead in decoded.dead_letters:
        _require(bool(dead.reason), "a dead letter has a reason")


def _text(tables: dict[str, pa.Table]) -> dict[str, str]:
    """Tables as text: equal also where they hold NaN."""
    return {name: repr(table.to_pydict()) for name, table in tables.items()}


def _tables(decoded: Decoded) -> list[tuple[str, pa.Table]]:
    names = {"traces": "otel_traces", "logs": "otel_logs"}
    return [(signal, decoded.tables[name]) for signal, name in names.items() if name in decoded.tables]


def _lawful(found: Facts, table: pa.Table) -> None:
    rows = table.num_rows
    _require(found.claimed.shape == (rows,), "each row is claimed or not")
    _require(not (found.ignored & ~found.claimed).any(), "only what is claimed is ignored")
    for facts, at in (
        (found.tool_calls, found.tool_call_rows),
        (found.model_calls, found.model_call_rows),
        (found.markers, found.marker_rows),
        (found.links, found.link_rows),
    ):
        _require(len(facts) == len(at), "each fact has its row")
        _require(all(0 <= row < rows for row in at), "rows are rows of the table")
    for call in found.tool_calls:
        _tool_call(call)
    for one in found.model_calls:
        _require(min(one.input_tokens, one.output_tokens) >= -1, "tokens are counts, -1 = unknown")
        _require(not math.isinf(one.cost_usd), "a cost is a number or unknown")


def _tool_call(call: Any) -> None:
    _require(call.arguments_strength in STRENGTHS and call.result_strength in STRENGTHS, "strengths are known")
    _require((call.arguments_signature == "") == (call.arguments_strength == "name"), "no signature: only the name")
    _require(call.outcome in OUTCOMES, "outcomes are known")
    _require(len(call.arguments) <= 4_096 and len(call.result) <= 4_096, "previews are bounded")
    _require(-1 <= call.duration_ns < 2**63 and 0 <= call.start_time_unix_nano < 2**63, "times fit their columns")


@cache
def _model() -> SessionModel:
    return SessionModel(load_all())


@cache
def _normalizer() -> Normalizer:
    return normalizer(Settings())


@cache
def _folds() -> Folds:
    return folds(build(load_rules(rule_files())), Settings())
