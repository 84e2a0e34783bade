"""Entries of the feed as every door shows them: with their state, and telemetry's words kept apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from query import fencing
from query.feed.changes import changed
from query.feed.decisions import with_states
from query.feed.revisions import Entry
from query.reader import Reader


async def shown(reader: Reader, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """`event`, `revisions`, `changed` (field -> [before, after]) and the `finding` of each, JSON values only."""
    findings = await with_states(reader, [entry.finding for entry in entries])
    return [
        {
            "event": entry.event,
            "revisions": entry.revisions,
            "changed": changed(entry.before, entry.finding),
            "finding": fencing.whole(finding),
        }
        for entry, finding in zip(entries, findings, strict=True)
    ]
