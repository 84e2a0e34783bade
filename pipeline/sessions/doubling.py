"""One call, told twice in one batch, becomes one fact.

Two instrumentations of different families cannot be joined by an id. As far as one batch shows it:

- a model call that lies inside another one of the same service in time, with the same tokens, from another dialect,
  is the SDK's telling of the framework's call: the inner one goes;
- tool calls read from messages go where the trace also has tool spans, or where their model call went.

What no single batch shows is marked for whoever sees the whole session: such tool calls keep the signal `message`,
and are void once the session has a tool call of another signal.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from pipeline.sessions.facts import MESSAGE, Facts
from schemas.facts import ModelCall


def drop(found: Facts, links_of: MutableMapping[int, Any]) -> None:
    """Remove doubles from `found`; rows that lose their only fact are marked as ignored."""
    doubled = _inner_model_rows(found)
    if doubled:
        kept = [at for at, row in enumerate(found.model_call_rows) if row not in doubled]
        found.model_calls = [found.model_calls[at] for at in kept]
        found.model_call_rows = [found.model_call_rows[at] for at in kept]
        for row in doubled:
            found.ignored[row] = True
            links_of.pop(row, None)
    _drop_told_in_messages(found, doubled)


def _inner_model_rows(found: Facts) -> set[int]:
    calls = found.model_calls
    if len({call.dialect for call in calls}) < 2:
        return set()
    alike: dict[tuple[str, int, int], list[int]] = {}
    for at, call in enumerate(calls):
        if call.signal == "span" and call.duration_ns >= 0:
            alike.setdefault((call.service_name, call.input_tokens, call.output_tokens), []).append(at)
    doubled: set[int] = set()
    for group in alike.values():
        if len(group) > 1:
            doubled |= {found.model_call_rows[at] for at in _inner_of([(at, calls[at]) for at in group])}
    return doubled


def _inner_of(group: list[tuple[int, ModelCall]]) -> set[int]:
    """Of calls that look alike, those that lie inside one of another dialect. One sweep by start, longest first."""
    group.sort(key=lambda one: (one[1].start_time_unix_nano, -one[1].duration_ns))
    inner: set[int] = set()
    open_until: dict[str, int] = {}
    for at, call in group:
        end = call.start_time_unix_nano + call.duration_ns
        if any(until >= end for dialect, until in open_until.items() if dialect != call.dialect):
            inner.add(at)
        else:
            open_until[call.dialect] = max(end, open_until.get(call.dialect, 0))
    return inner


def _drop_told_in_messages(found: Facts, doubled: set[int]) -> None:
    if not any(call.signal == MESSAGE for call in found.tool_calls):
        return
    told = {call.trace_id for call in found.tool_calls if call.signal == "span"}
    kept = [
        at
        for at, call in enumerate(found.tool_calls)
        if call.signal != MESSAGE or (call.trace_id not in told and found.tool_call_rows[at] not in doubled)
    ]
    found.tool_calls = [found.tool_calls[at] for at in kept]
    found.tool_call_rows = [found.tool_call_rows[at] for at in kept]
