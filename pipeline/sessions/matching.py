"""Which rule a record falls under, and where its fields stand: decided once for each shape.

A shape is (signal, scope, the record's attribute keys in order). All that a rule asks of scope and keys is settled
for the shape; what remains for a row are look-ups of a value at a known place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from pipeline.sessions.columns import Rows
from pipeline.sessions.dialects import FIELDS, Dialect, Rule, Source
from pipeline.sessions.transforms import Transform
from schemas.signatures import PLACEHOLDERS

MAX_SHAPES: Final = 4_096
"""Shapes remembered; beyond it the memory starts anew."""

EVENT_NAME: Final = "event.name"

SLOTS: Final[dict[str, dict[str, int]]] = {
    fact: {name: slot for slot, name in enumerate(names)} for fact, names in FIELDS.items()
}
"""For each kind of fact: field name -> place in the list of its values."""
RESULT_SLOT: Final = SLOTS["tool_call"]["result"]
CONTENT_FIELDS: Final = frozenset({"arguments", "result", "error", "content", "input_messages", "output_messages"})
"""Fields that hold text of any length; all others are names, ids and numbers."""
MAX_NAME_CHARS: Final = 256
MAX_CONTENT_CHARS: Final = 16_777_216


class Step(NamedTuple):
    """One fallback of a field."""

    kind: str
    at: int
    """Place of the attribute among the row's attributes (-1 for other kinds)."""
    key: str
    event: str
    transforms: tuple[Transform, ...]


class Plan:
    """A rule applied to a shape: where each field is read."""

    __slots__ = (
        "_contents", "_defaults", "_empty_result_at", "_names", "_resources", "_steps", "_steps_of_events", "late",
        "rule",
    )  # fmt: skip

    def __init__(self, rule: Rule, places: Mapping[str, int]) -> None:
        self.rule = rule
        slots = SLOTS[rule.fact]
        self._defaults: list[Any] = [None if name in CONTENT_FIELDS else "" for name in slots]
        self._names: list[tuple[int, int]] = []
        """(slot, place) of names and ids that are one attribute as it stands."""
        self._contents: list[tuple[int, int]] = []
        """The same for content, which may be long and is missing where it is a placeholder."""
        self._resources: list[tuple[int, str]] = []
        """(slot, resource attribute)."""
        self._steps: list[tuple[int, tuple[Step, ...], int]] = []
        """(slot, fallbacks, most characters) of the other fields."""
        self._steps_of_events: list[tuple[int, tuple[Step, ...], int]] = []
        """The same for fields that a span event may tell; only read where the row has events."""
        self.late: tuple[Step, ...] = ()
        """Fallbacks of the error's text, which only a call that failed needs."""
        self._empty_result_at = -1
        if rule.empty_result:
            kept = [places[one.key] for one in rule.fields.get("result", ()) if one.key in places]
            self._empty_result_at = kept[0] if kept else -1
        for name, sources in rule.fields.items():
            found = tuple(_step(one, places) for one in sources if _present(one, places))
            if found:
                self._add(name, slots[name], found)

    def _add(self, name: str, slot: int, found: tuple[Step, ...]) -> None:
        content = name in CONTENT_FIELDS
        most = MAX_CONTENT_CHARS if content else MAX_NAME_CHARS
        if name == "error":
            self.late = found
        elif len(found) == 1 and found[0].kind == "attribute" and not found[0].transforms:
            (self._contents if content else self._names).append((slot, found[0].at))
        elif len(found) == 1 and found[0].kind == "resource" and not found[0].transforms:
            self._resources.append((slot, found[0].key))
        elif all(step.kind == "event" for step in found):
            self._steps_of_events.append((slot, found, most))
        else:
            self._steps.append((slot, found, most))

    def values(self, rows: Rows, row: int) -> list[Any]:
        """The row's fields as texts, by slot; a missing name is "", missing content None."""
        found = self._defaults.copy()
        attributes = rows.attributes
        first, values = attributes.offsets[row], attributes.values
        for slot, at in self._names:
            found[slot] = values[first + at][:MAX_NAME_CHARS]  # the same object where it is no longer
        for slot, at in self._contents:
            value = values[first + at]
            if value and value not in PLACEHOLDERS:
                found[slot] = value
        if self._resources:
            resource = rows.resources.row(row)
            for slot, key in self._resources:
                found[slot] = resource.get(key, "")[:MAX_NAME_CHARS]
        text: str | None
        for slot, steps, most in self._steps:
            kind, at, _, _, transforms = steps[0]
            text = values[first + at] if kind == "attribute" and not transforms else None
            if not text or text in PLACEHOLDERS:
                text = read(steps, rows, row)
            if text:
                found[slot] = text if len(text) <= most else text[:most]
        if self._steps_of_events and rows.events is not None and rows.events.counts[row]:
            for slot, steps, most in self._steps_of_events:
                found[slot] = (read(steps, rows, row) or "")[:most]
        if self._empty_result_at >= 0 and not values[first + self._empty_result_at]:
            found[RESULT_SLOT] = ""
        if found[0] in PLACEHOLDERS:  # a session that is hidden is no session that all of them share
            found[0] = ""
        return found


def read(steps: tuple[Step, ...], rows: Rows, row: int) -> str | None:
    """The first fallback that is not missing."""
    for step in steps:
        if step.kind == "attribute":
            text: str | None = rows.attributes.values[rows.attributes.offsets[row] + step.at]
        else:
            text = _other(step, rows, row)
        for change in step.transforms:
            if not text or text in PLACEHOLDERS:
                text = None
                break
            text = change(text)
        if text and text not in PLACEHOLDERS:
            return text
    return None


def _present(source: Source, places: Mapping[str, int]) -> bool:
    if source.kind == "join":
        return all(key in places for key in source.key.split("\n"))
    return source.kind != "attribute" or source.key in places


def _step(source: Source, places: Mapping[str, int]) -> Step:
    if source.kind == "join":
        first, second = (places[key] for key in source.key.split("\n"))
        return Step("join", first, str(second), "", source.transforms)
    at = places[source.key] if source.kind == "attribute" else -1
    return Step(source.kind, at, source.key, source.event, source.transforms)


def _other(step: Step, rows: Rows, row: int) -> str | None:
    if step.kind == "value":
        return step.key
    if step.kind == "join":
        first, values = rows.attributes.offsets[row], rows.attributes.values
        one, other = values[first + step.at], values[first + int(step.key)]
        return f"{one}__{other}" if one and other else None
    if step.kind == "resource":
        return rows.resources.row(row).get(step.key)
    if step.kind == "column":
        column: list[str] = getattr(rows, step.key)
        return column[row]
    event = rows.events.of(row, step.event) if rows.events is not None else None
    return event.get(step.key) if event else None


class Candidate(NamedTuple):
    """A rule that a shape allows, with the conditions left to check on the row's values."""

    plan: Plan
    where: tuple[tuple[int, frozenset[str]], ...]
    names: frozenset[str]
    prefixes: tuple[str, ...]
    events: frozenset[str]
    event_at: int


class Matcher:
    """Finds the plan for a row."""

    def __init__(self, dialects: Iterable[Dialect]) -> None:
        self._rules = {
            signal: tuple(rule for dialect in dialects for rule in dialect.rules if rule.signal == signal)
            for signal in ("traces", "logs")
        }
        self._shapes: dict[tuple[str, str, tuple[str, ...]], tuple[Candidate, ...]] = {}

    def candidates(self, signal: str, scope: str, keys: tuple[str, ...]) -> tuple[Candidate, ...]:
        """The rules that this shape allows, in order."""
        identity = (signal, scope, keys)
        found = self._shapes.get(identity)
        if found is None:
            if len(self._shapes) >= MAX_SHAPES:
                self._shapes.clear()
            places: dict[str, int] = {}
            for at, key in enumerate(keys):
                places.setdefault(key, at)
            found = tuple(_candidate(rule, places) for rule in self._rules[signal] if _allows(rule, scope, places))
            self._shapes[identity] = found
        return found


def _allows(rule: Rule, scope: str, places: Mapping[str, int]) -> bool:
    return (
        (not rule.scope or scope.startswith(rule.scope))
        and all(key in places for key in rule.where)
        and all(key in places for key in rule.has)
        and not any(key in places for key in rule.lacks)
    )


def _candidate(rule: Rule, places: Mapping[str, int]) -> Candidate:
    where = tuple((places[key], allowed) for key, allowed in rule.where.items())
    return Candidate(Plan(rule, places), where, rule.span, rule.span_prefix, rule.event, places.get(EVENT_NAME, -1))


def named(candidates: tuple[Candidate, ...], span_name: str) -> tuple[Candidate, ...]:
    """Those of the candidates that a span of this name (a log: "") may be."""
    return tuple(
        one
        for one in candidates
        if (not one.names or span_name in one.names) and (not one.prefixes or span_name.startswith(one.prefixes))
    )


def first_plan(candidates: tuple[Candidate, ...], rows: Rows, row: int) -> Plan | None:
    """The first rule whose remaining conditions the row fulfils; the candidates are those of its shape and name."""
    first = rows.attributes.offsets[row]
    values = rows.attributes.values
    for plan, where, _, _, events, event_at in candidates:
        for at, allowed in where:
            if values[first + at] not in allowed:
                break
        else:
            if events:
                event = (values[first + event_at] if event_at >= 0 else "") or rows.event[row]
                if event not in events:
                    continue
            return plan
    return None
