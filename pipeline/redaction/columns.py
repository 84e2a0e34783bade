"""Redaction of Arrow columns: text inside strings, dictionaries, lists and maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SEPARATOR: Final = b"\x00"
"""Stands between joined values: no pattern runs across it, and it is a border for those that ask for one."""
MAX_JOINED_BYTES: Final = 1 << 30
SKIPPED: Final = frozenset(
    {"TraceId", "SpanId", "ParentSpanId", "Links.TraceId", "Links.SpanId", "Exemplars.TraceId", "Exemplars.SpanId",
     "SourceTopic", "SpanKind", "StatusCode", "SeverityText"}
)  # fmt: skip
"""Columns of ids (hex) and of names that are ours."""


class Columns:
    """Walks over the columns of a table; how text is judged and rewritten it is told."""

    def __init__(
        self,
        signs: Any,
        rewritten: Callable[[str], str],
        names_secret: Callable[[str], bool],
        hidden_value: Callable[[str], str],
    ) -> None:
        self._signs = signs
        self._rewritten = rewritten
        self._names_secret = names_secret
        self._hidden_value = hidden_value

    def table(self, table: pa.Table) -> pa.Table:
        """A table of the same schema; columns in which nothing changed are the same."""
        for at, name in enumerate(table.column_names):
            if name in SKIPPED or not has_text(table.schema.field(at).type):
                continue
            column = table.column(at)
            chunks = [self.array(chunk) for chunk in column.chunks]
            if any(new is not old for new, old in zip(chunks, column.chunks, strict=True)):
                table = table.set_column(at, table.schema.field(at), pa.chunked_array(chunks, column.type))
        return table

    def array(self, array: Any) -> Any:
        """An array of any type; the same object where nothing changed."""
        kind = array.type
        if not has_text(kind):
            return array
        if pa.types.is_dictionary(kind):
            values = self.array(array.dictionary)
            same = values is array.dictionary
            return array if same else pa.DictionaryArray.from_arrays(array.indices, values)
        if pa.types.is_map(kind):
            return self._map(array)
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            return self._list(array)
        rows = rows_with(self._signs, array)
        return replaced(array, {row: self._rewritten(array[row].as_py()) for row in rows})

    def _list(self, array: Any) -> Any:
        old = array.values
        new = self.array(old)
        if new is old:
            return array
        mask = array.is_null() if array.null_count else None
        return type(array).from_arrays(array.offsets, new, type=array.type, mask=mask)

    def _map(self, array: Any) -> Any:
        keys, old = array.keys, array.items
        new = self._under_secret_keys(keys, self.array(old))
        if new is old:
            return array
        mask = array.is_null() if array.null_count else None
        return pa.MapArray.from_arrays(array.offsets, keys, new, type=array.type, mask=mask)

    def _under_secret_keys(self, keys: Any, values: Any) -> Any:
        """Hide the values whose key names a secret."""
        if not _is_text(values.type):
            return values
        coded = keys if pa.types.is_dictionary(keys.type) else keys.dictionary_encode()
        secret = [code for code, key in enumerate(coded.dictionary.to_pylist()) if key and self._names_secret(key)]
        if not secret:
            return values
        rows = np.flatnonzero(np.isin(np.asarray(coded.indices.fill_null(-1)), secret)).tolist()
        return replaced(values, {row: self._hidden_value(values[row].as_py() or "") for row in rows})


def has_text(kind: Any) -> bool:
    """Whether arrays of this type hold text."""
    if _is_text(kind):
        return True
    if pa.types.is_dictionary(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return has_text(kind.value_type)
    return bool(pa.types.is_map(kind)) and has_text(kind.item_type)


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def rows_with(signs: Any, array: Any) -> list[int]:
    """The rows (0-based, in order) of a string array in whose text one of `signs` (RE2 on bytes) stands."""
    if not len(array):
        return []
    lengths = pc.binary_length(array).fill_null(0)
    if (pc.sum(lengths).as_py() or 0) > MAX_JOINED_BYTES and len(array) > 1:
        half = len(array) // 2
        return rows_with(signs, array[:half]) + [half + row for row in rows_with(signs, array[half:])]
    filled = (array.fill_null("") if array.null_count else array).cast(pa.large_binary())
    whole = pa.LargeListArray.from_arrays(pa.array([0, len(array)], pa.int64()), filled)
    joined = pc.binary_join(whole, pa.scalar(SEPARATOR, pa.large_binary()))[0].as_py()
    match = signs.search(joined)
    if match is None:
        return []
    starts = np.cumsum(np.concatenate(([0], np.asarray(lengths, dtype=np.int64) + 1)))
    rows: list[int] = []
    while match is not None:
        first, last = np.searchsorted(starts, (match.start(), match.end() - 1), side="right") - 1
        rows += range(int(first), min(int(last), len(array) - 1) + 1)
        after = int(starts[rows[-1] + 1])
        match = signs.search(joined, after) if after < len(joined) else None
    return rows


def replaced(array: Any, new: dict[int, str]) -> Any:
    """The array with other texts in some rows; the same object where they are the texts it has."""
    changed = {row: text for row, text in sorted(new.items()) if text != (array[row].as_py() or "")}
    if not changed:
        return array
    mask = np.zeros(len(array), dtype=np.bool_)
    mask[list(changed)] = True
    return pc.replace_with_mask(array, pa.array(mask), pa.array(list(changed.values()), array.type))
