"""Who belongs to which session: joins calls that name no session to the one of their ancestors.

Keyed by trace id. A call without a session waits at most `wait_ns` of event time for its nearest ancestor with one;
then it goes on under the trace id (`provisional`). A link that comes later still moves it: to the right session in
detection, and in storage (`Mend`). The order of preference: nearest ancestor, a sibling under the same parent, the
only session of the trace.

Bounds of a trace's state: `MAX_SPANS` spans, `MAX_CALLS` calls. Calls older than those keep the session they have in
detection; in storage they are still mended, as far as `MAX_SPANS` of their ids are remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson

from pipeline import wire
from schemas.facts import Link, Marker, SessionFact, ToolCall
from sinks.contract import Mend

MAX_SPANS: Final = 2_000
MAX_CALLS: Final = 1_024
MAX_DEPTH: Final = 64
PREVIEW: Final = 300

ANCESTOR, SIBLING, TRACE, NONE = "ancestor", "sibling", "trace", "none"


class Resolved(NamedTuple):
    """A fact on its way to detection under the session found (or the trace id)."""

    fact: SessionFact


class Moved(NamedTuple):
    """What was told of this trace under its own id is told again under a session: forget the first telling."""

    service_name: str
    trace_id: str


Output = Resolved | Mend | Moved


class Call:
    """A call of the trace that names no session itself."""

    __slots__ = ("basis", "deadline", "fact", "session_id", "told")

    def __init__(self, fact: SessionFact, deadline: int) -> None:
        self.fact = fact
        self.deadline = deadline
        self.session_id = ""
        self.basis = NONE
        self.told = ""
        """The session under which detection heard of it; "" = not yet."""


class Trace:
    """What is known of one trace."""

    __slots__ = ("calls", "evicted", "fell_back", "last_seen", "sessions", "siblings", "spans")

    def __init__(self) -> None:
        self.spans: dict[str, tuple[str, str, str, str]] = {}
        """span id -> (parent span id, session id, agent name, turn id)"""
        self.siblings: dict[str, str] = {}
        """parent span id -> session of a child of it"""
        self.sessions: dict[str, None] = {}
        self.calls: list[Call] = []
        self.evicted: dict[str, str] = {}
        """span id -> parent span id of calls that are no longer in `calls` and have no session yet"""
        self.fell_back = False
        self.last_seen = 0


class Resolver:
    """The fold over `telltale.links` (contract: `pipeline.stages.keyed.Fold`)."""

    def __init__(self, wait_ns: int, expire_ns: int) -> None:
        self._wait_ns = wait_ns
        self._expire_ns = expire_ns

    def initial(self, key: str) -> Trace:
        """Nothing is known of the trace."""
        del key
        return Trace()

    def apply(self, state: Trace, kind: str, fields: Sequence[Any]) -> list[Output]:
        """Fold one link or one call."""
        if kind == "link":
            return self._apply_link(state, wire.link(fields))
        return self._apply_call(state, _shortened(wire.session_fact(kind, fields)))

    def advance(self, state: Trace, watermark_unix_nano: int) -> list[Output]:
        """Calls whose wait is over go on under the trace id."""
        out: list[Output] = []
        for call in state.calls:
            if not call.told and call.deadline <= watermark_unix_nano:
                state.fell_back = True
                out += _tell(call, call.fact.trace_id)
        return out

    def due(self, state: Trace) -> int | None:
        """The first deadline of a call that waits."""
        return min((call.deadline for call in state.calls if not call.told), default=None)

    def expires(self, state: Trace) -> int:
        """When the trace has been silent for so long that it is over."""
        return state.last_seen + self._expire_ns

    def _apply_link(self, state: Trace, link: Link) -> list[Output]:
        state.last_seen = max(state.last_seen, link.start_time_unix_nano)
        if link.span_id not in state.spans and len(state.spans) >= MAX_SPANS:
            return []
        state.spans[link.span_id] = (link.parent_span_id, link.session_id, link.agent_name, link.turn_id)
        if link.session_id:
            state.sessions[link.session_id] = None
            if link.parent_span_id:
                state.siblings.setdefault(link.parent_span_id, link.session_id)
        return self._settle(state, link.trace_id)

    def _apply_call(self, state: Trace, fact: SessionFact) -> list[Output]:
        end = fact.start_time_unix_nano + (0 if isinstance(fact, Marker) else max(0, fact.duration_ns))
        state.last_seen = max(state.last_seen, end)
        call = Call(fact, end + self._wait_ns)
        state.calls.append(call)
        if len(state.calls) > MAX_CALLS:
            first = state.calls.pop(0)
            if not first.session_id and len(state.evicted) < MAX_SPANS:
                state.evicted[first.fact.span_id] = first.fact.parent_span_id
            if not first.told:
                return [*_tell(first, first.fact.trace_id), *self._settle(state, fact.trace_id)]
        out = self._settle(state, fact.trace_id)
        if not call.told and state.fell_back and not state.sessions:
            out += _tell(call, fact.trace_id)  # the trace has waited once already: no call of it waits again
        return out

    def _settle(self, state: Trace, trace_id: str) -> list[Output]:
        """Give every call the best session known now; tell what changed, in the calls' order."""
        if not state.sessions:
            return []
        out: list[Output] = _mend_evicted(state, trace_id)
        changed = [call for call in state.calls if call.basis != ANCESTOR and self._improve(state, call)]
        if not changed:
            return out
        out += [Mend(c.fact.trace_id, c.fact.span_id, c.session_id) for c in changed if c.fact.span_id]
        moved = {c.fact.service_name: c.fact.trace_id for c in changed if c.told and c.told == c.fact.trace_id}
        out += [Moved(service, trace_id) for service, trace_id in moved.items()]
        for call in changed:
            out += _tell(call, call.session_id)
        return out

    @staticmethod
    def _improve(state: Trace, call: Call) -> bool:
        session_id, agent, turn, basis = _owner(state, call.fact.parent_span_id)
        if not session_id:
            return False
        call.basis = basis
        agent, turn = call.fact.agent_name or agent, call.fact.turn_id or turn
        if session_id == call.session_id:
            return False
        call.session_id = session_id
        call.fact = call.fact._replace(agent_name=agent, turn_id=turn)
        return True

    def encode(self, state: Trace) -> bytes:
        """The state as JSON."""
        calls = [
            [wire.KINDS[type(c.fact)], wire.to_fields(c.fact), c.deadline, c.session_id, c.basis, c.told]
            for c in state.calls
        ]
        return orjson.dumps(
            [state.spans, state.siblings, list(state.sessions), calls, state.evicted, state.fell_back, state.last_seen]
        )

    def decode(self, data: bytes) -> Trace:
        """The inverse of `encode`."""
        state = Trace()
        spans, state.siblings, sessions, calls, state.evicted, state.fell_back, state.last_seen = orjson.loads(data)
        state.spans = {span_id: (span[0], span[1], span[2], span[3]) for span_id, span in spans.items()}
        state.sessions = dict.fromkeys(sessions)
        for kind, fields, deadline, session_id, basis, told in calls:
            call = Call(wire.session_fact(kind, fields), deadline)
            call.session_id, call.basis, call.told = session_id, basis, told
            state.calls.append(call)
        return state


def _shortened(fact: SessionFact) -> SessionFact:
    """Texts cut to a preview: storage has the rest."""
    if isinstance(fact, ToolCall):
        return fact._replace(arguments=fact.arguments[:PREVIEW], result=fact.result[:PREVIEW])
    return fact


def _tell(call: Call, session_id: str) -> Sequence[Output]:
    call.told = session_id
    return [Resolved(call.fact._replace(session_id=session_id))]


def _mend_evicted(state: Trace, trace_id: str) -> list[Output]:
    """Storage shows calls that are no longer held under the session that is now known for them."""
    found = {span_id: _owner(state, parent)[0] for span_id, parent in state.evicted.items()}
    for span_id, session_id in found.items():
        if session_id:
            del state.evicted[span_id]
    return [Mend(trace_id, span_id, session_id) for span_id, session_id in found.items() if session_id]


def _owner(state: Trace, parent_span_id: str) -> tuple[str, str, str, str]:
    """(session id, agent name, turn id, basis) of a span's best owner known; ("", "", "", "none") if there is none."""
    span_id, agent, turn = parent_span_id, "", ""
    for _ in range(MAX_DEPTH):
        span = state.spans.get(span_id)
        if span is None:
            break
        agent, turn = agent or span[2], turn or span[3]
        if span[1]:
            return span[1], agent, turn, ANCESTOR
        span_id = span[0]
    sibling = state.siblings.get(parent_span_id) if parent_span_id else None
    if sibling:
        return sibling, agent, turn, SIBLING
    if len(state.sessions) == 1:
        return next(iter(state.sessions)), agent, turn, TRACE
    return "", "", "", NONE
