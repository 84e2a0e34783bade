"""Telling OTLP/JSON from protobuf: a Collector's kafka exporter writes either (`otlp_json`, `otlp_proto`).

Decoders take protobuf. JSON becomes it first, whatever the topic's encoding is said to be, message by message.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import orjson

from pipeline.decode.contract import Decoded, Decoder
from pipeline.decode.otlp_json import request_from_json
from pipeline.decode.reference import dead_letter
from pipeline.message import DeadLetter, Message
from schemas.errors import DecodeError
from schemas.topics import Signal

_BRACE: Final = re.compile(rb"[ \t\r\n]*\{")


class Converted(NamedTuple):
    """Messages of which all hold protobuf."""

    messages: Sequence[Message]
    dead_letters: list[DeadLetter]
    """Those that are JSON, but not the request they should be; they are not among `messages`."""
    values: dict[int, bytes]
    """Offset -> what a message held before it was converted."""


def decode_either(decode: Decoder, signal: Signal, messages: Sequence[Message]) -> Decoded:
    """Decode messages of one partition, JSON ones too; dead letters keep the bytes that came, in order of offset."""
    if not any(map(is_json, messages)):
        return decode(signal, messages)
    converted = as_protobuf(signal, messages)
    decoded = decode(signal, converted.messages)
    refused = [one._replace(value=converted.values.get(one.offset, one.value)) for one in decoded.dead_letters]
    letters = sorted([*converted.dead_letters, *refused], key=lambda letter: letter.offset)
    return Decoded(decoded.tables, letters)


def as_protobuf(signal: Signal, messages: Sequence[Message]) -> Converted:
    """Convert the messages that hold JSON; the others stay as they are."""
    kept: list[Message] = []
    letters: list[DeadLetter] = []
    values: dict[int, bytes] = {}
    for message in messages:
        if not is_json(message):
            kept.append(message)
            continue
        try:
            ((_, value),) = request_from_json(signal, message.value)
        except DecodeError as error:
            letters.append(dead_letter(message, error))
        else:
            values[message.offset] = message.value
            kept.append(message._replace(value=value))
    return Converted(kept, letters, values)


def is_json(message: Message) -> bool:
    """Whether a message holds a JSON object. Protobuf never begins with a brace, nor with a blank but the newline."""
    value = message.value
    if value[:1] == b"\n":
        return value[1:2] in b" \t\r\n{" and _is_json_after_newline(value)
    return _BRACE.match(value) is not None


def _is_json_after_newline(value: bytes) -> bool:
    """Every request in protobuf begins with a newline (field 1), and its length may look like a brace or a blank.

    It is never JSON as a whole: field tags are control characters, which JSON has between its tokens only.
    """
    if _BRACE.match(value) is None:
        return False
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError:
        return False
    return True
