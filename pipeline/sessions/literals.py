"""A bounded reader of Python literals, for the producers that print objects instead of sending JSON.

Reads dicts, lists, tuples, sets, strings, bytes, numbers, True, False, None. Unlike `ast.literal_eval` it compiles
nothing, warns of nothing and its depth and size are bounded, so it is safe on text that anyone may have written.
Sets become sorted lists, tuples lists, bytes text, so that the outcome fits JSON.
"""

from __future__ import annotations

import re
from typing import Any, Final

MAX_CHARS: Final = 262_144
MAX_DEPTH: Final = 64

_STRING: Final = re.compile(
    r"([rRbBuU]{0,2})(?:'((?:[^'\\]++|\\.)*+)'|\"((?:[^\"\\]++|\\.)*+)\")", re.DOTALL
)  # possessive: a string without an end costs one pass
_NUMBER: Final = re.compile(r"[+-]?(?:\d{1,400}(?:\.\d{0,400})?|\.\d{1,400})(?:[eE][+-]?\d{1,4})?")
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_WORDS: Final = {"True": True, "False": False, "None": None}
_WORD: Final = re.compile(r"True|False|None")
_ESCAPE: Final = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|.)", re.DOTALL)
_SIMPLE: Final = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\n": ""}
_CLOSING: Final = {"[": "]", "(": ")", "{": "}"}


def parse(text: str) -> Any:
    """The object that `text` prints. Raises ValueError where it is no literal, too long or too deep."""
    if len(text) > MAX_CHARS:
        raise ValueError("too long")
    value, at = _value(text, _skip(text, 0), 0)
    if _skip(text, at) != len(text):
        raise ValueError(f"text after the literal at {at}")
    return value


def string_at(text: str, at: int) -> str:
    """The string literal that begins at `at`. Raises ValueError where there is none."""
    value, _ = _string(text, at)
    return value


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _value(text: str, at: int, depth: int) -> tuple[Any, int]:
    if depth > MAX_DEPTH:
        raise ValueError("too deep")
    first = text[at : at + 1]
    if first in _CLOSING:
        return _collection(text, at, depth)
    word = _WORD.match(text, at)
    if word:
        return _WORDS[word.group()], word.end()
    number = _NUMBER.match(text, at)
    if number:
        return _number(number.group()), number.end()
    return _string(text, at)


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _string(text: str, at: int) -> tuple[str, int]:
    match = _STRING.match(text, at)
    if match is None:
        raise ValueError(f"no literal at {at}")
    prefix, single, double = match.groups()
    body: str = single if single is not None else double
    if "\\" in body and "r" not in prefix.lower():
        body = _ESCAPE.sub(_unescape, body)
    return body, match.end()


def _unescape(match: re.Match[str]) -> str:
    escape = match.group(1)
    if escape[0] in "xuU" and len(escape) > 1:
        code = int(escape[1:], 16)
    elif escape[0] in "01234567":
        code = int(escape, 8)
    else:
        return _SIMPLE.get(escape, escape if escape in "\\'\"" else "\\" + escape)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    return chr(code)


def _collection(text: str, at: int, depth: int) -> tuple[Any, int]:
    opening = text[at]
    closing = _CLOSING[opening]
    items: list[Any] = []
    pairs: dict[str, Any] = {}
    at = _skip(text, at + 1)
    while text[at : at + 1] != closing:
        value, at = _value(text, at, depth + 1)
        at = _skip(text, at)
        if opening == "{" and text[at : at + 1] == ":":
            pairs[value if isinstance(value, str) else repr(value)], at = _value(text, _skip(text, at + 1), depth + 1)
            at = _skip(text, at)
        else:
            items.append(value)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        elif text[at : at + 1] != closing:
            raise ValueError(f"no closing bracket at {at}")
    if opening == "{" and (pairs or not items):
        if items:
            raise ValueError("neither a dict nor a set")
        return pairs, at + 1
    if opening == "{":
        items.sort(key=repr)
    return items, at + 1
