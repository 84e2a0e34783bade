"""Which spans are told to the resolver, so that calls that name no session find their ancestor's.

Told are: spans of agents, chains, tasks and workflows; tool spans that name no session; leaves that another span of
the batch calls its parent; one leaf for each (trace, session), as a sibling to join; and the spans of other software
that stand between two of an agent's. Everything else would only cost the resolver.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.sessions import building
from pipeline.sessions.columns import Rows
from pipeline.sessions.facts import Facts
from pipeline.sessions.matching import Plan
from schemas.facts import Link


def choose(rows: Rows, found: Facts, links_of: Mapping[int, tuple[Plan, list[Any]]]) -> None:
    """Add the links of one batch to `found`, in order of rows."""
    parents = {rows.parent_id[row] for row in links_of}
    leaves: set[tuple[str, str]] = set()
    chosen: dict[int, Link] = {}
    for row, (plan, values) in links_of.items():
        fact = plan.rule.fact
        session = values[building.SESSION]
        told = fact == "link" or rows.span_id[row] in parents or (fact == "tool_call" and not session)
        if not told and session and (rows.trace_id[row], session) not in leaves:
            told = True
        if told and rows.trace_id[row]:
            leaves.add((rows.trace_id[row], session))
            chosen[row] = building.link(plan, values, rows, row)
    _between(rows, found, parents, chosen)
    for row in sorted(chosen):
        found.links.append(chosen[row])
        found.link_rows.append(row)


def _between(rows: Rows, found: Facts, parents: set[str], chosen: dict[int, Link]) -> None:
    """Add the unclaimed ancestors of claimed spans, as far as this batch has them."""
    wanted = parents - {link.span_id for link in chosen.values()} - {""}
    if not wanted:
        return
    others = {rows.span_id[row]: row for row in range(rows.count) if not found.claimed[row]}
    while wanted:
        row = others.pop(wanted.pop(), None)
        if row is not None:
            parent = rows.parent_id[row]
            chosen[row] = Link(rows.trace_id[row], rows.span_id[row], parent, "", "", "", rows.time[row])
            wanted.add(parent)
