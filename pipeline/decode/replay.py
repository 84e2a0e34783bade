"""Lines of OTLP/JSON, any signals mixed, to rows: what replay reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from pipeline.decode.contract import Decoded
from pipeline.decode.json_columns import read_logs, read_spans
from pipeline.decode.json_fields import UNUSUAL
from pipeline.decode.otlp_json import request_message, sections
from pipeline.decode.reference import Reader, dead_letter
from pipeline.message import Message
from schemas.errors import DecodeError
from schemas.topics import Signal

STRAIGHT: Final[dict[Signal, Callable[[Any, dict[str, Any]], int]]] = {"traces": read_spans, "logs": read_logs}


def decode_json(messages: Sequence[Message]) -> Decoded:
    """Decode messages that each hold one line of OTLP/JSON; the tables of all signals stand side by side.

    A line that is refused gives a dead letter. Where it holds several signals, those that are right are kept.
    """
    readers: dict[Signal, Reader] = {}
    dead_letters = []
    for message in messages:
        try:
            for signal, document in sections(None, message.value):
                if signal not in readers:
                    readers[signal] = Reader(signal)
                _add(readers[signal], message, signal, document)
        except DecodeError as error:
            dead_letters.append(dead_letter(message, error))
    tables = {name: rows for reader in readers.values() for name, rows in reader.tables().items()}
    return Decoded(tables, dead_letters)


def _add(reader: Reader, message: Message, signal: Signal, document: dict[str, Any]) -> None:
    straight = STRAIGHT.get(signal)
    if straight is not None:
        try:
            reader.add(message, lambda columns: straight(columns, document), (DecodeError, *UNUSUAL))
        except (DecodeError, *UNUSUAL):
            pass  # the other way says what is wrong, if anything
        else:
            return
    reader.add_request(message, request_message(signal, document))
