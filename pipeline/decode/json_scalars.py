"""Numbers, texts, ids and enums of OTLP/JSON, as clients send them; what is wrong is said with the path to it."""

from __future__ import annotations

import binascii
import math
import re
from base64 import b64decode
from collections.abc import Callable
from typing import Any, Final

import orjson
from google.protobuf.descriptor import FieldDescriptor

from schemas.errors import DecodeError

ID_DIGITS: Final = {"trace_id": 32, "span_id": 16, "parent_span_id": 16}

_INTEGER: Final = re.compile(r"-?[0-9]{1,20}")
_NOT_FINITE: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class FieldError(DecodeError):
    """A field is wrong; the path to it grows while the error travels up."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.reason = reason
        self.path = path

    def within(self, name: str) -> FieldError:
        """The same, seen from the message around it."""
        joint = "" if not self.path or self.path.startswith("[") else "."
        return FieldError(self.reason, f"{name}{joint}{self.path}")


def reader(field: FieldDescriptor) -> Callable[[Any], Any]:
    """How a value of this field is read from JSON; the reader raises FieldError."""
    if field.name in ID_DIGITS:
        return _id_reader(ID_DIGITS[field.name])
    if field.enum_type is not None:
        return _enum_reader({one.name: one.number for one in field.enum_type.values})
    return {
        FieldDescriptor.CPPTYPE_STRING: _bytes if field.type == FieldDescriptor.TYPE_BYTES else _text,
        FieldDescriptor.CPPTYPE_BOOL: _bool,
        FieldDescriptor.CPPTYPE_DOUBLE: _double,
    }.get(field.cpp_type, _integer)


def _id_reader(digits: int) -> Callable[[Any], bytes]:
    def read(value: Any) -> bytes:
        if isinstance(value, str) and len(value) in (0, digits):
            try:
                found = bytes.fromhex(value)
            except ValueError:
                found = b""
            if len(found) * 2 == len(value):
                return found
        raise FieldError(f"is {said(value)}, not {digits} hex digits")

    return read


def _enum_reader(numbers: dict[str, int]) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, str) and not _INTEGER.fullmatch(value):
            if value in numbers:
                return numbers[value]
            raise FieldError(f"is {said(value)}, not one of {', '.join(numbers)}")
        return _integer(value)

    return read


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise FieldError(f"is {said(value)}, not text")
    return value


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        standard = value.replace("-", "+").replace("_", "/").rstrip("=")
        try:
            return b64decode(standard + "=" * (-len(standard) % 4), validate=True)
        except binascii.Error:
            pass
    raise FieldError(f"is {said(value)}, not base64")


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise FieldError(f"is {said(value)}, neither true nor false")
    return value


def _integer(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    raise FieldError(f"is {said(value)}, not an integer")


def _double(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        try:
            return _NOT_FINITE[value] if value in _NOT_FINITE else float(orjson.loads(value))
        except (ValueError, TypeError):
            pass
    raise FieldError(f"is {said(value)}, not a number")


def said(value: Any) -> str:
    """What was found instead, short enough for a message."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
