"""Laws over random input: nothing raises, and every way in gives the same rows or refuses alike."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decode import Decoded, decode, decode_json, request_from_json
from pipeline.decode.reference import REQUESTS, dead_letter
from pipeline.message import Message
from schemas.errors import DecodeError
from schemas.tables import BY_NAME
from schemas.topics import Signal
from tests.decode.strategies import any_request, otlp_json, requests, spoiled

SIGNALS: tuple[Signal, ...] = ("traces", "logs", "metrics")
MANY = settings(max_examples=120)


def message(value: bytes, offset: int = 0) -> Message:
    return Message("t", 0, offset, 0, value)


def rows(tables: dict[str, pa.Table]) -> dict[str, str]:
    """Tables as text: equal also where they hold NaN."""
    found = {}
    for name, table in tables.items():
        table.validate(full=True)
        assert table.schema == BY_NAME[name].schema
        found[name] = repr(table.to_pydict())
    return found


@pytest.mark.parametrize("signal", SIGNALS)
@given(st.data())
@MANY
def test_random_bytes_never_raise(signal: Signal, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.binary(max_size=60), max_size=4))
    decoded = decode(signal, [message(value, at) for at, value in enumerate(values)])
    rows(decoded.tables)
    assert {dead.value for dead in decoded.dead_letters} <= set(values)


@pytest.mark.parametrize("signal", SIGNALS)
@given(st.data())
@MANY
def test_a_spoiled_request_never_raises_and_leaves_its_neighbour_alone(signal: Signal, data: st.DataObject) -> None:
    good = data.draw(requests[signal]).SerializeToString()
    bad = bytearray(data.draw(requests[signal]).SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        if bad:
            bad[data.draw(st.integers(0, len(bad) - 1))] = data.draw(st.integers(0, 255))
    both = decode(signal, [message(bytes(bad), 0), message(good, 1)])
    alone = decode(signal, [message(good, 1)])
    assert rows(keep_offset(both, 1)) == rows(alone.tables)


def keep_offset(decoded: Decoded, offset: int) -> dict[str, pa.Table]:
    """The rows of one message."""
    found = {}
    for name, table in decoded.tables.items():
        kept = table.filter(pa.array([at == offset for at in table.column("SourceOffset").to_pylist()]))
        if kept.num_rows:
            found[name] = kept
    return found


@given(any_request)
@MANY
def test_json_and_protobuf_of_a_request_give_the_same_rows(found: tuple[Signal, Any]) -> None:
    signal, request = found
    document = orjson.dumps(otlp_json(request))
    [(of, body)] = request_from_json(signal, document)
    assert of == signal
    assert repr(REQUESTS[signal].FromString(body)) == repr(request)
    wanted = rows(decode(signal, [message(request.SerializeToString())]).tables)
    assert rows(decode(signal, [message(body)]).tables) == wanted
    if request.ListFields():
        straight = decode_json([message(document)])
        assert straight.dead_letters == []
        assert rows(straight.tables) == wanted


@given(st.data())
@MANY
def test_both_ways_of_json_agree_on_spoiled_documents(data: st.DataObject) -> None:
    _, request = data.draw(any_request)
    line = json.dumps(spoiled(otlp_json(request), data.draw)).encode()
    straight = decode_json([message(line)])
    through = by_protobuf(line)
    assert [dead.reason for dead in straight.dead_letters] == [dead.reason for dead in through.dead_letters]
    assert rows(straight.tables) == rows(through.tables)


def by_protobuf(line: bytes) -> Decoded:
    """What the long way gives."""
    whole = message(line)
    try:
        parts = [decode(signal, [message(body)]) for signal, body in request_from_json(None, line)]
    except DecodeError as error:
        return Decoded({}, [dead_letter(whole, error)])
    return Decoded(
        {k: v for one in parts for k, v in one.tables.items()}, [d for one in parts for d in one.dead_letters]
    )


documents = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["resourceSpans", "scopeSpans", "spans", "value", "key", "x"]), inner),
    ),
)


@given(st.one_of(st.binary(max_size=30), documents.map(orjson.dumps)))
@MANY
def test_any_line_gives_rows_or_a_reason(line: bytes) -> None:
    decoded = decode_json([message(line, 7)])
    assert all(dead.reason and dead.offset == 7 for dead in decoded.dead_letters)
    assert len(decoded.dead_letters) <= 1
