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
_PREAMBLE: Final = re.compile(
    r"\s*(?:[^\n:]{0,80}\b(?:results?|returned|returns|output|response|executing|observation)\b[^\n:]{0,80}:\s*){1,2}(?=\S)",
    re.IGNORECASE,
)
"""What a harness says before a tool's own words: `The result of the command is:`, `tool returned:`."""
MIN_PART: Final = 5
"""Characters of a name's last part (`shop.orders`) by which it may be asked for; an extension (`.java`) is shorter."""
MAX_COMPLAINT: Final = 1_200
_SHELL: Final = re.compile(
    r"(?:[\w.~-]*/)*-?(?:ba|da|k|z|fi)?sh(?:\.exe)?:(?:\d+:)?\s\S.*|\(eval\):\d*:?\s\S.*"
    r"|.{0,80}is not recognized as .{0,200}|operable program or batch file\.?",
    re.IGNORECASE,
)
_BESIDE: Final = re.compile(
    r"[\[(<].*[\])>]|(?:exit|return)\s?code\b.*|\S{0,40}[$#]|(?:chunk id|wall time|original token count)\b.*"
    r"|process exited with code \d+|(?:output|stdout|stderr|error):",
    re.IGNORECASE,
)
"""A line beside the words of a shell: brackets, an exit code, a prompt, what Codex puts before an output."""
_COUNTER: Final = re.compile(r"(?<=sh:)(?:\s-c:)?(?:\sline)?\s?\d+:|(?<=\(eval\):)\d+:")
_NAME: Final = re.compile(r"['\"`]([^'\"`\n]{3,120})['\"`]|([\w-]{0,60}[./_][\w./-]{2,120})")
"""A name in quotes, or one that looks like a file's or an identifier."""
_LINE: Final = re.compile(r'\\[nrt]|"')
"""What parts the lines of texts in JSON."""
MAX_LINES: Final = 60
MIN_LINE: Final = 12
_SAYS_NOTHING: Final = frozenset({"error", "failed", "failure", "fail", "err", "none", "null", "false"})


def is_error(result: str) -> bool:
    """Whether a result begins as an error does, whatever the call's outcome."""
    return result[:1] in _ERROR_FIRST and _ERROR.match(result) is not None


def is_error_of_a_tool(result: str) -> bool:
    """The same, behind what a harness may say before it."""
    if is_error(result):
        return True
    before = _PREAMBLE.match(result, 0, MAX_ENVELOPE) if ":" in result[:MAX_ENVELOPE] else None
    return before is not None and is_error(result[before.end() : MAX_ENVELOPE])


def complaint_of(result: str) -> str:
    """The shell's own complaint where nothing else came back of a command line; "" where something did.

    Without the number of the line, which a shell that stays open counts up.
    """
    if len(result) > MAX_COMPLAINT or not ("sh:" in result or "(eval):" in result or "is not recognized" in result):
        return ""
    lines = [line.strip() for line in result.splitlines()]
    said = [line for line in lines if line and not _BESIDE.fullmatch(line)]
    return _COUNTER.sub("", "\n".join(said)) if said and all(map(_SHELL.fullmatch, said)) else ""


def is_named(missing: str, arguments: str) -> bool:
    """Whether an answer that something is not there names it, and the call asks for it by that name; in lower case.

    Then equal answers are about one thing, and not the common answer to many questions.
    """
    names = [quoted or plain.strip(".") for quoted, plain in _NAME.findall(missing)]
    names += [part for name in names if len(part := name.rsplit(".", 1)[-1]) >= MIN_PART]
    return any(len(name) >= MIN_ERROR and _holds(arguments, name) for name in names)


def _holds(arguments: str, name: str) -> bool:
    """Whether a name stands there as a whole: a folder in a longer path is another one."""
    at = arguments.find(name)
    while at >= 0:
        before, after = arguments[at - 1 : at], arguments[at + len(name) : at + len(name) + 1]
        if not any(c.isalnum() or c in "_/-" for c in before + after):
            return True
        at = arguments.find(name, at + 1)
    return False


def shows(result: str, arguments: str) -> bool:
    """Whether an answer shows a line of the text that the arguments hold, as editors do."""
    if len(result) < MIN_LINE:
        return False
    lines = (line.strip(" \\") for line in _LINE.split(arguments, MAX_LINES)[:MAX_LINES])
    return any(len(line) >= MIN_LINE and " " in line and line in result for line in lines)


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
