"""Which rule a record falls under, and where its fields stand: decided once for each shape.

A shape is (signal, scope, the record's attribute keys in order). All that a rule asks of scope and keys is settled
for the shape; what remains for a row are look-ups of a value at a known place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from pipeline.sessions.columns import Rows
from pipeline.sessions.dialects import FIELDS, Dialect, Rule, Source
from pipeline.sessions.signatures import PLACEHOLDERS
from pipeline.sessions.transforms import Transform

MAX_SHAPES: Final = 4_096
"""Shapes remembered; beyond it the memory starts anew."""

EVENT_NAME: Final = "event.name"

SLOTS: Final[dict[str, dict[str, int]]] = {
    fact: {name: slot for slot, name in enumerate(names)} for fact, names in FIELDS.items()
}
"""For each kind of fact: field name -> place in the list of its values."""
RESULT_SLOT: Final = SLOTS["tool_call"]["result"]


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

    __slots__ = ("direct", "empty_result_at", "rule", "size", "steps")

    def __init__(self, rule: Rule, places: Mapping[str, int]) -> None:
        self.rule = rule
        slots = SLOTS[rule.fact]
        self.size = len(slots)
        self.direct: list[tuple[int, int]] = []
        """(slot, place) of the fields that are one attribute as it stands."""
        self.steps: list[tuple[int, tuple[Step, ...]]] = []
        self.empty_result_at = -1
        if rule.empty_result:
            kept = [places[one.key] for one in rule.fields.get("result", ()) if one.key in places]
            self.empty_result_at = kept[0] if kept else -1
        for name, sources in rule.fields.items():
            found = tuple(_step(one, places) for one in sources if _present(one, places))
            if len(found) == 1 and found[0].kind == "attribute" and not found[0].transforms:
                self.direct.append((slots[name], found[0].at))
            elif found:
                self.steps.append((slots[name], found))

    def values(self, rows: Rows, row: int) -> list[Any]:
        """The row's fields as texts, in the order of the fact's slots; None = missing."""
        found: list[Any] = [None] * self.size
        first = rows.attributes.offsets[row]
        values = rows.attributes.values
        for slot, at in self.direct:
            value = values[first + at]
            if value and value not in PLACEHOLDERS:
                found[slot] = value
        for slot, steps in self.steps:
            for step in steps:
                text = values[first + step.at] if step.kind == "attribute" else _other(step, rows, row)
                for change in step.transforms:
                    if not text or text in PLACEHOLDERS:
                        text = None
                        break
                    text = change(text)
                if text and text not in PLACEHOLDERS:
                    found[slot] = text
                    break
        if self.empty_result_at >= 0 and not values[first + self.empty_result_at]:
            found[RESULT_SLOT] = ""
        return found


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


def first_plan(candidates: tuple[Candidate, ...], rows: Rows, row: int) -> Plan | None:
    """The first rule whose remaining conditions the row fulfils."""
    first = rows.attributes.offsets[row]
    values = rows.attributes.values
    for plan, where, names, prefixes, events, event_at in candidates:
        for at, allowed in where:
            if values[first + at] not in allowed:
                break
        else:
            if events:
                event = (values[first + event_at] if event_at >= 0 else "") or rows.event[row]
                if event not in events:
                    continue
            if names and rows.span_name[row] not in names:
                continue
            if prefixes and not rows.span_name[row].startswith(prefixes):
                continue
            return plan
    return None
