"""Parameters of a detector: a frozen dataclass whose fields are the keys of a rule's `[parameters]`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar

from schemas.errors import RuleError

P = TypeVar("P")


def bounded(default: float, low: float, high: float) -> Any:
    """A number's default with the range that a rule may set it to; the annotation decides whether it is whole."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high})


def read(shape: type[P], table: Mapping[str, Any], *, file: str, key: str) -> P:
    """The parameters that a TOML table states, defaults for the rest.

    Raises:
        RuleError: a key is not known, or its value has the wrong type or is out of range.
    """
    if not isinstance(table, Mapping):
        raise RuleError(f"{file}: {key}: must be a table")
    fields = {f.name: f for f in dataclasses.fields(shape)}  # type: ignore[arg-type]  # P is always a dataclass
    values: dict[str, Any] = {}
    for name, value in table.items():
        where = f"{file}: {key}.{name}"
        if name not in fields:
            raise RuleError(f"{where}: not a parameter; known are {', '.join(sorted(fields))}")
        values[name] = _value(fields[name], value, where)
    return shape(**values)


def _value(field: dataclasses.Field[Any], value: Any, where: str) -> Any:
    if isinstance(field.default, tuple):
        return _row(value, where)
    if isinstance(field.default, bool):
        if not isinstance(value, bool):
            raise RuleError(f"{where}: must be true or false")
        return value
    whole = isinstance(field.default, int)
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise RuleError(f"{where}: must be a {'whole number' if whole else 'number'}")
    low, high = field.metadata["low"], field.metadata["high"]
    if not (math.isfinite(value) and low <= value <= high):
        raise RuleError(f"{where}: must be between {low:g} and {high:g}")
    return value


def _row(value: Any, where: str) -> tuple[int, int, int]:
    """One row of a severity ladder: repeats for suspect, warning and critical; 0 = never."""
    right = isinstance(value, list) and len(value) == 3
    if not right or any(isinstance(v, bool) or not isinstance(v, int) or not 0 <= v <= 100_000 for v in value):
        raise RuleError(f"{where}: must be three whole numbers, [suspect, warning, critical], 0 = never")
    used = [v for v in value if v]
    if used != sorted(used):
        raise RuleError(f"{where}: must not fall from suspect to critical")
    return (value[0], value[1], value[2])
