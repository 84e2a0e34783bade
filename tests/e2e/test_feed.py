"""The feed through its real doors, while the process behind them is killed."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import Any

import httpx
import pytest

from tests.e2e.listening import free_port
from tests.e2e.looping import looping_session
from tests.e2e.running import CLEAN_ENVIRONMENT, PROGRAM, Up, running, telltale, wait_until

pytestmark = pytest.mark.skipif(not (which("curl") and which("ss")), reason="curl or ss is not installed")
KILLS = 5
PARTITIONS = ("--set", "partitions=3")
Telling = tuple[str, int]
"""Finding and revision."""


class Curl:
    """`curl` on the stream, into a file."""

    def __init__(self, url: str, folder: Path, last_event_id: str) -> None:
        self._file = folder / f"curl-{len(list(folder.glob('curl-*')))}"
        said = ["-H", f"Last-Event-ID: {last_event_id}"] if last_event_id else []
        with self._file.open("wb") as out:
            self._process = subprocess.Popen(["curl", "-sN", *said, f"{url}/v1/findings/stream"], stdout=out)

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Id and data of the events that have come in whole."""
        whole, _, _ = self._file.read_text().rpartition("\n\n")
        found = []
        for block in whole.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if "id" in fields:
                found.append((fields["id"], json.loads(fields["data"])))
        return found

    def ended(self) -> bool:
        """Whether its connection has ended."""
        return self._process.poll() is not None

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def curling(up: Up, folder: Path, last_event_id: str) -> Iterator[Curl]:
    curl = Curl(f"http://{up.ready['api']}", folder, last_event_id)
    try:
        yield curl
    finally:
        curl.stop()


def tellings(entries: list[dict[str, Any]]) -> list[Telling]:
    return [(entry["finding"]["id"], entry["finding"]["revision"]) for entry in entries]


def stored(up: Up) -> list[Telling]:
    """What the feed holds, whoever reads it."""
    sql = "SELECT DISTINCT Id, toUInt32(Precedence % 4294967296) FROM finding_revisions"
    return [(identity, revision) for identity, revision in up.rows(sql)]


def complete(seen: list[Telling], findings: int) -> bool:
    """Whether all findings have been told up to their last revision; each looping session makes six."""
    last = dict(sorted(seen))
    return len(last) == findings and set(last.values()) == {6}


def test_the_stream_skips_and_repeats_nothing_over_kills_and_dropped_connections(tmp_path: Path) -> None:
    seen: list[Telling] = []
    cursor = ""
    for kill in range(KILLS):
        with running(tmp_path, *PARTITIONS) as up, curling(up, tmp_path, cursor) as curl:
            up.store_lines(looping_session(2 * kill))
            wait_until(curl.events)
            up.store_lines(looping_session(2 * kill + 1))  # and at once, wherever it is with them:
            up.interrupt(signal.SIGKILL)
            wait_until(curl.ended)
            came = curl.events()
            seen += tellings([entry for _, entry in came])
            cursor = came[-1][0]
    with running(tmp_path, *PARTITIONS) as up, curling(up, tmp_path, cursor) as curl:
        up.settle()

        def all_seen() -> list[Telling]:
            return seen + tellings([entry for _, entry in curl.events()])

        wait_until(lambda: sorted(all_seen()) == sorted(stored(up)), lambda: (all_seen(), stored(up)))
        [[partitions]] = up.rows("SELECT uniqExact(SourcePartition) FROM finding_revisions")
        seen = all_seen()
    assert partitions == 3
    assert [one for one, times in Counter(seen).items() if times > 1] == []
    for identity in {identity for identity, _ in seen}:
        revisions = [revision for one, revision in seen if one == identity]
        assert revisions == list(range(1, len(revisions) + 1))
    assert len({identity for identity, _ in seen}) >= 2 * KILLS


def test_the_command_goes_on_where_it_was_when_the_process_comes_back(tmp_path: Path) -> None:
    api = ("--api", f"127.0.0.1:{free_port()}")
    out = tmp_path / "followed.jsonl"

    def followed() -> list[Telling]:
        return tellings([json.loads(line) for line in out.read_text().splitlines()])

    with running(tmp_path, *api) as up, out.open("wb") as file:
        command = [str(PROGRAM), "findings", "--follow", "--json", "--url", f"http://{up.ready['api']}"]
        with subprocess.Popen(
            command, stdout=file, stderr=subprocess.PIPE, text=True, env=CLEAN_ENVIRONMENT
        ) as following:
            wait_until(lambda: _asked(up))
            up.store_lines(looping_session(0))
            wait_until(followed)
            up.interrupt(signal.SIGKILL)
            with running(tmp_path, *api) as again:
                again.store_lines(looping_session(1))
                wait_until(lambda: complete(followed(), 2), followed)
                following.send_signal(signal.SIGINT)
                _, said = following.communicate(timeout=30)
                expected = stored(again)
    assert following.returncode == 130
    assert "trying again, nothing will be left out" in said
    assert "connected again" in said
    assert "Traceback" not in said
    assert sorted(followed()) == sorted(expected)


def _asked(up: Up) -> bool:
    """Whether the command is waiting: its first question is behind it, and what comes now is news."""
    listed = subprocess.run(["ss", "-tnH", "state", "established", f"sport = :{up.ready['api'].rpartition(':')[2]}"],
                            capture_output=True, text=True, check=True).stdout  # fmt: skip
    return bool(listed.strip())


def test_a_consumer_that_is_killed_gets_again_what_it_had_not_acknowledged(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        url = f"http://{up.ready['api']}"
        up.store_lines(looping_session(0))
        wait_until(lambda: complete(stored(up), 1))
        first = up.ask("/v1/findings", consumer="ci", wait_s=5, every="true", max_tokens=100_000)
        assert tellings(first["entries"]) == sorted(stored(up))
        again = up.ask("/v1/findings", consumer="ci", wait_s=5, every="true", max_tokens=100_000)
        assert again["entries"] == first["entries"]
        middle = up.ask("/v1/findings", consumer="ci", wait_s=5, every="true", max_tokens=2_000)
        assert 1 <= len(middle["entries"]) < 6
        answer = httpx.post(f"{url}/v1/consumers/ci/ack", json={"cursor": middle["cursor"]}, timeout=30)
        assert answer.status_code == 200, answer.text
        up.interrupt(signal.SIGKILL)
    with running(tmp_path) as up:
        url = f"http://{up.ready['api']}"
        rest = up.ask("/v1/findings", consumer="ci", wait_s=5, every="true", max_tokens=100_000)
        assert tellings(middle["entries"] + rest["entries"]) == tellings(first["entries"])
        # The kill may have had the same revisions told again, at later offsets: they do not count.
        followed = subprocess.Popen(
            [str(PROGRAM), "findings", "--follow", "--consumer", "ci", "--url", url],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=CLEAN_ENVIRONMENT,
        )  # fmt: skip
        wait_until(lambda: up.ask("/v1/consumers")["consumers"][0]["behind"] == 0)
        followed.send_signal(signal.SIGINT)
        lines, _ = followed.communicate(timeout=30)
        assert len(lines.splitlines()) == len(rest["entries"])
        assert "CRITICAL" in lines.splitlines()[-1]
        assert "count 7 -> 8" in lines.splitlines()[-1]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One process with one finding."""
    with running(tmp_path_factory.mktemp("feed")) as made:
        made.store_lines(looping_session(0))
        wait_until(lambda: complete(stored(made), 1))
        yield made


def test_a_client_whose_connection_drops_goes_on_behind_the_last_event_that_it_has(up: Up, tmp_path: Path) -> None:
    with curling(up, tmp_path, "") as first:
        events = wait_until(lambda: first.events() if len(first.events()) == 6 else None, first.events)
    for at in (0, 2, 5):
        with curling(up, tmp_path, events[at][0]) as again:
            wait_until(lambda again=again, at=at: len(again.events()) == 5 - at, again.events)  # type: ignore[misc]
            assert [cursor for cursor, _ in again.events()] == [cursor for cursor, _ in events[at + 1 :]]
            assert tellings([entry for _, entry in again.events()]) == tellings(
                [entry for _, entry in events[at + 1 :]]
            )


def test_a_decision_is_kept_and_shown(up: Up) -> None:
    url = f"http://{up.ready['api']}"
    [finding] = up.findings()
    done = telltale("ack", finding["id"][:6], "--reason", "it's being fixed", "--who", "ann", "--url", url)
    assert (done.returncode, done.stdout) == (0, f"{finding['id']} is acknowledged\n"), done.stderr
    [entry] = up.ask("/v1/findings", wait_s=0)["entries"]
    assert entry["finding"]["state"] == "acknowledged"
    assert entry["finding"]["decision"]["reason"] == "it's being fixed"
    assert (
        json.loads(telltale("resolve", finding["id"], "--reason", "done", "--url", url, "--json").stdout)["state"]
        == "resolved"
    )
    assert up.ask("/v1/findings", status="open")["findings"] == []
    assert [one["id"] for one in up.ask("/v1/findings", status="resolved")["findings"]] == [finding["id"]]
    assert sum(up.ask("/v1/overview")["open"].values()) == 0
    assert telltale("reopen", finding["id"], "--reason", "not yet", "--url", url).stdout == f"{finding['id']} is open\n"
    assert sum(up.ask("/v1/overview")["open"].values()) == 1
    assert [one["action"] for one in up.ask(f"/v1/findings/{finding['id']}")["decisions"]] == [
        "reopen",
        "resolve",
        "ack",
    ]
    assert up.rows("SELECT Action, Reason FROM acknowledgements ORDER BY At") == [
        ["ack", "it's being fixed"], ["resolve", "done"], ["reopen", "not yet"],
    ]  # fmt: skip
    refused = telltale("ack", "ffffffff", "--reason", "x", "--url", url)
    assert refused.returncode == 1
    assert "there is no finding" in refused.stderr


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/findings?after=MTIz", 400, "bad_cursor"),
        ("/v1/findings?after=f1.AAAA", 400, "bad_cursor"),
        ("/v1/findings?after=f2.AAAA", 400, "bad_cursor"),
        ("/v1/findings?after=now&wait_s=61", 400, "bad_value"),
        ("/v1/findings?after=now&wait_s=-1", 400, "bad_value"),
        ("/v1/findings?after=now&wait_s=1e3", 400, "bad_value"),
        ("/v1/findings?after=now&status=open", 400, "unknown_parameter"),
        ("/v1/findings?after=now&consumer=x", 400, "bad_combination"),
        ("/v1/findings?consumer=../x", 400, "bad_value"),
        ("/v1/findings?consumer=webhook:x", 400, "bad_value"),
        ("/v1/findings?after=now&max_tokens=1", 400, "bad_value"),
        ("/v1/findings?wait_s=0&every=yes", 400, "bad_value"),
        ("/v1/findings?wait_s=0&min_severity=worst", 400, "bad_value"),
        ("/v1/findings/stream?after=x", 400, "bad_cursor"),
        ("/v1/findings/stream?since=x", 400, "unknown_parameter"),
        ("/v1/webhooks/none", 404, "not_found"),
    ],
)
def test_a_wrong_question_about_the_feed_is_refused_with_its_repair(up: Up, path: str, status: int, code: str) -> None:
    answer = httpx.get(f"http://{up.ready['api']}{path}", timeout=30)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert error["hint"]
    damaged = httpx.get(f"http://{up.ready['api']}/v1/findings/stream", headers={"last-event-id": "f1.x"}, timeout=30)
    assert (damaged.status_code, damaged.json()["error"]["code"]) == (400, "bad_cursor")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/v1/findings/{id}/ack", {}, 400, "missing"),
        ("POST", "/v1/findings/{id}/ack", {"reason": 7}, 400, "bad_value"),
        ("POST", "/v1/findings/{id}/ack", {"reason": "r", "x": 1}, 400, "unknown_parameter"),
        ("POST", "/v1/findings/{id}/ack", [], 400, "bad_json"),
        ("POST", "/v1/findings/none/ack", {"reason": "r"}, 404, "not_found"),
        ("POST", "/v1/findings/{id}/close", {"reason": "r"}, 405, "wrong_method"),
        ("GET", "/v1/consumers/x/ack", None, 405, "wrong_method"),
        ("POST", "/v1/consumers/x/ack", {"cursor": "f1.x"}, 400, "bad_cursor"),
        ("POST", "/v1/consumers/x/ack", {}, 400, "missing"),
        ("POST", "/v1/consumers/unknown/forget", {}, 404, "not_found"),
        ("POST", "/v1/webhooks/none/replay", {}, 404, "not_found"),
    ],
)
def test_a_wrong_change_is_refused(up: Up, method: str, path: str, body: Any, status: int, code: str) -> None:  # noqa: PLR0917
    url = f"http://{up.ready['api']}{path.format(id=up.findings()[0]['id'])}"
    answer = httpx.request(method, url, json=body, timeout=30)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
