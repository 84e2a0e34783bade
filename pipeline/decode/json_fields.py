"""Fields of OTLP/JSON objects in their usual form, read for many objects at once; anything else is `Unusual`."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from typing import Any, Final

from pipeline.decode.batch import check_ids, flat
from pipeline.decode.scopes import AttributeColumn
from pipeline.decode.values import Raw, raw_text

MAX_NESTING: Final = 10
MAX_UINT32: Final = 2**32 - 1
MAX_UINT64: Final = 2**64 - 1
MAX_INT64: Final = 2**63 - 1

Document = dict[str, Any]

EMPTY: Final[Document] = {}
NONE: Final[list[Any]] = []
_ONLY_TEXT: Final = frozenset((str,))
_NAME_OR_NUMBER: Final = frozenset((str, int))


class Unusual(Exception):  # noqa: N818 - not an error: the document takes the other way
    """The document is not in the usual form."""


UNUSUAL: Final = (Unusual, KeyError, TypeError, ValueError, AttributeError, OverflowError)
"""What reading a document that is not in the usual form may raise."""


def array(value: Any) -> list[Any]:
    """An array; `null` and everything else is unusual."""
    if type(value) is not list:
        raise Unusual
    return value


def known(documents: list[Any], keys: frozenset[str]) -> list[Document]:
    """Refuse objects that have other fields: they may be fields in another spelling."""
    if not all(map(keys.issuperset, documents)):
        raise Unusual
    return documents


def strings(values: list[Any]) -> list[str]:
    """The same values, all of them text."""
    if not _ONLY_TEXT.issuperset(map(type, values)):
        raise Unusual
    return values


def texts(documents: Sequence[Document], key: str) -> list[str]:
    """A text field of each object, "" where it is left out."""
    return strings([document.get(key, "") for document in documents])


def ids(field: str, documents: Sequence[Document], key: str) -> list[bytes]:
    """A hex id of each object, empty where it is left out."""
    texts = [document.get(key, "") for document in documents]
    if not any(texts):
        return _no_ids(texts)
    found = [bytes.fromhex(text) for text in texts]
    check_ids(field, found)
    if sum(map(len, found)) * 2 != sum(map(len, texts)):
        raise Unusual  # fromhex reads over white space
    return found


def _no_ids(texts: list[Any]) -> list[bytes]:
    """As many empty ids; what is empty and no text is unusual."""
    return [b""] * len(strings(texts))


def times(documents: Sequence[Document], key: str, most: int = MAX_UINT64) -> list[int]:
    """Unsigned numbers, as text (the file exporter's form) or as numbers."""
    return _unsigned([document.get(key, 0) for document in documents], most)


def unread(documents: Sequence[Document], *keys: str) -> None:
    """Check numbers of 32 bits that are not stored: a document with a wrong one is refused all the same."""
    for key in keys:
        found = [document[key] for document in documents if key in document]
        if found:
            _unsigned(found, MAX_UINT32)


def enums(numbers: dict[Any, int], documents: Sequence[Document], key: str) -> list[int]:
    """An enum of each object, by name or number, 0 where it is left out."""
    values = [document.get(key, 0) for document in documents]
    if not _NAME_OR_NUMBER.issuperset(map(type, values)):
        raise Unusual  # false and 0.0 would be found under 0
    return [numbers[value] for value in values]


def _unsigned(values: list[Any], most: int) -> list[int]:
    kinds = set(map(type, values))
    if kinds == {str}:
        joined = "".join(values)
        if not (joined.isascii() and joined.isdigit()):
            raise Unusual
        values = list(map(int, values))
    elif kinds <= {int, str}:
        values = [_digits(value) if type(value) is str else value for value in values]
    else:
        raise Unusual
    if values and not (min(values) >= 0 and max(values) <= most):
        raise Unusual
    return values


def _digits(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise Unusual
    return int(text)


def attributes(column: AttributeColumn, documents: Sequence[Document]) -> None:
    """Append the attributes of each object to a column."""
    rows = [array(document.get("attributes", NONE)) for document in documents]
    column.counts += map(len, rows)
    attributes = flat(rows)
    column.keys += strings([attribute["key"] for attribute in attributes])
    values = [attribute["value"] for attribute in attributes]
    column.values += strings(
        [value["stringValue"] if "stringValue" in value and len(value) == 1 else value_text(value) for value in values]
    )


def value_text(value: Document) -> str:
    """Text of an AnyValue; what is no text where text should be is found by the caller."""
    if len(value) == 1:
        if "stringValue" in value:
            text: str = value["stringValue"]
            return text
        if "intValue" in value:
            return str(_signed(value["intValue"], 0))
    return raw_text(_raw(value, 0))


def _raw(value: Document, depth: int) -> Raw:
    """An AnyValue as plain Python, as `pipeline.decode.values.raw` gives it."""
    if not value:
        return None
    if len(value) > 1 or depth > MAX_NESTING:
        raise Unusual
    [(kind, held)] = value.items()
    return _READERS[kind](held, depth)


def _text(held: Any, depth: int) -> str:
    del depth
    return strings([held])[0]


def _bool(held: Any, depth: int) -> bool:
    del depth
    if type(held) is not bool:
        raise Unusual
    return held


def _double(held: Any, depth: int) -> float:
    del depth
    if type(held) not in (float, int):
        raise Unusual
    return float(held)


def _bytes(held: Any, depth: int) -> str | None:
    text = b64encode(b64decode(held, validate=True)).decode()
    return text or (None if depth else "")


def _array(held: Any, depth: int) -> Raw:
    return [_raw(one, depth + 1) for one in _values(held)]


def _map(held: Any, depth: int) -> Raw:
    return {strings([one["key"]])[0]: _raw(one["value"], depth + 1) for one in _values(held)}


def _values(held: Document) -> list[Any]:
    if not held.keys() <= {"values"}:
        raise Unusual
    return array(held.get("values", NONE))


def _signed(held: Any, depth: int) -> int:
    del depth
    if type(held) is str:
        number = -_digits(held[1:]) if held[:1] == "-" else _digits(held)
    elif type(held) is int:
        number = held
    else:
        raise Unusual
    if not -MAX_INT64 - 1 <= number <= MAX_INT64:
        raise Unusual
    return number


_READERS: Final[dict[str, Callable[[Any, int], Raw]]] = {
    "stringValue": _text,
    "boolValue": _bool,
    "intValue": _signed,
    "doubleValue": _double,
    "bytesValue": _bytes,
    "arrayValue": _array,
    "kvlistValue": _map,
}
