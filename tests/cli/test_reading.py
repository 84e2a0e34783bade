"""The commands that read, against a fleet: the API's JSON byte for byte, text for people, statuses, completion."""

from __future__ import annotations

import json
import os
import pty
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli import findings, overview
from query.tasks import MAX_TOKENS, TASKS
from tests.query.conftest import answering
from tests.query.fleet import HOSTILE, TRACE

PROGRAM = Path(sys.executable).with_name("telltale")
NAMED = {"SESSION": "coder-3", "TRACE": TRACE}
EXAMPLES = [example for task in TASKS for example in task.examples]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with answering(tmp_path_factory.mktemp("fleet"), "tests.query.fleet") as client:
        yield client


@pytest.fixture
def ask(run: Any, fleet: httpx.Client) -> Any:
    return lambda *arguments: run(*arguments, TELLTALE_URL=str(fleet.base_url))


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_of_the_help_run(ask: Any, example: str) -> None:
    words = [NAMED.get(word, word) for word in shlex.split(example)][1:]
    done = ask(*words)
    assert done.returncode in ((0, 1, 2) if words[0] == "assert" else (0,)), done.stderr
    assert done.stdout


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (["overview"], "/v1/overview"),
        (["findings", "--status", "open"], "/v1/findings?status=open"),
        (["findings", "aaaa"], "/v1/findings/aaaa"),
        (["session", "coder-3", "--detail", "turns"], "/v1/sessions/coder-3?detail=turns"),
        (["trace", TRACE, "--span", "d0"], f"/v1/traces/{TRACE}?span=d0"),
        (["calls", "--where", "name = Edit", "--where", "duration_s < 1"],
         "/v1/calls?where=name+%3D+Edit&where=duration_s+%3C+1"),
        (["series", "--since", "2h"], "/v1/series?since=2h"),
        (["compare", "--service", "checkout"], "/v1/compare?service=checkout"),
        (["assert", "p50 < 10s"], "/v1/assert?assertion=p50+%3C+10s"),
        (["schema", "findings", "--max-tokens", "3000"], "/v1/schema/findings?max_tokens=3000"),
    ],
)  # fmt: skip
def test_json_is_the_answer_of_the_api_byte_for_byte(
    ask: Any, fleet: httpx.Client, words: list[str], path: str
) -> None:
    assert ask(*words, "--json").stdout.encode() == fleet.get(path).content + b"\n"


def test_sql_in_json_is_the_apis_lines_byte_for_byte(ask: Any, fleet: httpx.Client) -> None:
    sql = "SELECT ToolName, count(), 'é' FROM tool_calls GROUP BY 1 ORDER BY 2 DESC LIMIT 2"
    answer = fleet.post("/v1/sql", json={"sql": sql}).json()
    asked = {"sql": sql, "max_tokens": MAX_TOKENS}
    lines = fleet.post("/v1/sql", json=asked, headers={"accept": "application/x-ndjson"})
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert "telltale-truncated" not in lines.headers
    assert ask("sql", sql, "--json").stdout.encode() == lines.content
    names = [column["name"] for column in answer["columns"]]
    assert [json.loads(line) for line in lines.content.splitlines()] == [
        dict(zip(names, row, strict=True)) for row in answer["rows"]
    ]


def test_no_row_is_two_lines_to_a_program_that_knows_unicodes_line_ends(ask: Any) -> None:
    sql = "SELECT arrayJoin(['a\u2028b\u2029c\x85d', 'e\\nf\\rg']) AS text"
    printed = ask("sql", sql, "--json").stdout.splitlines()
    assert [json.loads(line)["text"] for line in printed] == ["a\u2028b\u2029c\x85d", "e\nf\rg"]


def test_lines_that_are_not_all_say_so_beside(fleet: httpx.Client) -> None:
    asked = {"sql": "SELECT number FROM numbers(5)", "limit": 2}
    lines = fleet.post("/v1/sql", json=asked, headers={"accept": "application/x-ndjson, application/json;q=0.5"})
    assert (lines.content, lines.headers["telltale-truncated"]) == (b'{"number":0}\n{"number":1}\n', "true")
    none = fleet.post("/v1/sql", json={"sql": "SELECT 1 WHERE 0"}, headers={"accept": "application/x-ndjson"})
    assert (none.status_code, none.content) == (200, b"")


def test_an_error_in_json_is_the_apis_too(ask: Any, fleet: httpx.Client) -> None:
    done = ask("findings", "nope", "--json")
    assert (done.returncode, done.stdout.encode()) == (1, fleet.get("/v1/findings/nope").content + b"\n")
    done = ask("ack", "nope", "--reason", "x", "--json")
    answer = fleet.post("/v1/findings/nope/ack", json={"reason": "x"})
    assert (done.returncode, done.stdout.encode()) == (1, answer.content + b"\n")


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["assert", "POST /checkout p95 < 800ms"], 0, "PASS  POST /checkout p95 < 800ms"),
        (["assert", "POST /checkout p95 < 300ms", "--version", "1.5.0"], 1, "FAIL  POST /checkout"),
        (["assert", "POST /checkout p50 < 300ms", "--version", "1.5.0"], 2, "INCONCLUSIVE"),
        (["assert", "POST /check-out p95 < 1s"], 1, "nearest: POST /checkout"),
        (["assert", "fast"], 64, "MEASURE < NUMBER"),
        (["compare", "--service", "checkout"], 0, "WORSE  by version"),
        (["compare", "--finding", "aaaa"], 0, "p95"),
        (["compare"], 64, "give both"),
        (["trace", TRACE], 0, "SELECT cart  0.2 s  x 20"),
        (["trace", "4bf92f"], 1, f"nearest: {TRACE}"),
        (["calls", "--outcome", "error", "--limit", "1"], 0, "36 calls, 36 failed"),
        (["calls", "--where", "nope = 1"], 64, "fields of a tool"),
        (["calls", "--since", "soon"], 64, "2h"),
        (["series"], 0, "POST /checkout"),
        (["series", "zz"], 1, "telltale series"),
        (["overview"], 0, "open: 2 critical, 0 warning, 0 suspect"),
        (["overview", "--exit-code"], 1, "open: 2 critical, 0 warning, 0 suspect"),
        (["findings", "--exit-code"], 1, "2 of 2 findings"),
        (["findings", "--session", "coder-0", "--exit-code"], 0, "no findings"),
        (["findings", "--exit-code", "--follow"], 64, "does not go with --follow"),
        (["compare", "--service", "checkout", "--exit-code"], 1, "WORSE  by version"),
        (["schema", "findings"], 0, "Fingerprint"),
        (["session", HOSTILE], 0, "36 tool calls (36 failed)"),
    ],
    ids=str,
)
def test_text_and_status_say_what_was_found(ask: Any, words: list[str], status: int, says: str) -> None:
    done = ask(*words)
    assert done.returncode == status
    assert says in (done.stdout if status in (0, 1, 2) and done.stdout else done.stderr)


@pytest.mark.parametrize(("complete", "status"), [(True, 0), (False, 2), (None, 2)])
def test_nothing_found_is_no_answer_where_not_all_was_judged(complete: bool | None, status: int) -> None:
    answer = {"open": {"critical": 0}, "findings": [], "coverage": {"complete": complete}}
    assert (overview.status(answer), findings.status(answer)) == (status, status)


@pytest.mark.parametrize("words", [["overview"], ["findings"], ["session", HOSTILE], ["calls", "--outcome", "error"]])
def test_nothing_that_telemetry_wrote_steers_a_terminal(fleet: httpx.Client, words: list[str]) -> None:
    parent, child = pty.openpty()
    environment = os.environ | {"TELLTALE_URL": str(fleet.base_url), "TERM": "xterm-256color"}
    with subprocess.Popen([str(PROGRAM), *words], stdout=child, stderr=child, env=environment) as process:
        os.close(child)
        shown = b""
        while True:
            try:
                part = os.read(parent, 65_536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            shown += part
        assert process.wait(30) == 0
    os.close(parent)
    text = shown.decode()
    assert text
    assert not [c for c in text if not c.isprintable() and c not in "\r\n"]


def test_shells_complete_commands_options_and_values(run: Any) -> None:
    for shell in ("bash", "zsh", "fish"):
        script = run("completion", shell)
        assert script.returncode == 0
        assert "_TELLTALE_COMPLETE" in script.stdout
    for words, at, wanted in (
        ("telltale ov", 1, "plain,overview"),
        ("telltale findings --sev", 2, "plain,--severity"),
        ("telltale findings --severity cr", 3, "plain,critical"),
    ):
        done = run(_TELLTALE_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(at))
        assert done.stdout.splitlines() == [wanted]


def test_what_to_run_next_asks_the_same_telltale(run: Any, fleet: httpx.Client) -> None:
    url = str(fleet.base_url)
    done = run("overview", "--url", url)
    commands = [line.removeprefix("next: ") for line in done.stdout.splitlines() if line.startswith("next: ")]
    assert commands
    for command in commands:
        assert run(*shlex.split(command)[1:]).returncode == 0
