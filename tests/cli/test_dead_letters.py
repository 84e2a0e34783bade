"""`telltale dead-letters` on one machine: the running process has log and store, and is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.transport.log import open_log
from schemas.topics import SPANS
from tests.cli.conftest import Run
from tests.cli.test_up import up, wait_until

__all__ = ["up"]  # the fixture


def misshapen() -> bytes:
    """A request that can be parsed, with an id that is none."""
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(trace_id=b"abc", name="\x1b[31mname")
    return bytes(request.SerializeToString())


def listed(run: Run, url: str) -> dict[str, Any]:
    return {
        one["id"]: one for one in json.loads(run("dead-letters", "list", "--json", "--url", url).stdout)["dead_letters"]
    }


@pytest.fixture
async def buried(tmp_path: Path) -> None:
    """Before the process starts its log holds what its receiver would refuse."""
    log = open_log(tmp_path / "data" / "log")
    log.create(SPANS.name, 1)
    await log.append(SPANS.name, misshapen())
    log.close()


@pytest.mark.usefixtures("buried")
def test_a_letter_is_shown_and_put_back_once_through_the_running_process(up: Any, run: Run) -> None:
    _, ready = up
    url = f"http://{ready['api']}"
    wait_until(lambda: listed(run, url), 120)
    (first,) = listed(run, url)
    shown = run("dead-letters", "show", first, "--url", url)
    assert "trace_id must have 16 bytes" in shown.stdout
    assert "61 62 63" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert run("dead-letters", "replay", first, "--dry-run", "--url", url).stdout.startswith(f"{first}  would send")
    assert run("dead-letters", "replay", "--all", "--url", url).returncode == 0
    wait_until(lambda: len(listed(run, url)) == 2, 120)
    again = listed(run, url)
    assert {one["replay_of"] for one in again.values()} == {None, first}
    refused = run("dead-letters", "replay", first, "--url", url)
    assert refused.returncode == 1
    assert "refused: it was put back at" in refused.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["replay"], 64, "which letters?"),
        (["list", "--url", "http://127.0.0.1:1"], 2, "no Telltale answers"),
        (["list", "--clickhouse", "http://127.0.0.1:1/x"], 2, "no ClickHouse answers"),
        (["list", "--since", "never", "--clickhouse", "http://127.0.0.1:1/x"], 64, "30m, 2h, 7d before now"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_repair(run: Run, arguments: list[str], status: int, says: str) -> None:
    done = run("dead-letters", *arguments)
    assert (done.returncode, says in done.stderr) == (status, True), done.stderr


@pytest.mark.parametrize("command", ["list", "show", "replay"])
def test_help_of_each_shows_examples_and_statuses(run: Run, command: str) -> None:
    shown = run("dead-letters", command, "--help").stdout
    assert f"telltale dead-letters {command}" in shown
    assert "Exit status: 0" in shown


def test_an_api_without_a_log_puts_nothing_back_and_says_who_does(ask: Run) -> None:
    done = ask("dead-letters", "list")
    assert (done.returncode, done.stdout) == (0, "no dead letters\n")
    assert ask("dead-letters", "show", "otlp_spans:0:1").returncode == 1
    assert "1 not found" in ask("dead-letters", "replay", "otlp_spans:0:1").stdout
