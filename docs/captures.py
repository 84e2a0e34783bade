"""Write docs/captures.md: what came out of each capture. `python -m docs.captures`; a test fails when it is stale."""

from __future__ import annotations

import gzip
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipeline.assembly import detectors, normalizer
from pipeline.replay import Replay
from pipeline.sessions import SessionModel, load_all
from pipeline.settings import Settings
from schemas.facts import STRENGTHS, Link, Marker, ModelCall, ToolCall
from schemas.finding import Finding
from tests.sessions.tables import CAPTURES, capture_names, capture_tables

PAGE: Final = Path(__file__).parent / "captures.md"
HEAD: Final = """# Captures

<!-- Written by `python -m docs.captures` from tests/fixtures/captures; do not edit. -->

What each recording of a real program (`tests/fixtures/captures/README.md`) becomes. Sessions A, E, I and S are
healthy, B repeats one failing command, M polls. *session from*: whether calls name their session themselves (`call`),
an ancestor or sibling span does (`trace's spans`), or nothing does (`trace id`). *told by*: the signal that tool calls
are read from; `message` = from the messages of model calls. *arguments* and *results*: how much their signatures know.
*findings*: what `telltale replay` finds, with its severity, the passes of the loop and, as confidence, the weakest
signature that it rests on.
"""


@dataclass(slots=True)
class Capture:
    """Everything that came out of one capture."""

    name: str
    tool_calls: list[ToolCall] = field(default_factory=list)
    model_calls: list[ModelCall] = field(default_factory=list)
    markers: list[Marker] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    spans: int = 0
    unclaimed: int = 0


def read(name: str, model: SessionModel) -> Capture:
    """One capture through the session model, request by request."""
    capture = Capture(name)
    for signal, table in capture_tables(name):
        facts = model.facts(signal, table)
        capture.tool_calls += facts.tool_calls
        capture.model_calls += facts.model_calls
        capture.markers += facts.markers
        capture.links += facts.links
        if signal == "traces":
            capture.spans += table.num_rows
            capture.unclaimed += int((~facts.claimed).sum())
    return capture


def findings(name: str) -> list[Finding]:
    """What is found in one capture."""
    settings = Settings()
    replay = Replay(normalizer(settings), detectors(), settings)
    with gzip.open(CAPTURES / f"{name}.jsonl.gz") as lines:
        for line in lines:
            replay.feed(line)
    replay.finish()
    found = list(replay.findings)
    replay.findings.close()
    return found


def calls(capture: Capture) -> list[ToolCall | ModelCall]:
    """Tool and model calls."""
    return [*capture.tool_calls, *capture.model_calls]


def sessions_of(capture: Capture) -> Iterator[tuple[ToolCall | ModelCall, str]]:
    """Every call with its session, after calls without one were joined to their trace's."""
    of_trace: defaultdict[str, set[str]] = defaultdict(set)
    for one in [*capture.links, *calls(capture)]:
        if one.session_id:
            of_trace[one.trace_id].add(one.session_id)
    for call in calls(capture):
        yield call, call.session_id or min(of_trace[call.trace_id], default=call.trace_id)


def sessions(capture: Capture) -> str:
    """Distinct sessions."""
    return str(len({session for _, session in sessions_of(capture)}))


def session_from(capture: Capture) -> str:
    """Where the session of tool calls (of model calls, where there are none) stands."""
    asked = capture.tool_calls or capture.model_calls
    if not asked:
        return "–"
    if all(call.session_id for call in asked):
        return "call"
    named = {one.trace_id for one in [*capture.links, *calls(capture)] if one.session_id}
    return "trace's spans" if all(call.session_id or call.trace_id in named for call in asked) else "trace id"


def counted(values: Iterable[str], order: Iterable[str]) -> str:
    """`8 full`, or `6 size, 1 name`."""
    count = Counter(values)
    return ", ".join(f"{count[one]} {one}" for one in order if count[one]) or "–"


def tokens(capture: Capture) -> str:
    """Input and output tokens of all model calls."""
    told = [call for call in capture.model_calls if call.input_tokens >= 0]
    return f"{sum(c.input_tokens for c in told)} / {sum(max(0, c.output_tokens) for c in told)}" if told else "–"


def found(capture: Capture) -> str:
    """`critical, 8 passes, full`."""
    told = (f"{one.severity}, {one.count} passes, {one.confidence}" for one in findings(capture.name))
    return "; ".join(told) or "–"


COLUMNS: Final[tuple[tuple[str, Callable[[Capture], str]], ...]] = (
    ("capture", lambda c: f"`{c.name}`"),
    ("dialect", lambda c: ", ".join(sorted({call.dialect for call in calls(c)})) or "–"),
    ("sessions", sessions),
    ("session from", session_from),
    ("tool calls", lambda c: str(len(c.tool_calls))),
    ("told by", lambda c: ", ".join(sorted({call.signal for call in c.tool_calls})) or "–"),
    ("how they ended", lambda c: counted((x.outcome for x in c.tool_calls), ("ok", "error", "denied", "unset"))),
    ("model calls", lambda c: str(len(c.model_calls))),
    ("of these failed", lambda c: str(sum(call.outcome == "error" for call in c.model_calls))),
    ("tokens in / out", tokens),
    ("arguments", lambda c: counted((call.arguments_strength for call in c.tool_calls), STRENGTHS)),
    ("results", lambda c: counted((call.result_strength for call in c.tool_calls), STRENGTHS)),
    ("own verdicts", lambda c: str(sum(marker.kind == "verdict" for marker in c.markers))),
    ("findings", found),
)


def markdown(captures: Iterable[Capture]) -> str:
    """The whole page."""
    lines = [[name for name, _ in COLUMNS], ["---"] * len(COLUMNS)]
    lines += [[show(capture) for _, show in COLUMNS] for capture in captures]
    return HEAD + "\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    known = SessionModel(load_all())
    PAGE.write_text(markdown(read(name, known) for name in capture_names()), encoding="utf-8")
