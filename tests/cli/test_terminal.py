"""Commands on a terminal and in a pipe: the same words, colour and progress on the terminal alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.terminal import CTRL_C, STYLE, in_pipe, on_terminal
from tests.query.conftest import answering
from tests.query.fleet import HOSTILE, TRACE
from tests.transcripts.test_import import HEALTHY, STUCK, Transcript

READING = [
    ["overview"], ["findings"], ["findings", "aaaa"], ["session"], ["session", HOSTILE], ["session", "coder-3"],
    ["trace", TRACE], ["calls"], ["calls", "--text", "curl"], ["series"], ["compare", "--service", "checkout"],
    ["assert", "GET /cart errors < 50%"], ["sql", "SELECT count() FROM tool_calls"], ["schema"], ["schema", "findings"],
    ["webhooks"], ["rules", "list"], ["completion", "bash"], ["--help"], ["findings", "nope"],
]  # fmt: skip


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with answering(tmp_path_factory.mktemp("fleet"), "tests.query.fleet") as client:
        yield client


@pytest.mark.parametrize("words", READING, ids=lambda words: " ".join(words)[:30])
def test_a_terminal_shows_what_a_pipe_gets_and_nothing_steers_it(fleet: httpx.Client, words: list[str]) -> None:
    here = {"TELLTALE_URL": str(fleet.base_url)}
    piped, shown = in_pipe(*words, environment=here), on_terminal(*words, environment=here)
    assert shown.status == piped.status == (1 if "nope" in words else 0)
    assert STYLE.sub("", shown.text) == piped.text
    assert not [c for c in piped.text if not c.isprintable() and c != "\n"]


def test_following_ends_at_ctrl_c_without_a_trace_of_python(fleet: httpx.Client) -> None:
    words = ["findings", "--follow", "--after", "start"]
    shown = on_terminal(*words, press=CTRL_C, once="aaaa", environment={"TELLTALE_URL": str(fleet.base_url)})
    assert shown.status == 130
    assert "Traceback" not in shown.text


@pytest.mark.parametrize("agent", ["claude-code", "codex", "gemini", "cursor"])
def test_setup_shows_the_difference_in_colour_on_a_terminal_alone_and_writes_when_told(
    tmp_path: Path, agent: str
) -> None:
    home = {"HOME": str(tmp_path), "CODEX_HOME": ""}
    words = ("setup", agent, "--guard")
    shown, piped = on_terminal(*words, environment=home), in_pipe(*words, environment=home)
    assert (shown.status, piped.status) == (0, 0)
    assert "\x1b[32m+" in shown.text
    assert "\x1b" not in piped.text
    assert sorted(STYLE.sub("", shown.text).splitlines()) == sorted(piped.text.splitlines())
    assert not [one for one in tmp_path.rglob("*") if one.is_file()]
    written = on_terminal(*words, "--write", environment=home)
    assert written.status == 0
    assert "written: " in written.text
    assert "nothing to change in " in on_terminal(*words, environment=home).text


def test_import_shows_how_far_it_is_on_a_terminal_alone(tmp_path: Path) -> None:
    stuck = Transcript(STUCK).prompt("make the tests pass")
    for number in range(8):
        stuck.call(number, "Bash", {"command": "pytest"}, "Exit code 1\n1 failed", failed=True)
    for name, one in ((STUCK, stuck), (HEALTHY, Transcript(HEALTHY).prompt("hello"))):
        lines = "".join(json.dumps(line) + "\n" for line in one.lines)
        (tmp_path / f"{name}.jsonl").write_text(lines)
    words = ("import", "claude-code", "--replay", str(tmp_path))
    shown, piped = on_terminal(*words, environment={}), in_pipe(*words, environment={})
    assert shown.status == piped.status
    assert "\x1b" not in piped.text
    assert "\r" not in piped.text
    found = [json.loads(line) for line in piped.text.splitlines() if line.startswith("{")]
    assert {one["session_id"] for one in found} == {STUCK}
    assert STUCK in shown.text
