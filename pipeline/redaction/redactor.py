"""Redaction of text and of Arrow tables.

Clean data costs one search: all values of a column are joined and searched once for the signs of every pattern; only
values in which a sign stands are looked at one by one. Ids are left out: they are hex.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import re2

from pipeline.redaction.patterns import EMAIL, PATTERNS, SECRET_KEY, Pattern

SEPARATOR: Final = b"\x00"
"""Stands between joined values: no pattern runs across it, and it is a border for those that ask for one."""
MAX_JOINED_BYTES: Final = 1 << 30
SKIPPED_COLUMNS: Final = frozenset(
    {"TraceId", "SpanId", "ParentSpanId", "Links.TraceId", "Links.SpanId", "Exemplars.TraceId", "Exemplars.SpanId",
     "SourceTopic", "SpanKind", "StatusCode", "SeverityText"}
)  # fmt: skip
_KEPT_VALUES: Final = frozenset({"", "true", "false", "null", "none"})


@dataclass(frozen=True, slots=True)
class RedactionPolicy:
    """What is redacted."""

    emails: bool = False
    """Also e-mail addresses: personal, but no secret."""
    kinds_off: frozenset[str] = frozenset()
    """Kinds of `patterns.PATTERNS` that are left alone."""
    enabled: bool = True


def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 << 20
    return re2.compile(pattern, options)


def _compiled_bytes(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 << 20
    options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile(pattern.encode(), options)


class Redactor:
    """Replaces secrets by `[REDACTED:kind]`. Redacting twice changes nothing more."""

    def __init__(self, policy: RedactionPolicy | None = None) -> None:
        policy = policy or RedactionPolicy()
        patterns = [one for one in PATTERNS if one.kind not in policy.kinds_off] + [EMAIL] * policy.emails
        self._enabled = policy.enabled and bool(patterns)
        self._patterns = [(one, _compiled(one.pattern)) for one in patterns]
        self._signs = _compiled_bytes("|".join(f"(?:{one.sign})" for one in patterns) or "a^")
        self._secret_key = _compiled(SECRET_KEY)
        self._key_cache: dict[str, bool] = {}

    def text(self, text: str) -> str:
        """One text, redacted."""
        if not self._enabled or not self._signs.search(text.encode("utf-8", "replace")):
            return text
        return self._rewritten(text)

    def texts(self, texts: Sequence[str]) -> list[str]:
        """Many texts, redacted; unchanged ones are the same objects."""
        found = list(texts)
        if self._enabled and found:
            for at in self._rows_with_signs(pa.array(found, pa.large_string())):
                found[at] = self._rewritten(found[at])
        return found

    def secret_key(self, key: str) -> bool:
        """Whether an attribute of this name holds a secret."""
        known = self._key_cache.get(key)
        if known is None:
            if len(self._key_cache) > 10_000:
                self._key_cache.clear()
            known = self._key_cache[key] = bool(self._secret_key.search(key))
        return known

    def table(self, table: pa.Table) -> pa.Table:
        """A table of the same schema, every text in it redacted."""
        if not self._enabled or not table.num_rows:
            return table
        for at, name in enumerate(table.column_names):
            if name in SKIPPED_COLUMNS or not _has_text(table.schema.field(at).type):
                continue
            column = table.column(at)
            chunks = [self._array(chunk) for chunk in column.chunks]
            if any(new is not old for new, old in zip(chunks, column.chunks, strict=True)):
                table = table.set_column(at, table.schema.field(at), pa.chunked_array(chunks, column.type))
        return table

    def _rewritten(self, text: str) -> str:
        for pattern, compiled in self._patterns:
            text = _replaced(text, pattern, compiled)
        return text

    def _array(self, array: Any) -> Any:
        """An array of any type with text in it; the same object where nothing changed."""
        kind = array.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return self._strings(array)
        if pa.types.is_dictionary(kind):
            values = self._array(array.dictionary)
            if values is array.dictionary:
                return array
            return pa.DictionaryArray.from_arrays(array.indices, values)
        if pa.types.is_map(kind):
            return self._map(array)
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            values = self._array(array.values)
            if values is array.values or values is None:
                return array
            mask = array.is_null() if array.null_count else None
            return type(array).from_arrays(array.offsets, values, type=kind, mask=mask)
        return array

    def _strings(self, array: Any) -> Any:
        rows = self._rows_with_signs(array)
        new = {row: self._rewritten(array[row].as_py()) for row in rows}
        return _replace(array, new)

    def _map(self, array: Any) -> Any:
        keys, items = array.keys, array.items
        new_items = items
        if _has_text(items.type):
            new_items = self._secret_values(keys, self._array(items))
        if new_items is items:
            return array
        mask = array.is_null() if array.null_count else None
        return pa.MapArray.from_arrays(array.offsets, keys, new_items, type=array.type, mask=mask)

    def _secret_values(self, keys: Any, items: Any) -> Any:
        """Replace the values under keys that name a secret."""
        if not (pa.types.is_string(items.type) or pa.types.is_large_string(items.type)):
            return items
        coded = keys if pa.types.is_dictionary(keys.type) else keys.dictionary_encode()
        secret = [code for code, key in enumerate(coded.dictionary.to_pylist()) if key and self.secret_key(key)]
        if not secret:
            return items
        rows = np.flatnonzero(np.isin(np.asarray(coded.indices.fill_null(-1)), secret)).tolist()
        new = {row: "[REDACTED:attribute]" for row in rows if _is_secret_value(items[row].as_py())}
        return _replace(items, new)

    def _rows_with_signs(self, array: Any) -> list[int]:
        """Rows in whose text the sign of a secret stands."""
        if not len(array):
            return []
        lengths = pc.binary_length(array).fill_null(0)
        if (pc.sum(lengths).as_py() or 0) > MAX_JOINED_BYTES and len(array) > 1:
            half = len(array) // 2
            return self._rows_with_signs(array[:half]) + [half + row for row in self._rows_with_signs(array[half:])]
        filled = array.fill_null("") if array.null_count else array
        whole = pa.LargeListArray.from_arrays(pa.array([0, len(array)], pa.int64()), filled.cast(pa.large_binary()))
        joined = pc.binary_join(whole, pa.scalar(SEPARATOR, pa.large_binary()))[0].as_py()
        starts: Any = None
        rows: list[int] = []
        for match in self._signs.finditer(joined):
            if starts is None:
                sizes = np.asarray(lengths, dtype=np.int64) + 1
                starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
            row = int(np.searchsorted(starts, match.start(), side="right")) - 1
            if not rows or rows[-1] != row:
                rows.append(row)
        return rows


def _replaced(text: str, pattern: Pattern, compiled: Any) -> str:
    parts: list[str] = []
    done = 0
    for match in compiled.finditer(text):
        first, last = _span(match)
        secret = text[first:last]
        if "[REDACTED" in text[match.start() : last] or (pattern.check and not pattern.check(secret)):
            continue
        parts += (text[done:first], f"[REDACTED:{pattern.kind}]")
        done = last
    return "".join(parts) + text[done:] if parts else text


def _span(match: Any) -> tuple[int, int]:
    """Where the secret of a match stands: its named group, else all of it."""
    for name, group in match.re.groupindex.items():
        if name.startswith("secret") and match.start(group) >= 0:
            return match.start(group), match.end(group)
    return match.start(), match.end()


def _replace(array: Any, new: dict[int, str]) -> Any:
    changed = {row: text for row, text in new.items() if text != array[row].as_py()}
    if not changed:
        return array
    mask = np.zeros(len(array), dtype=np.bool_)
    mask[list(changed)] = True
    values = pa.array([changed[row] for row in sorted(changed)], array.type)
    return pc.replace_with_mask(array, pa.array(mask), values)


def _is_secret_value(value: str | None) -> bool:
    return (
        bool(value) and value.lower() not in _KEPT_VALUES and not value.startswith("[REDACTED") and not _number(value)
    )


def _number(value: str) -> bool:
    return value.replace(".", "", 1).lstrip("-").isdigit() and len(value) < 12


def _has_text(kind: Any) -> bool:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return True
    if pa.types.is_dictionary(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _has_text(kind.value_type)
    return bool(pa.types.is_map(kind)) and _has_text(kind.item_type)
