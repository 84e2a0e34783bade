"""Every table and view of the store, declared once: DDL, row building, documentation and tests read this."""

from __future__ import annotations

from typing import Final

from schemas.columns import Column, Index, RetentionDays, Table, View
from schemas.tables.facts import FACTS, MARKERS, MODEL_CALLS, TOOL_CALLS
from schemas.tables.feed import FEED, FEED_VIEWS
from schemas.tables.metrics import METRICS
from schemas.tables.otel import LOGS, OTEL, TRACE_TIMES_VIEW, TRACES
from schemas.tables.series import (
    DEAD_LETTER_REPLAYS,
    DEAD_LETTERS,
    FINDINGS,
    OUTCOMES,
    SERIES_1M,
    SERIES_VERDICTS,
)
from schemas.tables.sessions import SESSIONS

TABLES: Final[tuple[Table, ...]] = (*OTEL, *METRICS, *FACTS, *OUTCOMES, *FEED)
VIEWS: Final[tuple[View, ...]] = (TRACE_TIMES_VIEW, SESSIONS, *FEED_VIEWS)
DECLARED: Final[tuple[Table | View, ...]] = (*TABLES, *VIEWS)
BY_NAME: Final[dict[str, Table]] = {table.name: table for table in TABLES}

__all__ = [
    "BY_NAME",
    "DEAD_LETTERS",
    "DEAD_LETTER_REPLAYS",
    "DECLARED",
    "FACTS",
    "FEED",
    "FEED_VIEWS",
    "FINDINGS",
    "LOGS",
    "MARKERS",
    "MODEL_CALLS",
    "SERIES_1M",
    "SERIES_VERDICTS",
    "SESSIONS",
    "TABLES",
    "TOOL_CALLS",
    "TRACES",
    "VIEWS",
    "Column",
    "Index",
    "RetentionDays",
    "Table",
    "View",
]
