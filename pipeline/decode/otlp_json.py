"""OTLP/JSON to protobuf, by the descriptors of opentelemetry-proto.

It is protojson but for what OTLP changes and clients do: trace and span ids are hex, 64-bit numbers come as text or
as numbers, enums as numbers or names, `null` is a field that is not there, names may be snake_case, unknown fields
are ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from pipeline.decode.json_scalars import FieldError, reader, said
from pipeline.decode.reference import REQUESTS
from schemas.errors import DecodeError
from schemas.topics import Signal

MAX_DEPTH: Final = 90
"""Messages within messages; protobuf's own parsers take 100."""

SECTIONS: Final[dict[str, Signal]] = {
    "resourceSpans": "traces",
    "resource_spans": "traces",
    "resourceLogs": "logs",
    "resource_logs": "logs",
    "resourceMetrics": "metrics",
    "resource_metrics": "metrics",
}
# messages and their fields are made at run time by protobuf and carry no types
Setter = Callable[[Any, Any, int], None]


def request_from_json(signal: Signal | None, body: bytes) -> list[tuple[Signal, bytes]]:
    """The export requests in a JSON document, as protobuf.

    With a `signal` the document is that signal's export request; without one it is a line of the Collector's file
    exporter, which may hold several signals. Raises DecodeError with a reason fit for who sent it.
    """
    return [(found, request_message(found, part).SerializeToString()) for found, part in sections(signal, body)]


def sections(signal: Signal | None, body: bytes) -> list[tuple[Signal, dict[str, Any]]]:
    """The document taken apart by signal, each part still JSON; raises DecodeError."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise DecodeError(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise DecodeError("not a JSON object")
    found: dict[Signal, dict[str, Any]] = {}
    for name, value in document.items():
        of = SECTIONS.get(name)
        if of is None:
            continue
        if signal is not None and of != signal:
            raise DecodeError(f"holds {name}, which are no {signal}")
        found.setdefault(of, {})[name] = value
    if not found and signal is None:
        raise DecodeError("holds none of resourceSpans, resourceLogs and resourceMetrics")
    return list(found.items()) or [(signal or "traces", {})]


def request_message(signal: Signal, document: dict[str, Any]) -> Any:
    """The export request of a JSON object; raises DecodeError."""
    return message_from(REQUESTS[signal], document)


def message_from(kind: Any, document: Any) -> Any:
    """A message of class `kind` filled from JSON; raises DecodeError."""
    message = kind()
    _fill(message, document, 1)
    return message


def _fill(message: Any, document: Any, depth: int) -> None:
    if not isinstance(document, dict):
        raise FieldError(f"is {said(document)}, not an object")
    if depth > MAX_DEPTH:
        raise FieldError(f"nested deeper than {MAX_DEPTH} messages")
    setters = _setters(message.DESCRIPTOR)
    for name, value in document.items():
        setter = setters.get(name)
        if setter is None or value is None:
            continue
        try:
            setter(message, value, depth)
        except FieldError as error:
            raise error.within(name) from None


@lru_cache(maxsize=256)
def _setters(descriptor: Descriptor) -> dict[str, Setter]:
    """How each field of a message is set, by both of its names."""
    found: dict[str, Setter] = {}
    for field in descriptor.fields:
        found[field.name] = found[field.json_name] = _setter(field)
    return found


def _setter(field: FieldDescriptor) -> Setter:
    name = field.name
    if field.message_type is not None:
        return _messages(name) if field.is_repeated else _message(name)
    read = reader(field)

    def scalar(message: Any, value: Any, depth: int) -> None:
        del depth
        try:
            setattr(message, name, read(value))
        except ValueError:
            raise FieldError(f"{said(value)} is out of range") from None

    def scalars(message: Any, value: Any, depth: int) -> None:
        del depth
        try:
            getattr(message, name).extend([read(one) for one in _array(value)])
        except ValueError:
            raise FieldError("holds a number that is out of range") from None

    return scalars if field.is_repeated else scalar


def _message(name: str) -> Setter:
    def one(message: Any, value: Any, depth: int) -> None:
        held = getattr(message, name)
        held.SetInParent()  # {} is a message too
        _fill(held, value, depth + 1)

    return one


def _messages(name: str) -> Setter:
    def many(message: Any, value: Any, depth: int) -> None:
        held = getattr(message, name)
        for at, one in enumerate(_array(value)):
            try:
                _fill(held.add(), one, depth + 1)
            except FieldError as error:
                raise error.within(f"[{at}]") from None

    return many


def _array(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise FieldError(f"is {said(value)}, not an array")
    return value
