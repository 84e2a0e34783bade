"""Why a protobuf message cannot be parsed, said so that its sender can repair it.

The parser of the protobuf library only says that it failed. This walk runs only then. Wire format:
https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from typing import Any, Final

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
STRING, MESSAGE = 9, 11  # FieldDescriptor.type
MAX_DEPTH: Final = 100
"""Nested messages that the protobuf library reads."""


class _UnreadableError(Exception):
    """The first thing wrong; its text is the reason."""


def why_unreadable(descriptor: Any, body: bytes) -> str:
    """The first reason why `body` is not a message of `descriptor`; "" where this walk finds none."""
    try:
        _walk(descriptor, memoryview(body), 0, descriptor.name, 1)
    except _UnreadableError as found:
        return str(found)
    return ""


def _walk(descriptor: Any, message: memoryview, offset: int, path: str, depth: int) -> None:
    """Read the fields of one message, which begins at byte `offset` of the whole."""
    if depth > MAX_DEPTH:
        raise _UnreadableError(f"nested deeper than {MAX_DEPTH} messages at byte {offset}")
    at = 0
    while at < len(message):
        tag_at = at
        tag, at = _varint(message, at, offset, path)
        number, wire = tag >> 3, tag & 7
        field = descriptor.fields_by_number.get(number)
        name = f"{path}.{field.name}" if field is not None else path
        if number == 0 or wire not in (VARINT, FIXED64, LENGTH, FIXED32):
            raise _UnreadableError(f"no field starts like byte {offset + tag_at}, in {path}")
        if wire == VARINT:
            _, at = _varint(message, at, offset, name)
            continue
        if wire == LENGTH:
            size, at = _varint(message, at, offset, name)
        else:
            size = 8 if wire == FIXED64 else 4
        left = len(message) - at
        if size > left:
            raise _UnreadableError(f"{name} at byte {offset + tag_at} says {size} bytes, {left} are left: cut off?")
        value, at = message[at : at + size], at + size
        if wire == LENGTH and field is not None and field.type == MESSAGE:
            _walk(field.message_type, value, offset + at - size, name, depth + 1)
        elif wire == LENGTH and field is not None and field.type == STRING:
            _text(value, offset + at - size, name)


def _text(value: memoryview, offset: int, name: str) -> None:
    try:
        str(value, "utf-8")
    except UnicodeDecodeError as error:
        raise _UnreadableError(f"{name} is not UTF-8 at byte {offset + error.start}") from error


def _varint(message: memoryview, at: int, offset: int, path: str) -> tuple[int, int]:
    value = shift = 0
    for position in range(at, min(len(message), at + 10)):
        value |= (message[position] & 0x7F) << shift
        if message[position] < 0x80:
            return value, position + 1
        shift += 7
    how = "cut off" if len(message) < at + 10 else "too long"
    raise _UnreadableError(f"a number at byte {offset + at}, in {path}, is {how}")
