"""What a name stands for at its place in a parsed statement: a column, an alias, an argument of a lambda, a CTE.

The engine looks for a name among these first. One that it does not find there it takes for a function (of `arrayMap(f,
...)`, or a keyword such as `currentUser`) or, after IN, for a table; so this says less than the engine when in doubt.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlglot import exp

from schemas.tables import DECLARED

COLUMNS: Final = {one.name: frozenset(column.name for column in one.columns) for one in DECLARED}
"""Columns by table or view."""


def column_names() -> frozenset[str]:
    """Every column of every table, those of nested ones also by the part before the dot."""
    names = frozenset[str]().union(*COLUMNS.values())
    return names | {name.partition(".")[0] for name in names}


def visible_cte(node: exp.Expr, name: str) -> exp.CTE | None:
    """The WITH query that a table's name means at a node; none where the engine would look for a real table."""
    around = node.parent
    while around is not None:
        written = around.args.get("with_")
        for cte in written.expressions if isinstance(written, exp.With) else ():
            own = _within(node, cte)
            if cte.alias == name and not cte.args.get("scalar") and (not own or _recurs(node, cte)):
                found: exp.CTE = cte
                return found
            if own:  # those after it are not known in it
                break
        around = around.parent
    return None


def _recurs(node: exp.Expr, cte: exp.CTE) -> bool:
    """Only after UNION a recursive query means itself; before, its name is that of a real table."""
    body = cte.this
    recursive = isinstance(cte.parent, exp.With) and cte.parent.args.get("recursive")
    return bool(recursive) and isinstance(body, exp.Union) and _within(node, body.expression)


def _within(node: exp.Expr, outer: exp.Expr) -> bool:
    at: exp.Expr | None = node
    while at is not None and at is not outer:
        at = at.parent
    return at is outer


class Scope:
    """The names of one statement, each query's gathered once.

    A `certain` one has none that could be another's in the engine: `t.x` of a query inside may be named `x`, or `t.x`
    where it is a part of a tuple.
    """

    def __init__(self, *, certain: bool) -> None:
        self._certain = certain
        self._outputs: dict[int, frozenset[str]] = {}
        self._names: dict[int, frozenset[str]] = {}

    def sees(self, node: exp.Expr, name: str) -> bool:
        """Whether a name means a column, an alias or an argument at a node."""
        inner = False
        around = node.parent
        while around is not None:
            if isinstance(around, exp.Query) and name in _scalars(around):
                return True
            if isinstance(around, exp.Lambda) and not inner:
                if any(argument.name == name for argument in around.expressions):
                    return True
            elif isinstance(around, (exp.Select, exp.SetOperation)):
                if not inner and name in self._around(around):
                    return True
                inner = True  # a query inside another is sure of its WITH only
            around = around.parent
        return False

    def outputs(self, query: exp.Expr) -> frozenset[str]:
        """The columns that a query gives, as far as their names are certain."""
        known = self._outputs.get(id(query))
        if known is None:
            self._outputs[id(query)] = frozenset()  # what a recursive query gives is in its first part
            known = self._outputs[id(query)] = frozenset(self._given(query.unnest()))
        return known

    def _given(self, query: exp.Expr) -> Iterator[str]:
        if isinstance(query, exp.SetOperation):
            yield from self.outputs(query.this)
        elif isinstance(query, exp.Select):
            for given in query.expressions:
                if given.is_star or isinstance(given, exp.Columns):
                    yield from self._starred(query, given)
                elif isinstance(given, exp.Alias) or (
                    isinstance(given, exp.Column) and not (given.table and self._certain)
                ):
                    yield given.alias_or_name

    def _starred(self, query: exp.Select, star: exp.Expr) -> frozenset[str]:
        of = star.table if isinstance(star, exp.Column) else ""
        named = star.this if isinstance(star, exp.Column) else star
        left_out = named.args.get("except_") or []
        if not isinstance(named, exp.Star) or not all(
            isinstance(one, (exp.Column, exp.Identifier)) for one in left_out
        ):
            return frozenset() if self._certain else self._sourced(query)  # columns by pattern
        return self._sourced(query, of) - {one.name for one in left_out}

    def _around(self, query: exp.Select | exp.SetOperation) -> frozenset[str]:
        known = self._names.get(id(query))
        if known is None:
            if isinstance(query, exp.Select):
                known = self._sourced(query) | frozenset(_aliases(query))
            else:
                known = self.outputs(query)
            self._names[id(query)] = known
        return known

    def _sourced(self, select: exp.Select, of: str = "") -> frozenset[str]:
        """Columns of what it selects from, or of the one source of a name."""
        names: set[str] = set()
        read = select.args.get("from_")
        for part in ([read] if read is not None else []) + (select.args.get("joins") or []):
            source = part.this
            if of and source.alias_or_name != of:
                continue
            if isinstance(source, exp.Subquery):
                names |= self.outputs(source.this)
            elif isinstance(source, exp.Table) and not isinstance(source.this, exp.Identifier):
                names.add("number")
            elif isinstance(source, exp.Table):
                cte = visible_cte(source, source.name)
                names |= COLUMNS.get(source.name, frozenset()) if cte is None else self.outputs(cte.this)
            else:  # ARRAY JOIN
                names |= {joined.alias for joined in (source, *part.expressions) if isinstance(joined, exp.Alias)}
        return frozenset(names)


def _aliases(select: exp.Select) -> Iterator[str]:
    """Names given with AS in its own expressions, not in those of a query or a lambda inside."""
    tops = [*select.expressions, *(select.args[key] for key in ("prewhere", "where", "having") if select.args.get(key))]
    for top in tops:
        for node in top.walk(prune=lambda node: isinstance(node, (exp.Query, exp.Lambda, exp.Star))):
            if isinstance(node, exp.Alias):
                yield node.alias


def _scalars(query: exp.Query) -> frozenset[str]:
    written = query.args.get("with_")
    ctes = written.expressions if isinstance(written, exp.With) else ()
    return frozenset(cte.alias for cte in ctes if cte.args.get("scalar"))
