"""Changes to a JSON or TOML text that leave everything else in it as it was."""

from __future__ import annotations

import json
import re
from collections.abc import MutableMapping, Sequence
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from cli.configure.agents import Change


class UnfitError(Exception):
    """The file cannot be changed as it is; the text says why and where."""


class TakenError(UnfitError):
    """Something else stands where a value would go."""


def changed(form: str, text: str, changes: Sequence[Change], *, replace: bool) -> str:
    """The text with the changes in it; the same text where they are in it already.

    Args:
        form: `json`, `jsonc` or `toml`; see `File`.
        text: The file's text, "" where there is no file.
        changes: What is to stand in it.
        replace: Whether a value that is not ours may be replaced.

    Raises:
        UnfitError: It is no valid document, or something of another kind stands in the way.
        TakenError: Another value stands there, and `replace` is not set.
    """
    document = _read(form, text)
    done = [_apply(document, change, replace=replace) for change in changes]
    misread = form == "jsonc" and "//" in text
    return _written(form, text, document) if any(done) or misread else text


def _read(form: str, text: str) -> Any:
    try:
        document: Any = tomlkit.parse(text) if form == "toml" else json.loads(text) if text.strip() else {}
    except TOMLKitError as error:
        raise UnfitError(f"it is not valid TOML: {error}") from error
    except (ValueError, RecursionError) as error:
        comments = "; JSON with comments is left alone" if re.search(r"^\s*(//|/\*)", text, re.MULTILINE) else ""
        raise UnfitError(f"it is not valid JSON: {error}{comments}") from error
    if not isinstance(document, MutableMapping):
        raise UnfitError("it does not hold an object")
    return document


def _apply(document: Any, change: Change, *, replace: bool) -> bool:
    """Put one value in its place; whether that changed anything."""
    table = document
    for at, key in enumerate(change.path[:-1]):
        if key not in table:
            table[key] = tomlkit.table(is_super_table=True) if isinstance(table, tomlkit.TOMLDocument) else {}
        table = table[key]
        if not isinstance(table, MutableMapping):
            raise UnfitError(f"`{'.'.join(change.path[: at + 1])}` is no table")
    key = change.path[-1]
    if change.appended:
        return _append(table, key, change)
    present = table.get(key)
    if _plain(present) == change.value:
        return False
    if present is not None and not (change.ours or replace):
        raise TakenError(f"`{'.'.join(change.path)}` is {json.dumps(_plain(present))} already")
    table[key] = _valued(change.value, inline=not change.ours) if _is_toml(document) else change.value
    return True


def _append(table: Any, key: str, change: Change) -> bool:
    present = table.get(key)
    listed = [] if present is None else _plain(present)
    if not isinstance(listed, list):
        raise UnfitError(f"`{'.'.join(change.path)}` is no list")
    if change.value in listed:
        return False
    others = [at for at, one in enumerate(listed) if not _runs_guard(one)]
    kept = [present[at] for at in others] if present is not None else []
    if _is_toml(table):
        array = tomlkit.aot()
        for one in (*(_plain(one) for one in kept), change.value):
            array.append(_hooks_table(one))
        table[key] = array
    else:
        table[key] = [*kept, change.value]
    return True


def _runs_guard(entry: Any) -> bool:
    """Whether a hook is ours, of this or an earlier version."""
    if isinstance(entry, list):
        return any(_runs_guard(one) for one in entry)
    if not isinstance(entry, dict):
        return False
    command = entry.get("command")
    ours = isinstance(command, str) and re.search(r"telltale'?\s+guard\b", command) is not None
    return ours or _runs_guard(entry.get("hooks"))


def _is_toml(value: Any) -> bool:
    return isinstance(value, tomlkit.TOMLDocument | tomlkit.items.Table | tomlkit.container.OutOfOrderTableProxy)


def _plain(value: Any) -> Any:
    return value.unwrap() if hasattr(value, "unwrap") else value


def _valued(value: Any, *, inline: bool) -> Any:
    """A value as TOML: nested tables stand in one line, an MCP server in a table of its own."""
    if not isinstance(value, dict):
        return value
    table = tomlkit.inline_table() if inline else tomlkit.table()
    for key, one in value.items():
        table[key] = _valued(one, inline=True)
    return table


def _hooks_table(value: Any) -> Any:
    table = tomlkit.table()
    for key, one in value.items():
        if key == "hooks" and isinstance(one, list):
            inner = tomlkit.aot()
            for hook in one:
                inner.append(_valued(hook, inline=False))
            table[key] = inner
        else:
            table[key] = _valued(one, inline=True)
    return table


def _written(form: str, text: str, document: Any) -> str:
    if form == "toml":
        return tomlkit.dumps(document)
    indent = re.search(r"\n([ \t]+)\S", text)
    written = json.dumps(document, indent=indent.group(1) if indent else 2, ensure_ascii=False)
    if form == "jsonc":
        written = re.sub("(?<=/)/", r"\\/", written)  # such characters stand in strings only
    return written + ("\n" if text.endswith("\n") or not text else "")
