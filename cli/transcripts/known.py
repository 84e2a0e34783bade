"""What of a session the running Telltale has already: what was imported before, or came live, is not sent again."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cli.client import post
from cli.exits import FAILED, CliError
from cli.transcripts.records import Record

PAGE: Final = 10_000
MAX_TOKENS: Final = 1_000_000
NEAR_NS: Final = 2_000_000_000
"""A prompt this close to a stored one of its session is that one: its telemetry names it otherwise."""
_PLAIN: Final = re.compile(r"[\w.:-]{1,200}", re.ASCII)
_TABLES: Final = {"tool": ("tool_calls", "CallId"), "model": ("model_calls", "CallId")}


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of one session."""

    identities: frozenset[tuple[str, str]]
    """(kind, call id or request id)."""
    prompts_unix_nano: Sequence[int]
    """When its prompts were, ascending."""

    def has(self, record: Record) -> bool:
        """Whether a record is stored."""
        if record.kind != "prompt":
            return (record.kind, record.identity) in self.identities
        at = bisect_left(self.prompts_unix_nano, record.time_unix_nano - NEAR_NS)
        return at < len(self.prompts_unix_nano) and self.prompts_unix_nano[at] <= record.time_unix_nano + NEAR_NS


def known(url: str, session_id: str) -> Known:
    """Ask for everything stored of a session.

    Raises:
        CliError: Nothing answers, or the session's id is none that may stand in a query.
    """
    if not _PLAIN.fullmatch(session_id):
        raise CliError(f"{session_id[:60]!r} cannot be the id of a session", FAILED)
    identities = {
        (kind, row[0]) for kind, (table, column) in _TABLES.items() for row in _rows(url, table, column, session_id)
    }
    prompts = _rows(url, "markers", "toUnixTimestamp64Nano(StartTimeUnixNano)", session_id)
    return Known(frozenset(identities), sorted(int(row[0]) for row in prompts))


def _rows(url: str, table: str, column: str, session_id: str) -> list[list[Any]]:
    found: list[list[Any]] = []
    while True:
        # The table and the column are ours, and the session's id holds nothing that could end a text.
        statement = f"SELECT DISTINCT {column} AS found FROM {table} WHERE SessionId = '{session_id}'"  # noqa: S608
        page = f"{statement} ORDER BY found LIMIT {PAGE} OFFSET {len(found)}"
        rows = post(url, "/v1/sql", {"sql": page, "limit": PAGE, "max_tokens": MAX_TOKENS})["rows"]
        found += rows
        if len(rows) < PAGE:
            return found
