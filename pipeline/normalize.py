"""normalize: messages of raw topics in; rows to store and events for the keyed stages out.

    decode -> session model -> redact -> series slices

Signatures are taken by the session model before redaction, so that loops survive it. Nothing here does I/O; one
instance serves one thread at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import routing, series, wire
from pipeline.decode import Decoded, Decoder, decode
from pipeline.decode.encodings import decode_either
from pipeline.message import DeadLetter, Message
from pipeline.redaction import Redactor
from pipeline.sessions import Facts, SessionModel
from pipeline.stages.derived import Derived, Event
from schemas.facts import SLOT_S, SessionFact, Slice
from schemas.rows import dead_letter_rows, marker_rows, model_call_rows, tool_call_rows
from schemas.topics import ATTEMPTS, CALLS, LINKS, SIGNALS, SLICES, Signal

MAX_AHEAD_NS: Final = 300_000_000_000
"""An event time further than this after the message's arrival does not move the watermark, and its minute is none
of its series: after it all that really happens would be late."""
SECOND_NS: Final = 1_000_000_000


class _Found(NamedTuple):
    """The facts of one kind: their table, the builder of its rows, the rows they came from."""

    table: str
    kind: wire.FactKind
    rows_of: Callable[..., pa.Table]
    at: list[int]
    facts: Sequence[SessionFact]


def _by_kind(facts: Facts) -> tuple[_Found, ...]:
    return (
        _Found("markers", "marker", marker_rows, facts.marker_rows, facts.markers),
        _Found("model_calls", "model", model_call_rows, facts.model_call_rows, facts.model_calls),
        _Found("tool_calls", "tool", tool_call_rows, facts.tool_call_rows, facts.tool_calls),
    )


@dataclass(slots=True)
class Normalized:
    """What one batch of one partition of a raw topic became."""

    tables: dict[str, pa.Table] = field(default_factory=dict)
    """Rows to store, redacted."""
    derived: dict[str, Derived] = field(default_factory=dict)
    """Topic of a keyed stage -> events for it; every such topic, so that its watermark moves. None of metrics."""
    slices: list[Slice] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)


class Normalizer:
    """Holds what normalize needs: decoder, dialects, redaction, the series known so far."""

    def __init__(self, model: SessionModel, redactor: Redactor, max_series: int, decoder: Decoder = decode) -> None:
        self._model = model
        self._redactor = redactor
        self._names = series.SeriesNames(max_series)
        self._decode = decoder

    def batch(self, messages: Sequence[Message]) -> Normalized:
        """Normalize messages of one partition of a raw topic, in order of offset: protobuf or JSON, each as it is."""
        signal = SIGNALS[messages[0].topic]
        return self.decoded(signal, decode_either(self._decode, signal, messages), messages, store=True)

    def decoded(self, signal: Signal, decoded: Decoded, messages: Sequence[Message], *, store: bool) -> Normalized:
        """Everything after decoding; `store=False` leaves the rows out (replay)."""
        out = Normalized(dead_letters=decoded.dead_letters)
        first, last = messages[0], messages[-1]
        events: dict[str, list[Event]] = defaultdict(list)
        watermark = 0
        table = decoded.tables.get("otel_traces" if signal == "traces" else "otel_logs")
        if signal != "metrics" and table is not None:
            latest = last.timestamp_unix_nano + MAX_AHEAD_NS
            watermark = _watermark(table, latest)
            facts = self._model.facts(signal, table)
            offsets = table.column("SourceOffset").to_pylist()
            _tell_facts(facts, offsets, events)
            known = (call for call in facts.tool_calls if call.session_id)
            events[ATTEMPTS.name] = routing.attempt_events(known, last.offset)
            out.slices = self._slices(signal, table, facts)
            events[SLICES.name] = [
                _slice_event(one, last.offset, watermark)
                for one in out.slices
                if one.minute_unix_s * SECOND_NS <= latest
            ]
            if store:
                out.tables |= _fact_rows(facts, offsets, last)
        if store:
            out.tables |= {name: self._redactor.table(rows) for name, rows in decoded.tables.items() if rows.num_rows}
            if decoded.dead_letters:
                out.tables |= self.buried(decoded.dead_letters)
        if signal != "metrics":  # there is nothing in metrics that a keyed stage judges
            out.derived = {
                topic.name: Derived(
                    last.topic, last.partition, first.offset, last.offset, watermark, events.get(topic.name, [])
                )
                for topic in (LINKS, CALLS, ATTEMPTS, SLICES)
            }
        return out

    def redacted(self, text: str) -> str:
        """A text that may quote what was sent, fit to be shown."""
        return self._redactor.text(text)

    def buried(self, letters: Sequence[DeadLetter]) -> dict[str, pa.Table]:
        """Dead letters as rows, redacted: bytes of no use can still hold secrets, and the reason can quote them."""
        text = self._redactor.text
        redacted = [
            letter._replace(
                value=text(letter.value.decode("latin-1")).encode("latin-1", "replace"), reason=text(letter.reason)
            )
            for letter in letters
        ]
        return {"dead_letters": dead_letter_rows(redacted)}

    def _slices(self, signal: Signal, table: pa.Table, facts: Facts) -> list[Slice]:
        observations = chain(series.of_tool_calls(facts.tool_calls), series.of_model_calls(facts.model_calls))
        if signal == "traces" and not facts.claimed.all():
            counted = series.inherited(table, facts.claimed)
            observations = chain(observations, series.of_spans(table.filter(pa.array(~facts.claimed)), counted))
        return series.slices(observations, self._names)


def _slice_event(one: Slice, offset: int, watermark: int) -> Event:
    """A slot is over at its end, or now where it still goes on."""
    over = min((one.minute_unix_s + one.second + SLOT_S) * SECOND_NS, watermark)
    return Event(wire.series_key(one), offset, "slice", wire.to_fields(one), over)


def _tell_facts(facts: Facts, offsets: list[int], events: dict[str, list[Event]]) -> None:
    """Facts to detection, or to the resolver where they name no session; in the order of their rows.

    A fact with neither session nor trace cannot be anybody's: it is stored and not judged.
    """
    rows: list[tuple[int, bool, Event]] = [
        (row, False, Event(one.trace_id, offsets[row], "link", one, one.start_time_unix_nano))
        for row, one in zip(facts.link_rows, facts.links, strict=True)
    ]
    for found in _by_kind(facts):
        for row, fact in zip(found.at, found.facts, strict=True):
            known = fact.session_id != ""
            key = wire.session_key(fact) if known else fact.trace_id
            if key:
                told = (key, offsets[row], found.kind, fact, wire.end_of(fact))
                rows.append((row, known, tuple.__new__(Event, told)))
    rows.sort(key=itemgetter(0))
    calls, links = events[CALLS.name], events[LINKS.name]
    for _, known, event in rows:
        (calls if known else links).append(event)


def _fact_rows(facts: Facts, offsets: list[int], last: Message) -> dict[str, pa.Table]:
    """Rows of the facts; where no session is known (yet), the trace id stands in."""
    tables: dict[str, pa.Table] = {}
    for found in _by_kind(facts):
        if found.facts:
            stored = [fact if fact.session_id else fact._replace(session_id=fact.trace_id) for fact in found.facts]
            offsets_of = [offsets[row] for row in found.at]
            tables[found.table] = found.rows_of(stored, last.topic, last.partition, offsets_of)
    return tables


def _watermark(table: pa.Table, latest_unix_nano: int) -> int:
    """The latest event time of the rows that is not beyond `latest_unix_nano`; 0 = none."""
    times = pc.cast(table.column("Timestamp"), pa.int64())
    if "Duration" in table.column_names:
        times = pc.add(times, pc.cast(table.column("Duration"), pa.int64(), safe=False))
    sane = pc.filter(times, pc.less_equal(times, latest_unix_nano))
    return max(0, pc.max(sane).as_py() or 0) if len(sane) else 0
