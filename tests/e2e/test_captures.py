"""Every capture of a real program: the looping ones are found, the healthy ones are not, and all are read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest

from docs.captures import read, sessions_of
from pipeline.assembly import detectors, normalizer
from pipeline.replay import Replay
from pipeline.sessions import SessionModel, load_all
from pipeline.settings import Settings
from schemas.facts import ToolCall
from schemas.finding import SEVERITIES
from tests.e2e.running import CAPTURES, Up, capture_lines, running, telltale, wait_until
from tests.sessions.tables import capture_names

NAMES = capture_names()


class Expected(NamedTuple):
    """What has to come out of a capture."""

    severities: tuple[str, ...]
    """Of the one finding; () = none at all, "" among them = none is fine."""
    passes: int = 0
    """Of the loop, 0 = any."""


NOTHING = Expected(())
LOOP = Expected(("warning", "critical"), 8)
POLLING = Expected(("", "suspect"), 0)

OF_SESSION = {"A": NOTHING, "E": NOTHING, "I": NOTHING, "S": NOTHING, "B": LOOP, "M": POLLING}

GUARDED = Expected(("warning", "critical"), 4)
"""Gemini's own guard ends the session after four equal calls and says so: its verdict is ours."""

EXCEPTIONS: dict[str, tuple[Expected, str]] = {
    "gemini-default-grpc-B": (GUARDED, "its own guard ends it after four"),
    "gemini-noprompts-http-B": (GUARDED, "its own guard ends it after four"),
    "gemini-traces-grpc-B": (GUARDED, "its own guard ends it after four"),
    "gemini-traces-http-B": (GUARDED, "its own guard ends it after four"),
    "gemini-default-grpc-M": (GUARDED, "polling, but its own guard took it for a loop and ended it"),
    "crewai-openinference-B": (Expected(("warning", "critical"), 5), "CrewAI ends it after five"),
    "crewai-openllmetry-full-B": (Expected(("warning", "critical"), 4), "as above; the last result is in no message"),
    "crewai-openllmetry-B": (NOTHING, "nothing in it says anything of a tool"),
    "openai-official-B": (NOTHING, "nothing in it says anything of a tool"),
    "openai-stream-official-B": (NOTHING, "nothing in it says anything of a tool"),
    "openai-genai-nocontent-B": (NOTHING, "nothing in it says anything of a tool"),
    "openai-official21-B": (NOTHING, "content is off: eight calls of one tool, nothing known of arguments or failure"),
    "adk-native-B": (NOTHING, "content is off: eight calls of one tool, nothing known of arguments or failure"),
    "langchain-openinference-nocontent-B": (NOTHING, "content is off: eight calls of one tool, nothing known"),
    "langchain-openllmetry-nocontent-B": (NOTHING, "content is off: eight calls of one tool, nothing known"),
    "pydanticai-v5-nocontent-B": (NOTHING, "content is off: eight calls of one tool, nothing known"),
    "vercelai-nocontent-B": (NOTHING, "content is off: eight calls of one tool, nothing known"),
}  # fmt: skip


def expected(name: str) -> Expected:
    return EXCEPTIONS[name][0] if name in EXCEPTIONS else OF_SESSION[name.rsplit("-", 1)[1]]


Told = tuple[str, str, str, str, int, str]


def told(finding: dict[str, Any]) -> Told:
    """What has to be the same whichever way a finding came about."""
    return tuple(finding[name] for name in ("id", "rule", "session_id", "severity", "count", "confidence"))


@cache
def replayed(*names: str) -> frozenset[Told]:
    """Findings of some captures, each replayed for itself."""
    return frozenset(told(finding) for name in names for finding in findings(name))


@cache
def findings(name: str) -> tuple[dict[str, Any], ...]:
    settings = Settings()
    bad: list[str] = []
    replay = Replay(
        normalizer(settings), detectors(), settings, lambda number, reason: bad.append(f"{number}: {reason}")
    )
    for line in capture_lines(name):
        replay.feed(line)
    replay.finish()
    assert bad == []
    found = tuple(finding.as_json() for finding in replay.findings)
    replay.findings.close()
    return found


def test_the_exceptions_are_captures() -> None:
    assert set(EXCEPTIONS) <= set(NAMES)
    assert len(NAMES) == 150


@pytest.mark.parametrize("name", NAMES)
def test_a_capture_gives_the_findings_that_its_script_deserves(name: str) -> None:
    wanted = expected(name)
    found = findings(name)
    assert len(found) <= 1
    severity = found[0]["severity"] if found else ""
    assert severity in (wanted.severities or ("",))
    if found:
        assert found[0]["kind"] == "tool_call_loop"
        assert found[0]["session_id"]
        assert wanted.passes in (0, found[0]["count"])


def test_the_command_prints_what_the_pipeline_finds() -> None:
    names = ("claude-full-httpjson-B", "codex-default-httpproto-M", "langchain-genai-B", "pydanticai-v6-A")
    done = telltale("replay", *[str(CAPTURES / f"{name}.jsonl.gz") for name in names])
    assert (done.returncode, done.stderr) == (0, "")
    assert {told(json.loads(line)) for line in done.stdout.splitlines()} == replayed(*names)


# The same through a real process. One program's captures at most share a session id ("thread-B"), so of each such
# group one is taken.

LIVE = (
    "claude-default-httpproto-B", "claude-details-grpc-A", "claude-full-httpjson-B", "claude-full-httpproto-S",
    "claude-details-httpproto-M", "claude-default-httpproto-I",
    "codex-codemode-httpproto-B", "codex-default-grpc-B", "codex-default-httpproto-M", "codex-prompts-httpjson-E",
    "gemini-noguard-http-B", "gemini-default-grpc-M", "gemini-traces-grpc-A", "gemini-noprompts-http-B",
    "pydanticai-v2-B", "pydanticai-v5-B", "pydanticai-v6-A", "pydanticai1-v1-logs-B", "pydanticai-v5-nocontent-B",
    "langchain-genai-B", "langchain-openinference-A",
    "crewai-openinference-B", "crewai-openllmetry-full-B", "crewai-openllmetry-A",
)  # fmt: skip


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A process that was sent all of them and has judged them."""
    with running(tmp_path_factory.mktemp("captures")) as up:
        for name in LIVE:
            up.store_lines(capture_lines(name))
        up.settle()
        wait_until(lambda: live(up) >= replayed(*LIVE), lambda: f"missing: {replayed(*LIVE) - live(up)}")
        yield up


def live(up: Up) -> frozenset[Told]:
    return frozenset(told(finding) for finding in up.findings())


def test_a_running_process_finds_what_replay_finds(up: Up) -> None:
    assert live(up) == replayed(*LIVE)
    assert up.rows("SELECT count() FROM dead_letters") == [[0]]


def test_its_tool_calls_are_those_of_the_session_model(up: Up) -> None:
    model = SessionModel(load_all())
    wanted = sorted(
        [session, call.tool_name, call.outcome]
        for name in LIVE
        for call, session in sessions_of(read(name, model))
        if isinstance(call, ToolCall)
    )

    def stored() -> list[list[Any]]:
        return sorted(up.rows("SELECT SessionId, ToolName, Outcome FROM tool_calls"))

    # a call whose session stands only on an ancestor gets it a moment later
    wait_until(lambda: stored() == wanted, lambda: difference(stored(), wanted))


def difference(left: Iterable[list[Any]], right: Iterable[list[Any]]) -> str:
    ours, theirs = [list(map(str, one)) for one in left], [list(map(str, one)) for one in right]
    return f"only stored: {[o for o in ours if o not in theirs]}; only expected: {[t for t in theirs if t not in ours]}"


def test_severities_are_those_of_the_schema() -> None:
    named = {severity for wanted, _ in EXCEPTIONS.values() for severity in wanted.severities}
    assert named | {s for one in OF_SESSION.values() for s in one.severities} <= {*SEVERITIES, ""}
