"""Text of attribute values as the Collector stores it (pdata's `Value.AsString`).

Strings as they are, numbers in Go's shortest form, bytes as base64, arrays and maps as JSON with sorted keys;
a map or array that holds a number JSON cannot write (NaN, infinities) is empty text.
"""

from __future__ import annotations

import math
from base64 import b64encode
from json.encoder import encode_basestring
from typing import Any, Final

# AnyValue of opentelemetry-proto carries no types of its own
AnyValue = Any
Raw = None | bool | int | float | str | list["Raw"] | dict[str, "Raw"]

SMALLEST_PLAIN: Final = 1e-6
SMALLEST_EXPONENT: Final = 1e21


class _NotJsonError(ValueError):
    """A number that JSON cannot write."""


def text(value: AnyValue) -> str:
    """The text of one AnyValue."""
    number = value.int_value
    if number:  # asking which kind a value is costs more than reading it, and most that are no text are numbers
        return str(number)
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return str(value.string_value)
    if kind == "int_value":
        return "0"
    return raw_text(raw(value)) if kind else ""


def raw(value: AnyValue) -> Raw:
    """An AnyValue as plain Python; bytes become base64. The parser bounds the depth (100 messages)."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    held = getattr(value, kind)
    if kind == "array_value":
        return [raw(one) for one in held.values]
    if kind == "kvlist_value":
        return {one.key: raw(one.value) for one in held.values}
    if kind == "bytes_value":
        # empty bytes inside an array or map are Go's nil slice, which its JSON writes as null
        return b64encode(held).decode() if held else None
    plain: Raw = held if kind in _PLAIN else None
    return plain


_PLAIN: Final = frozenset(("string_value", "bool_value", "int_value", "double_value"))


def raw_text(value: Raw) -> str:
    """The text of a plain value."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, float):
        return double_text(value)
    try:
        return _json(value)
    except _NotJsonError:
        return ""


def double_text(value: float) -> str:
    """A double as Go and ECMAScript write it: 1 for 1.0, 1e+21, 1e-7."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    shortest = repr(value)
    if value == 0 or SMALLEST_PLAIN <= abs(value) < SMALLEST_EXPONENT:
        return _plain(shortest).removesuffix(".0")
    mantissa, _, exponent = shortest.partition("e")  # Python goes over to exponents before Go does, on both sides
    power = int(exponent)
    return f"{mantissa.removesuffix('.0')}e{'+' if power >= 0 else '-'}{abs(power)}"


def _plain(shortest: str) -> str:
    """`repr` of a double without exponent: Python writes one from 1e16 on and below 1e-4."""
    if "e" not in shortest:
        return shortest
    mantissa, _, exponent = shortest.partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    power = int(exponent)
    digits = whole + fraction
    if power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{digits}"
    return sign + digits.ljust(power + 1, "0")


def _json(value: Raw) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list):
        return f"[{','.join(map(_json, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quoted(key)}:{_json(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _NotJsonError
        return double_text(value)
    return _WORDS[value] if value is None or isinstance(value, bool) else str(value)


_WORDS: Final = {None: "null", True: "true", False: "false"}


def _quoted(value: str) -> str:
    # Go escapes the line separators that JavaScript trips over, and leaves <, > and & alone here
    return encode_basestring(value).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
