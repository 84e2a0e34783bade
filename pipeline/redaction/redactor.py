"""Redaction of text: which values to look at, and what to replace in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import re2

from pipeline.redaction.columns import Columns, rows_with
from pipeline.redaction.patterns import EMAIL, HIDDEN_ATTRIBUTES, PATTERNS, Pattern

MAX_KEYS: Final = 10_000
"""Attribute keys remembered; beyond it the memory starts anew."""
MAX_PASSES: Final = 16
_KEPT_VALUES: Final = frozenset({"", "true", "false", "null", "none"})
_MARK: Final = b"[REDACTED"


@dataclass(frozen=True, slots=True)
class RedactionPolicy:
    """What is redacted."""

    emails: bool = False
    """Also e-mail addresses: personal, but no secret."""
    kinds_off: frozenset[str] = frozenset()
    """Kinds of `patterns.PATTERNS` that are left alone."""
    enabled: bool = True


class Redactor:
    """Replaces secrets by `[REDACTED:kind]`. Redacting twice changes nothing more.

    Clean data costs one search: all values of a column are joined and searched once for the signs of every pattern.
    """

    def __init__(self, policy: RedactionPolicy | None = None) -> None:
        policy = policy or RedactionPolicy()
        patterns = [one for one in PATTERNS if one.kind not in policy.kinds_off] + [EMAIL] * policy.emails
        self._enabled = policy.enabled and bool(patterns)
        self._patterns = [(one, _compiled(one.pattern)) for one in patterns]
        self._signs = _compiled("|".join(_without_names(f"(?:{one.sign or one.pattern})") for one in patterns))
        self._key_of_secret = _compiled(HIDDEN_ATTRIBUTES)
        self._keys: dict[str, bool] = {}
        self._columns = Columns(self._signs, self._rewritten, self.names_secret, hidden_value)

    def text(self, text: str) -> str:
        """One text, redacted."""
        if not self._enabled or not self._signs.search(text.encode("utf-8", "replace")):
            return text
        return self._rewritten(text)

    def texts(self, texts: Sequence[str]) -> list[str]:
        """Many texts, redacted; unchanged ones are the same objects."""
        found = list(texts)
        if self._enabled and found:
            for at in rows_with(self._signs, pa.array(found, pa.large_string())):
                found[at] = self._rewritten(found[at])
        return found

    def table(self, table: pa.Table) -> pa.Table:
        """A table of the same schema, every text in it redacted; ids are left alone."""
        return self._columns.table(table) if self._enabled and table.num_rows else table

    def names_secret(self, key: str) -> bool:
        """Whether an attribute of this name holds a secret."""
        known = self._keys.get(key)
        if known is None:
            if len(self._keys) >= MAX_KEYS:
                self._keys.clear()
            known = self._keys[key] = bool(self._key_of_secret.search(key.encode("utf-8", "replace")))
        return known

    def _rewritten(self, text: str) -> str:
        data, before = text.encode("utf-8", "replace"), b""
        for _ in range(MAX_PASSES):  # a secret may have swallowed the name of the next
            if data == before:
                break
            before = data
            for pattern, compiled in self._patterns:
                data = _replaced(data, pattern, compiled)
        return data.decode("utf-8", "replace")


def hidden_value(value: str) -> str:
    """What is shown of the value of an attribute that names a secret."""
    plain = value.replace(".", "", 1).lstrip("-").isdigit() and len(value) < 12
    if plain or value.lower() in _KEPT_VALUES or value.startswith("[REDACTED"):
        return value
    return "[REDACTED:attribute]"


def _compiled(pattern: str) -> Any:
    """A pattern over the bytes of UTF-8 text: what patterns ask for is ASCII, so no character is ever split."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 << 20
    options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile(pattern.encode(), options)


def _without_names(pattern: str) -> str:
    """The pattern with plain groups for named ones, whose names may stand only once."""
    parts = pattern.split("(?P<")
    return parts[0] + "".join("(?:" + part.split(">", 1)[1] for part in parts[1:])


def _replaced(data: bytes, pattern: Pattern, compiled: Any) -> bytes:
    parts: list[bytes] = []
    done, rescans = 0, 2 * len(data) + 10_000  # bytes that may be looked at again: hostile text costs linear time
    match = compiled.search(data)
    while match is not None:
        first, last = _span(match)
        if _is_secret(data[match.start() : last], data[first:last], pattern):
            parts += (data[done:first], b"%b:%b]" % (_MARK, pattern.kind.encode()))
            done = after = last
        else:  # what looked like the value may be the key of the next one
            rescans -= last - first
            after = first if rescans > 0 else last
        after = max(after, match.start() + 1)
        match = compiled.search(data, after) if after < len(data) else None
    return b"".join(parts) + data[done:] if parts else data


def _is_secret(matched: bytes, secret: bytes, pattern: Pattern) -> bool:
    if _MARK in matched:
        return False
    return pattern.check is None or pattern.check(secret.decode("utf-8", "replace"))


def _span(match: Any) -> tuple[int, int]:
    """Where the secret of a match stands: its named group, else all of it."""
    for group in match.re.groupindex.values():
        if match.start(group) >= 0:
            return match.start(group), match.end(group)
    return match.start(), match.end()
