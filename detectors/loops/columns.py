"""Calls as columns: what a session's window looks like as JSON.

Most columns hold one value over and over, and times differ by little: a column of equal values is written once, starts
count from the first one, ends from their starts, and a span that is the identity is not named twice.
A few calls are rows: there columns save little, and taking them apart takes longer than all the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import repeat
from operator import sub
from typing import Any, Final

from detectors.loops.calls import Call, call_of
from detectors.loops.loop import Cost, Step

MAX_ROWS: Final = 4
_START: Final = Call._fields.index("start")
_END: Final = Call._fields.index("end")
_IDENT: Final = Call._fields.index("ident")
_SPAN: Final = Call._fields.index("span_id")
_COST: Final = Call._fields.index("cost_usd")


def as_columns(calls: Sequence[Call]) -> list[Any]:
    """Fit for JSON: how many, the first start, then a column for each field of `Call`; a few calls as themselves."""
    if len(calls) <= MAX_ROWS:
        return list(map(list, calls))
    columns: list[Sequence[Any]] = list(zip(*calls, strict=True))
    starts = columns[_START]
    first = starts[0]
    columns[_END] = list(map(sub, columns[_END], starts))
    columns[_START] = list(map(sub, starts, repeat(first)))
    columns[_SPAN] = [
        "" if ident == f"s:{span}" else span for ident, span in zip(columns[_IDENT], columns[_SPAN], strict=True)
    ]
    count = len(calls)
    return [count, first, *[column[:1] if column.count(column[0]) == count else column for column in columns]]


def of_columns(fields: list[Any]) -> list[Call]:
    """The inverse of `as_columns`; an unknown cost travels as null."""
    if len(fields) <= MAX_ROWS:
        return list(map(call_of, fields))
    count, first, *columns = fields
    columns = [column * count if len(column) == 1 else column for column in columns]
    starts = columns[_START] = [start + first for start in columns[_START]]
    columns[_END] = [start + duration for start, duration in zip(starts, columns[_END], strict=True)]
    columns[_SPAN] = [
        span or (ident[2:] if ident.startswith("s:") else "")
        for ident, span in zip(columns[_IDENT], columns[_SPAN], strict=True)
    ]
    columns[_COST] = [math.nan if cost is None else cost for cost in columns[_COST]]
    return list(map(Call._make, zip(*columns, strict=True)))


def steps_as_columns(steps: Sequence[Step]) -> list[Any]:
    """Fit for JSON: the calls as columns, then ordinal, unit and cost of each."""
    calls = as_columns([step.call for step in steps])
    return [calls, [s.ordinal for s in steps], [s.unit for s in steps], [list(s.cost) for s in steps]]


def steps_of_columns(fields: list[Any]) -> list[Step]:
    """The inverse of `steps_as_columns`."""
    calls, ordinals, units, costs = fields
    return [
        Step(call, ordinal, unit, Cost.of_list(cost))
        for call, ordinal, unit, cost in zip(of_columns(calls), ordinals, units, costs, strict=True)
    ]
