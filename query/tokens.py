"""How many tokens a text costs its reader, estimated from above.

Tokenizers differ and change, so this is a bound for text of any kind, not a count: it held for four public byte-pair
vocabularies on prose, code, JSON, base64, random letters, digits, punctuation, Chinese, Ethiopic and emoji. What an
attacker can write costs at most this much; ordinary JSON costs a little more than half of it.
"""

from __future__ import annotations

import re
from typing import Final

_RUNS: Final = re.compile(r"[a-z]+|[A-Z]+|[0-9]+|[ \t\r\n]+|[!-/:-@\[-`{-~]+|[^\x09\x0a\x0d -~]+")


def estimated_tokens(text: str) -> int:
    """An upper bound of the tokens of `text`."""
    return 1 + sum(map(_cost, _RUNS.findall(text)))


def _cost(run: str) -> int:
    """Of characters of one class: letters, digits, blanks, punctuation, or anything else (a token a byte)."""
    first, length = run[0], len(run)
    if "a" <= first <= "z":
        return (4 * length + 6) // 7
    if "A" <= first <= "Z":
        return (2 * length + 2) // 3
    if "0" <= first <= "9":
        return 1 + length // 2
    if first in " \t\r\n":
        return length - (first == " ")  # one blank belongs to the word after it
    if "!" <= first <= "~":
        return 1 + (length - 1) * 5 // 6
    return len(run.encode("utf-8", "surrogatepass"))
