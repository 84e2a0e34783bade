"""Keeps what telemetry wrote apart from what Telltale says.

Texts of telemetry stand below a key `untrusted`; names and ids, which are telemetry's too, are bounded. A command
that is offered to be run holds none of it but ids of plain characters, quoted for the shell.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from typing import Any, Final

from query.budget import UNTRUSTED, cut

MAX_NAME: Final = 120
_PLAIN: Final = re.compile(r"[\w.:@/+=,<>% -]{1,128}", re.ASCII)


def name(text: str) -> str:
    """A name that telemetry chose: one line, bounded."""
    return cut(" ".join(text.split()), MAX_NAME)


def command(task: str, *operands: str, **options: str) -> str | None:
    """A command line of `telltale`; None where a value is not plain enough to be run as it stands."""
    values = (*operands, *options.values())
    if not all(_PLAIN.fullmatch(value) and not value.startswith("-") for value in values):
        return None
    named = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]
    return shlex.join(("telltale", task, *operands, *named))


def runnable(commands: Iterable[str | None]) -> list[str]:
    """Those that there are, each once."""
    return list(dict.fromkeys(one for one in commands if one))


def whole(document: dict[str, Any]) -> dict[str, Any]:
    """A finding as `telltale.finding/v1` has it, with every field; below `untrusted` again what quotes telemetry."""
    return {**document, UNTRUSTED: {"why": document["why"]}}


def finding(document: dict[str, Any]) -> dict[str, Any]:
    """A finding in short whose sentence, which quotes telemetry, stands below `untrusted`."""
    shown = {key: value for key, value in document.items() if key not in ("why", "next")}
    return {**shown, UNTRUSTED: {"why": document["why"]}}
