"""How much a result says: what is left of it beside the words that shells and harnesses put around an output."""

from __future__ import annotations

import re
from typing import Final

from xxhash import xxh3_128_hexdigest

NOTHING_TOLD: Final = xxh3_128_hexdigest(b"")
"""The signature of a result that is known and empty."""
MIN_ERROR: Final = 3
MAX_ENVELOPE: Final = 600
"""A longer result says something."""

_CODE: Final = r"(?:code|status)\s*[:=]?\s*-?\d{1,5}\.?"
_AROUND: Final = re.compile(
    rf"""
      (?:(?:process|command|script)\s+)?(?:exited|failed|finished|completed)\s+with\s+(?:exit\s+)?{_CODE}
    | (?:exit|return)[\s_]?{_CODE}
    | </?(?:returncode|exit_?code|exit_?status|output|stdout|stderr|error|result|system)>
    | \[(?:python\ interpreter|current\ working\ directory|(?:the\ )?command)\b[^\]\n]{{0,200}}\]
    | ^\s*(?:command|directory|signal|wall\ time|original\ token\ count)\s*:.{{0,200}}$
    | ^\s*(?:output|error|stdout|stderr)\s*:\s*(?:\((?:empty|none)\))?
    | "(?:output|stdout|stderr|error|exit_?code|exit_?status|return_?code|signal|duration(?:_?m?s|_seconds)?|metadata
        |interrupted|timed_?out|is_?error|is_?image|content|type|text)"\s*:\s*(?:"text"|-?\d[\d.]*|true|false|null)?
    """,
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)
_ERROR_FIRST: Final = frozenset("{[eEfFtTpPaAuUhH45 \n")
_ERROR: Final = re.compile(
    r"\s*(?:\{\s*\"error\"|\[?(?:error|exception|traceback|fatal|forbidden|unauthori[sz]ed)\b"
    r"|(?:permission|access) denied|(?:http\s*)?[45]\d\d\b)",
    re.IGNORECASE,
)
_SAYS_NOTHING: Final = frozenset({"error", "failed", "failure", "fail", "err", "none", "null", "false"})


def is_error(result: str) -> bool:
    """Whether a result begins as an error does, whatever the call's outcome."""
    return result[:1] in _ERROR_FIRST and _ERROR.match(result) is not None


def is_silent(result: str, characters: int, failed: bool) -> bool:
    """Whether a result says too little to be compared where the arguments differ.

    Of a success at least so many `characters` are needed; a short error (`403`, `timeout`) is one if it says which.
    """
    if failed:
        left = _without_envelope(result)
        return len(left) < MIN_ERROR or left.strip(" .:!\n").lower() in _SAYS_NOTHING
    return substance(result) < characters


def substance(result: str) -> int:
    """How many characters a result holds beside what is put around the output of every command."""
    return len(_without_envelope(result))


def _without_envelope(result: str) -> str:
    said = result.strip()
    if len(said) > MAX_ENVELOPE or not _may_be_around(said):
        return said
    left, found = _AROUND.subn(" ", said)
    return "".join(filter(str.isalnum, left)) if found else said


def _may_be_around(said: str) -> bool:
    """Whether one of the words is there that stand in every envelope: most results have none, and need no search."""
    return (
        "xit" in said or "eturn" in said or "output" in said or "Output" in said or "content" in said or "tdout" in said
        or "XIT" in said or "TDOUT" in said or "ith code" in said or "<result" in said or "<error" in said
    )  # fmt: skip
