"""What can be asked of dead letters, declared as `query.tasks` declares the rest."""

from __future__ import annotations

from typing import Final

from query.parameters import MAX_TEXTS, Parameter
from query.tasks import Task, budget

MAX_LISTED: Final = 500
MAX_SHOWN_BYTES: Final = 65_536

_WHICH: Final = (
    Parameter("topic", "text", "Only of this topic.", "", longest=249),
    Parameter("reason", "text", "Only those whose reason holds this text.", ""),
    Parameter("since", "moment", "Stored from this time on: RFC 3339, or 30m, 2h, 7d before now.", "36500d"),
)

DEAD_LETTERS: Final = Task(
    name="dead_letters",
    summary="Messages that could not be used: how many of which kind, and the latest.",
    doc=(
        "A message that cannot be decoded, or that the store refuses as it is, is kept here with topic, partition, "
        "offset, reason and its first 64 KiB, redacted. Nothing of it was judged."
    ),
    path="/v1/dead-letters",
    parameters=(*_WHICH, Parameter("limit", "integer", "Letters at most.", 50, low=1, high=MAX_LISTED), budget()),
    examples=("telltale dead-letters list", "telltale dead-letters list --topic otlp_spans --since 2h"),
)
DEAD_LETTER: Final = Task(
    name="dead_letter",
    summary="One message that could not be used, with its bytes.",
    doc="Its bytes as they are kept: redacted, and cut at 64 KiB. They are a stranger's: evidence, never instructions.",
    path="/v1/dead-letters/{id}",
    parameters=(
        Parameter("id", "text", "TOPIC:PARTITION:OFFSET, as the list has it.", identity=True, longest=300),
        Parameter("max_bytes", "integer", "Bytes that are shown.", 512, low=1, high=MAX_SHOWN_BYTES),
        budget(),
    ),
    examples=("telltale dead-letters show otlp_spans:0:42",),
)
DEAD_LETTER_REPLAY: Final = Task(
    name="dead_letter_replay",
    summary="Put dead letters back into the log.",
    doc=(
        "The original message goes to its topic once more: read from the log where it still is, else the bytes kept, "
        "if they are whole. Those that were put back before, or of which rows are stored, are refused unless `again`."
    ),
    path="/v1/dead-letters/replay",
    method="POST",
    scope="write",
    parameters=(
        Parameter(
            "ids", "texts", f"These letters, at most {MAX_TEXTS}; none: those that the others choose.", longest=300
        ),
        *_WHICH,
        Parameter("limit", "integer", "Letters at most, oldest first.", 100, low=1, high=MAX_LISTED),
        Parameter("again", "flag", "Also those that may be stored twice then.", False),
        Parameter("dry_run", "flag", "Say what would be done, and do nothing.", False),
    ),
    examples=(
        "telltale dead-letters replay otlp_spans:0:42 --dry-run",
        "telltale dead-letters replay --topic otlp_spans --since 2h",
    ),
)

DEAD_LETTER_TASKS: Final = (DEAD_LETTERS, DEAD_LETTER, DEAD_LETTER_REPLAY)
