"""`telltale findings --follow`, decisions and webhooks through the installed command, against a real API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(sys.executable).with_name("telltale")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--follow", "--status", "open"], "--status does not go with --follow"),
        (["--follow", "f0001aaaa"], "does not go with --follow"),
        (["--follow", "--limit", "3"], "--limit does not go with --follow"),
        (["--follow", "--consumer", "x", "--after", "start"], "--consumer has its own place"),
        (["--after", "start"], "--after goes with --follow only"),
        (["--consumer", "x"], "--consumer goes with --follow only"),
        (["--min-severity", "warning"], "--min-severity goes with --follow only"),
        (["--follow", "--after", "f1.x"], "bad_cursor"),
        (["--follow", "--consumer", "a/b"], "bad_value"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(ask: Any, arguments: list[str], said: str) -> None:
    done = ask("findings", *arguments)
    assert done.returncode == 64
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_where_nothing_answers_following_says_how_to_start(run: Any) -> None:
    done = run("findings", "--follow", "--url", "http://127.0.0.1:9")
    assert done.returncode == 2
    assert "telltale up" in done.stderr


def test_a_reader_that_has_seen_enough_is_no_failure(api_url: str) -> None:
    command = [str(PROGRAM), "findings", "--follow", "--after", "start", "--json", "--url", api_url]
    following = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ)
    assert following.stdout is not None
    try:
        first = json.loads(following.stdout.readline())
        following.stdout.close()
        # All lines may have been written before: then it is found out at the next question, without news.
        assert following.wait(60) == 0
        assert following.stderr is not None
        assert following.stderr.read() == b""
    finally:
        following.kill()
        following.communicate()
    assert first["event"] == "opened"


def test_a_decision_without_a_reason_is_wrong_usage(ask: Any) -> None:
    for action in ("ack", "resolve", "reopen"):
        done = ask(action, "f0001aaaa")
        assert done.returncode == 64
        assert "--reason" in done.stderr


def test_without_webhooks_it_says_how_to_set_one_up(ask: Any) -> None:
    done = ask("webhooks")
    assert (done.returncode, done.stdout) == (0, "no webhook has ever been set up; see `telltale webhooks --help`\n")
    for words in (("--json",), ("list", "--json")):
        assert json.loads(ask("webhooks", *words).stdout)["webhooks"] == []
    misplaced = ask("webhooks", "--json", "list")
    assert (misplaced.returncode, misplaced.stderr) == (64, "telltale: write --json after `webhooks list`\n")
    unknown = ask("webhooks", "replay", "nobody")
    assert unknown.returncode == 1
    assert "there is no webhook" in unknown.stderr
