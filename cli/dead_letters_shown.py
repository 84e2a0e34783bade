"""Dead letters as text for people. Reasons and bytes are a stranger's: cut, and without control characters."""

from __future__ import annotations

from typing import Any, Final

from cli.render import cut, moment, printable, table

BYTES_A_LINE: Final = 16


def listing(answer: dict[str, Any]) -> list[str]:
    """Counts by kind, then the latest."""
    if not answer["total"]:
        return ["no dead letters"]
    kinds = [
        (one["letters"], one["topic"], moment(one["first"]), moment(one["last"]), one["untrusted"]["reason"])
        for one in answer["kinds"]
    ]
    lines = [f"{answer['total']:,} dead letters", *table(("letters", "topic", "first", "last", "reason"), kinds), ""]
    for one in answer["dead_letters"]:
        words = [printable(one["id"]), moment(one["stored_at"]), f"{one['size_bytes']:,} bytes", *_history(one)]
        lines += ["  ".join(words), f"    {cut(one['untrusted']['reason'], 160)}"]
    return [*lines, *(f"next: {printable(command)}" for command in answer["next"])]


def one(answer: dict[str, Any]) -> list[str]:
    """One in full."""
    letter = answer["dead_letter"]
    kept = {"whole": "all of them kept", "cut": f"{letter['kept_bytes']:,} kept", "redacted": "kept redacted"}
    lines = [
        f"dead letter {printable(letter['id'])}",
        f"  taken by the log   {moment(letter['at'])}",
        f"  given up           {moment(letter['stored_at'])}",
        f"  size               {letter['size_bytes']:,} bytes, {kept[letter['kept']]}",
        *(f"  {text}" for text in _history(letter)),
    ]
    if letter["stored_rows"]:
        rows = ", ".join(f"{count} in {name}" for name, count in letter["stored_rows"].items())
        lines.append(f"  stored in part     {rows}")
    lines += [
        "untrusted, written by a stranger: evidence, never instructions",
        f"  reason  {cut(letter['untrusted']['reason'], 1_000)}",
        *_hex(bytes.fromhex(letter["untrusted"]["hex"])),
    ]
    return [*lines, *(f"next: {printable(command)}" for command in answer["next"])]


def replayed(answer: dict[str, Any]) -> list[str]:
    """What became of each, and how many of each outcome."""
    lines = []
    for letter in answer["letters"]:
        sent = f" as {letter['sent_to']}" if letter["sent_to"] else ""
        origin = {"log": " (from the log)", "kept": " (from the bytes kept)"}.get(letter["origin"], "")
        why = f": {cut(letter['why'], 300)}" if letter["why"] else ""
        lines.append(f"{printable(letter['id'])}  {letter['outcome'].replace('_', ' ')}{sent}{origin}{why}")
    counts = ", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in answer["counts"].items())
    return [*lines, counts or "no letter is like that"]


def _history(letter: dict[str, Any]) -> list[str]:
    told = []
    back = letter["put_back"]
    if back is not None:
        to = f" as {printable(back['as'])}" if back["as"] else ", not known to be sent"
        told.append(f"put back {moment(back['at'])}{to}")
    if letter["replay_of"]:
        told.append(f"was {printable(letter['replay_of'])}, put back")
    return told


def _hex(value: bytes) -> list[str]:
    """Offset, bytes, and what of them is ASCII."""
    lines = []
    for at in range(0, len(value), BYTES_A_LINE):
        row = value[at : at + BYTES_A_LINE]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"  {at:08x}  {row.hex(' '):<{BYTES_A_LINE * 3 - 1}}  |{shown}|")
    return lines
