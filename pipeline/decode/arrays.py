"""Python lists as Arrow arrays: times, ids, attribute maps, lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.columns import NANOSECONDS, Table

Index = npt.NDArray[np.int32]

_MAX_INT64: Final = 2**63 - 1
_NO_ID: Final = (b"", bytes(8), bytes(16))


def offsets(counts: Sequence[int]) -> pa.Array:
    """Arrow's list offsets of lists that are `counts` long."""
    ends = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=ends[1:])
    return pa.array(ends)


def times(values: list[int]) -> pa.Array:
    """Nanoseconds since 1970, 0 to 2**64 - 1, as timestamps; beyond 2262, where they end, the last one."""
    unsigned = pa.array(values, pa.uint64())
    try:
        signed = unsigned.cast(pa.int64())
    except pa.ArrowInvalid:
        signed = pc.min_element_wise(unsigned, pa.scalar(_MAX_INT64, pa.uint64())).cast(pa.int64())
    return signed.view(NANOSECONDS)


def hex_ids(values: list[bytes]) -> pa.Array:
    """Ids as hex text; empty and all-zero ones as empty text."""
    if _NO_ID[1] in values or _NO_ID[2] in values:
        values = [b"" if value in _NO_ID else value for value in values]
    text = b"".join(values).hex().encode()
    ends = np.zeros(len(values) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, values), np.int32, len(values)) * 2, out=ends[1:])
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(ends), pa.py_buffer(text))


def attribute_maps(counts: Sequence[int], keys: list[str], values: list[str]) -> pa.Array:
    """Maps of text to text, `counts` entries each."""
    return pa.MapArray.from_arrays(offsets(counts), pa.array(keys, pa.string()), pa.array(values, pa.string()))


def lists(counts: Sequence[int], child: pa.Array) -> pa.Array:
    """Lists over `child`, `counts` entries each."""
    return pa.ListArray.from_arrays(offsets(counts), child)


def table(declared: Table, columns: dict[str, Any]) -> pa.Table:
    """Columns by name as an Arrow table in the declared order and with the declared types."""
    arrays = []
    for field in declared.schema:
        column = columns[field.name]
        arrays.append(column if isinstance(column, pa.Array) else pa.array(column, field.type))
    return pa.Table.from_arrays(arrays, schema=declared.schema)
