"""Signatures: what is known of a call's arguments or result, as a hash with a strength.

| strength | hash over | when |
|---|---|---|
| full | canonical text | the whole text was sent |
| truncated | canonical text and size | the text was cut by its producer |
| size | nothing: it is the size itself | only a size was sent |
| name | nothing ("") | nothing was sent, or a placeholder: missing is never equal |

The result of a failed call is signed over its error text where that is sent, else over its output, else over its
size; with none of them it has strength `name` and a hash over `error.type`, so that two failures of one kind look
alike at the weakest strength, and two successes of which nothing is known have no signature at all.

Canonical text: JSON objects and arrays are parsed, keys sorted, white space out, 1.0 = 1; other text is itself,
stripped at both ends. Signatures are taken before redaction.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple

import orjson
from xxhash import xxh3_128_hexdigest

from schemas.facts import Strength, size_signature

HEX: Final = re.compile(r"[0-9a-f]{32}")
MAX_JSON_CHARS: Final = 1_000_000
"""Longer text is signed as text, not as JSON."""
MAX_DEPTH: Final = 200
CUT_VALUE_CHARS: Final = 513
CUT_TOTAL_CHARS: Final = 4_000
CUT_ATTRIBUTE_CHARS: Final = 128
PLACEHOLDERS: Final = frozenset(
    {
        "__REDACTED__", "<elided>", "<REDACTED>", "[REDACTED]", "REDACTED", "[redacted]", "[Filtered]", "***", "null",
        "None", "[image]", "[Image]", "[IMAGE]", "<image>", "[image data]", "[image omitted]", "[screenshot]",
    }
)  # fmt: skip
"""Texts that producers send instead of hidden content."""

_GEMINI_CUT: Final = re.compile(r"\.\.\.\[TRUNCATED: original length (\d{1,12})\]\s*\"?[\]}]?\s*\Z")


class Signature(NamedTuple):
    """A hash in hex and how much it knows."""

    value: str
    strength: Strength


NOTHING: Final = Signature("", "name")


def told(text: str, otherwise: Signature) -> Signature:
    """A signature that its producer took itself, over the whole content; what is none counts as not told."""
    return Signature(text, "full") if HEX.fullmatch(text) else otherwise


def canonical(text: str) -> bytes:
    """The text's canonical form, UTF-8. Never raises."""
    stripped = text.strip()
    if stripped[:1] in ("{", "[") and len(stripped) <= MAX_JSON_CHARS:
        try:
            dumped = orjson.dumps(orjson.loads(stripped), option=orjson.OPT_SORT_KEYS)
            if b"e+" in dumped:  # perhaps a number that a double cannot tell from its neighbours
                return _exact(stripped)
            if b".0" in dumped:
                dumped = orjson.dumps(_whole(orjson.loads(dumped), 0), option=orjson.OPT_SORT_KEYS)
        except (ValueError, TypeError, RecursionError):  # not JSON, or deeper than the parsers go: it is text
            return stripped.encode("utf-8", "replace")
        return dumped
    return stripped.encode("utf-8", "replace")


def _exact(text: str) -> bytes:
    """As `canonical`, for numbers that a double cannot tell apart."""
    value = _whole(json.loads(text), 0)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def _whole(value: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ValueError("too deep")
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, dict):
        return {key: _whole(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list):
        return [_whole(one, depth + 1) for one in value]
    return value


def is_cut(text: str) -> bool:
    """Whether this text was cut: by the marks that Claude Code and Gemini CLI leave, or an object that does not end."""
    if "…" in text and _has_cut_value(text):
        return True
    if text[:1] == "{" and len(text) >= CUT_ATTRIBUTE_CHARS and text.rstrip()[-1] not in "}\"])'`":
        return True  # an SDK's or a Collector's limit of attribute lengths
    return "...[TRUNCATED" in text[-80:] and _GEMINI_CUT.search(text[-120:]) is not None


def _has_cut_value(text: str) -> bool:
    try:
        values = [orjson.loads(text)]
    except ValueError:
        return text.endswith("…") and len(text) >= CUT_VALUE_CHARS
    long = len(text) >= CUT_TOTAL_CHARS
    while values:
        value = values.pop()
        if isinstance(value, dict):
            values += value.values()
        elif isinstance(value, list):
            values += value
        elif isinstance(value, str) and value.endswith("…") and (long or len(value) >= CUT_VALUE_CHARS):
            return True
    return False


def _hash(text: str) -> str:
    return xxh3_128_hexdigest(text.encode("utf-8", "replace"))


def of_content(text: str | None, size: int) -> Signature:
    """Sign arguments or a result: `text` None = not sent, `size` in bytes or characters (-1 = not sent)."""
    if text is None:
        if size < 0:
            return NOTHING
        return Signature(size_signature(size), "size")
    known = canonical(text)
    if is_cut(text):
        return Signature(xxh3_128_hexdigest(known + b"\0%d" % size), "truncated")
    return Signature(xxh3_128_hexdigest(known), "full")


def of_error(text: str | None, size: int, error_type: str) -> Signature:
    """Sign the result of a failed call; see the module's text."""
    signed = of_content(text, size)
    if signed.strength != "name" or not error_type:
        return signed
    return Signature(_hash(f"error\0{error_type}"), "name")
