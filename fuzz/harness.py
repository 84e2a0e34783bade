"""One target under libFuzzer: `python -m fuzz.harness TARGET CORPUS... [-libfuzzer_flags]`; `fuzz.run` starts it.

Given a file in place of a corpus it runs that one input, which is how a crash is seen again.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from typing import Any, Final

import atheris
import orjson

with atheris.instrument_imports(include=["schemas", "detectors", "pipeline"]):
    from fuzz.targets import TARGETS

JSON_TARGETS: Final = ("json", "dialects", "pipeline")
PIECES: Final = (
    "", "null", "__REDACTED__", "-1", "1e400", "9" * 30, "NaN", "[" * 300, '{"a":' * 100, "'\\u0000'", "\ud800",
    "2026-13-99T99:99Z", "0001-01-01T00:00:00Z", "exit code 99999999999", "<REDACTED>", "True", "b'\\xff'", "[...]",
)  # fmt: skip
"""What producers send where something else is expected."""


def _leaves(value: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of every text and number in a document."""
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        pairs = inner.items() if isinstance(inner, dict) else enumerate(inner) if isinstance(inner, list) else ()
        for key, one in pairs:
            if isinstance(one, dict | list):
                waiting.append(one)
            elif isinstance(one, str | int | float):
                yield inner, key


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Change a text inside a JSON document, so that it stays one; now and then, or where it is none, any byte."""
    chance = random.Random(seed)
    try:
        leaves = list(_leaves(document := orjson.loads(data)))
    except orjson.JSONDecodeError:
        leaves = []
    if not leaves or chance.random() < 0.15:
        return bytes(atheris.Mutate(data, max_size))
    container, key = chance.choice(leaves)
    if chance.random() < 0.3:
        container[key] = chance.choice([*PIECES, *[c[k] for c, k in leaves[:50]]])
    else:
        text = str(container[key]).encode("utf-8", "surrogatepass")
        container[key] = atheris.Mutate(text, 2 * len(text) + 20).decode("utf-8", "replace")
    try:
        changed = orjson.dumps(document)
    except (TypeError, orjson.JSONEncodeError):
        return bytes(atheris.Mutate(data, max_size))
    return changed if len(changed) <= max_size else data


def main(arguments: list[str]) -> None:
    """Fuzz; never returns."""
    name = arguments[1]
    options: dict[str, Any] = {"custom_mutator": mutate} if name in JSON_TARGETS else {}
    atheris.Setup([arguments[0], *arguments[2:]], TARGETS[name], **options)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
