"""The tree of a trace as lines: folded, cut at a depth, with its critical path and its errors. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from query.budget import UNTRUSTED
from query.fencing import name

MAX_DEPTH: Final = 200
"""Deeper spans are shown at this depth: a chain of parents is telemetry's, and may be of any length."""


@dataclass(slots=True)
class Span:
    """One span and what is below it."""

    span_id: str
    parent_id: str
    name: str
    service: str
    start_ns: int
    duration_ns: int
    failed: bool
    message: str
    children: list[Span] = field(default_factory=list)
    below: int = 0
    """Spans below it, at any depth."""

    @property
    def end_ns(self) -> int:
        """When it ended."""
        return self.start_ns + self.duration_ns


@dataclass(frozen=True, slots=True)
class Tree:
    """The spans of one trace."""

    roots: tuple[Span, ...]
    by_id: dict[str, Span]
    parents_missing: int
    """Spans that name a parent that is not stored."""


def planted(rows: Sequence[dict[str, Any]]) -> Tree:
    """The tree of rows of `query.trace`, in time linear in them. A span that was sent twice counts once."""
    by_id: dict[str, Span] = {}
    for row in sorted(rows, key=lambda row: (row["start_ns"], row["SpanId"])):
        by_id.setdefault(row["SpanId"], _span(row))
    roots, missing = [], 0
    for span in by_id.values():
        parent = by_id.get(span.parent_id) if span.parent_id else None
        if parent is None or parent is span:
            roots.append(span)
            missing += bool(span.parent_id) and parent is None
        else:
            parent.children.append(span)
    seen = {one.span_id for root in roots for one, _ in walk(root)}
    for span in by_id.values():
        if span.span_id not in seen:  # its parents lead in a circle: it is opened at the span that began first
            by_id[span.parent_id].children.remove(span)
            roots.append(span)
            seen |= {one.span_id for one, _ in walk(span)}
    for span in reversed([one for root in roots for one, _ in walk(root)]):
        span.below = sum(1 + child.below for child in span.children)
    return Tree(tuple(roots), by_id, missing)


def _span(row: dict[str, Any]) -> Span:
    return Span(
        span_id=row["SpanId"],
        parent_id=row["ParentSpanId"],
        name=row["SpanName"],
        service=row["ServiceName"],
        start_ns=row["start_ns"],
        duration_ns=row["duration_ns"],
        failed=row["StatusCode"] == "Error",
        message=row["StatusMessage"],
    )


def walk(root: Span) -> Iterator[tuple[Span, int]]:
    """(span, depth below the root) in the order of the tree."""
    waiting = [(root, 0)]
    while waiting:
        span, depth = waiting.pop()
        yield span, depth
        waiting += [(child, depth + 1) for child in reversed(span.children)]


def lines(roots: Sequence[Span], depth: int, started_ns: int) -> list[dict[str, Any]]:
    """Spans down to a depth, alike leaves that follow each other folded into one line."""
    shown: list[dict[str, Any]] = []
    waiting = [(group, 0) for group in reversed(_folded(roots))]
    while waiting:
        group, level = waiting.pop()
        shown.append(_line(group, level, started_ns))
        span = group[0]
        if span.children and level < depth:
            waiting += [(below, level + 1) for below in reversed(_folded(span.children))]
        elif span.children:
            shown[-1]["hidden"] = span.below
    return shown


def _folded(spans: Sequence[Span]) -> list[list[Span]]:
    groups: list[list[Span]] = []
    for span in spans:
        last = groups[-1][0] if groups else None
        alike = last is not None and (last.name, last.service, last.failed) == (span.name, span.service, span.failed)
        if alike and last is not None and not last.children and not span.children:
            groups[-1].append(span)
        else:
            groups.append([span])
    return groups


def _line(group: Sequence[Span], level: int, started_ns: int) -> dict[str, Any]:
    span = group[0]
    line: dict[str, Any] = {
        "depth": min(level, MAX_DEPTH),
        "span_id": span.span_id,
        "name": name(span.name),
        "service": name(span.service),
        "at_s": round((span.start_ns - started_ns) / 1e9, 3),
        "duration_s": round(sum(one.duration_ns for one in group) / 1e9, 6),
    }
    if len(group) > 1:
        line["times"] = len(group)
    if span.failed:
        line["error"] = True
    return line


def critical_path(root: Span, most: int = 6) -> list[dict[str, Any]]:
    """What the time of the root went by on: at each moment the span that ended last; the largest shares first.

    A span's share is its own time on the path, without that of the children that stand on it.
    """
    shares: list[tuple[int, Span]] = []
    waiting = [(root, root.end_ns)]
    while waiting:
        span, until = waiting.pop()
        own, at = 0, min(until, span.end_ns)
        for child in sorted(span.children, key=lambda c: (-c.end_ns, c.start_ns)):
            if child.start_ns >= at:
                continue
            end = min(child.end_ns, at)
            own += at - end
            waiting.append((child, end))
            at = max(child.start_ns, span.start_ns)
        shares.append((own + max(0, at - span.start_ns), span))
    by_name: dict[tuple[str, str], list[tuple[int, Span]]] = {}
    for own, span in shares:
        if own > 0:
            by_name.setdefault((span.service, span.name), []).append((own, span))
    ranked = sorted(by_name.values(), key=lambda group: -sum(own for own, _ in group))
    return [
        {
            "name": name(group[0][1].name),
            "own_s": round(sum(own for own, _ in group) / 1e9, 6),
            "span_id": max(group, key=lambda one: (one[0], one[1].span_id))[1].span_id,
            **({"times": len(group)} if len(group) > 1 else {}),
        }
        for group in ranked[:most]
    ]


def errors(tree: Tree, most: int = 4) -> list[dict[str, Any]]:
    """Where errors began: failed spans of which no child failed."""
    spans = [span for root in tree.roots for span, _ in walk(root) if span.failed]
    deepest = [span for span in spans if not any(child.failed for child in span.children)]
    return [
        {"span_id": span.span_id, "name": name(span.name), "service": name(span.service)}
        | ({UNTRUSTED: {"message": span.message}} if span.message else {})
        for span in deepest[:most]
    ]
