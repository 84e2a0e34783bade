"""`findings`, `session` and `sql` through the installed command, against a real API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.main import COMMANDS

PROGRAM = Path(sys.executable).with_name("telltale")
FRESH = "judged up to 2026-01-05 10:00:00Z\n"


def test_findings_are_listed_latest_first_with_how_fresh_the_list_is(ask: Any) -> None:
    done = ask("findings", "--limit", "2")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["suspect", "resolved", "2026-01-05", "09:00:12Z", "tool_call_loop",
                                "claude-code", "execute_tool", "Bash", "2.1"]  # fmt: skip
    assert lines[2].split() == ["critical", "open", "2026-01-05", "09:00:11Z", "tool_call_loop", "session", "stuck"]
    assert lines[3].strip() == "`Bash` was called 27 times with equal arguments and result.  [stuck-finding]"
    assert lines[4] == "2 of 12 findings; in full: telltale findings ID"
    assert lines[5] == "judged up to 2026-01-05 10:00:00Z"
    more = next(line for line in lines if line.startswith("more: ")).removeprefix("more: ").split()
    following = ask("findings", *more, "--limit", "1")
    assert "f0010aaaa" in following.stdout


def test_findings_in_json_are_the_answer_of_the_api(ask: Any) -> None:
    done = ask("findings", "--json", "--status", "open", "--severity", "critical", "--session", "stuck")
    (line,) = done.stdout.splitlines()
    answer = json.loads(line)
    assert [finding["id"] for finding in answer["findings"]] == ["stuck-finding"]
    assert answer["as_of"] == "2026-01-05T10:00:00.000000Z"


def test_no_findings_is_said_with_how_fresh_that_is(ask: Any) -> None:
    done = ask("findings", "--session", "healthy")
    assert (done.returncode, done.stdout) == (
        0,
        "no findings\njudged up to 2026-01-05 10:00:00Z\nnext: telltale overview\n",
    )


def test_one_finding_is_shown_in_full_with_what_to_run_next(ask: Any) -> None:
    done = ask("findings", "stuck-finding")
    assert done.returncode == 0
    assert done.stdout.startswith("CRITICAL tool_call_loop, open (opened)\n  `Bash` was called 27 times")
    assert "  wasted     27,000 tokens, $0.2700, 41.5 s\n" in done.stdout
    assert "  evidence   trace 0af7651916cd43dd8448eb211c80319c span 00f067aa0ba902b7 call 1\n" in done.stdout
    assert "\nnext: telltale session stuck\n" in done.stdout
    assert json.loads(ask("findings", "stuck-finding", "--json").stdout)["finding"]["id"] == "stuck-finding"


def test_a_session_is_a_short_outline_with_repeats_folded(ask: Any) -> None:
    done = ask("session", "stuck")
    assert done.returncode == 0
    assert "  29 tool calls (27 failed), 28 model calls (0 failed)\n" in done.stdout
    assert "  28,000 tokens in, 1,400 out, $0.2800\n" in done.stdout
    assert "  x 27, one after the other:\n" in done.stdout
    assert '    tool    Bash  {"command": "pytest"}  error ShellError  same result  27 s\n' in done.stdout
    assert "2 events of this session never arrived\n" in done.stdout
    assert "  telltale findings stuck-finding\n" in done.stdout
    assert len(done.stdout.splitlines()) < 25
    assert json.loads(ask("session", "stuck", "--json").stdout)["session_id"] == "stuck"


def test_sql_is_an_aligned_table_or_a_json_object_a_line(ask: Any) -> None:
    statement = "SELECT ToolName, count() AS calls FROM tool_calls GROUP BY 1 ORDER BY 2 DESC LIMIT 2"
    table = ask("sql", statement)
    assert (table.returncode, table.stdout) == (0, "ToolName  calls\nBash         27\nRead          2\n" + FRESH)
    printed = [json.loads(line) for line in ask("sql", "--json", statement).stdout.splitlines()]
    assert printed == [{"ToolName": "Bash", "calls": 27}, {"ToolName": "Read", "calls": 2}]


def test_sql_says_when_there_is_more(ask: Any) -> None:
    done = ask("sql", "--limit", "2", "SELECT number FROM numbers(5)")
    assert (done.returncode, done.stdout.startswith("number\n     0\n     1\n" + FRESH)) == (0, True)
    assert "there is more: narrow the question, raise --limit" in done.stdout
    programs = ask("sql", "--json", "--limit", "2", "SELECT number FROM numbers(5)")
    assert programs.stdout.splitlines() == ['{"number":0}', '{"number":1}']
    assert "there is more than these rows; raise --limit" in programs.stderr


def test_what_is_said_to_help_is_an_option_of_the_command(ask: Any) -> None:
    for arguments in (["schema"], ["schema", "tool_calls"]):
        assert "\nthere is more: raise --max-tokens\n" in ask(*arguments, "--max-tokens", "500").stdout + "\n"
    done = ask("sql", "--limit", "2", "SELECT number FROM numbers(5)")
    assert "there is more: narrow the question, raise --limit or --max-tokens\n" in done.stdout
    done = ask("findings", "--limit", "1")
    assert "there is more: narrow the question, raise --limit or --max-tokens, or go on with --cursor\n" in done.stdout


def test_a_budget_does_not_cut_rows_for_programs_unless_it_is_asked_for(ask: Any) -> None:
    many = "SELECT repeat('x', 100) AS x FROM numbers(500)"
    assert len(ask("sql", "--json", many).stdout.splitlines()) == 500
    assert len(ask("sql", "--json", "--max-tokens", "1000", many).stdout.splitlines()) < 50


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["findings", "nope"], 1, "there is no finding 'nope' (not_found)\n  telltale findings"),
        (["findings", "stuck-findnig"], 1, "nearest: stuck-finding; all: telltale findings"),
        (["schema", "tool_cals"], 1, "nearest: tool_calls; all: telltale schema"),
        (["session", "nope"], 1, "there is no session 'nope' (not_found)\n  telltale session"),
        (["session", "stukc"], 1, "nearest: stuck; all: telltale session"),
        (["session", "../../healthz"], 1, "not_found"),
        (
            ["sql", "SELECT * FROM system.tables"],
            64,
            "tables: acknowledgements, consumers, dead_letter_replays, dead_letters",
        ),
        (["sql", "DROP TABLE findings"], 64, "only SELECT is run here"),
        (["sql", "SELECT nope FROM findings"], 64, "unknown_column"),
        (["findings", "--cursor", "x"], 64, "this cursor is none of ours"),
        (["findings", "--status", "closed"], 64, "'open', 'resolved', 'all'"),
        (["findings", "--limit", "0"], 64, "1<=x<=500"),
        (["findings", "--nope"], 64, "No such option"),
        (["trace"], 64, "Missing argument"),
        (["sql"], 64, "Missing argument"),
        (["sql", "a", "b"], 64, "unexpected extra argument"),
        (["nope"], 64, "No such command"),
        ([], 64, "Usage: telltale"),
    ],
)
def test_what_cannot_be_answered_has_a_status_and_a_repair(
    ask: Any, arguments: list[str], status: int, says: str
) -> None:
    done = ask(*arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr


@pytest.mark.parametrize("command", [["findings"], ["session", "x"], ["sql", "SELECT 1"]])
def test_where_nothing_answers_it_says_how_to_start(run: Any, command: list[str]) -> None:
    done = run(*command, "--url", "http://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no Telltale answers at http://127.0.0.1:9" in done.stderr
    assert "start one with `telltale up`" in done.stderr


def test_a_proxy_in_the_environment_does_not_come_between(run: Any, api_url: str) -> None:
    done = run("findings", "--url", api_url, HTTP_PROXY="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9")
    assert done.returncode == 0


@pytest.mark.parametrize("url", ["127.0.0.1:4320", "ftp://x", "http://"])
def test_an_address_that_is_none_is_wrong_usage(run: Any, url: str) -> None:
    done = run("findings", "--url", url)
    assert done.returncode == 64
    assert "is no http:// or https:// address" in done.stderr


def test_a_reader_that_has_seen_enough_is_no_failure(api_url: str) -> None:
    many = "SELECT repeat('x', 200) FROM numbers(9999)"
    with subprocess.Popen(
        [str(PROGRAM), "sql", "--json", many, "--limit", "9999", "--max-tokens", "1000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"TELLTALE_URL": api_url},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_shows_examples_and_statuses(run: Any, command: list[str]) -> None:
    done = run(*command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "telltale " + (command[0] if command else "up") in done.stdout
    assert "Exit status: 0" in done.stdout


def test_help_imports_none_of_the_pipeline(run: Any) -> None:
    heavy = "chdb|pyarrow|faust|grpc|httpx|sqlglot|clickhouse_connect|orjson"
    code = (
        "import sys; from cli.main import run; run(['--help']); run(['up', '--help']); run(['findings', '--help']);"
        f"print([m for m in sys.modules if m in {heavy.split('|')!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_version_is_that_of_the_distribution(run: Any) -> None:
    from importlib.metadata import version

    assert run("--version").stdout == f"telltale {version('telltale')}\n"
