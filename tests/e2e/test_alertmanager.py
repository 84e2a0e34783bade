"""A real Alertmanager gets the findings of a real process, tells of them, and hears when they end.

Debian has it, with amtool: `apt-get install prometheus-alertmanager`.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.listening import Received, free_port, listening
from tests.e2e.looping import looping_session
from tests.e2e.running import running, telltale, wait_until

ALERTMANAGER, AMTOOL = shutil.which("prometheus-alertmanager"), shutil.which("amtool")

pytestmark = pytest.mark.skipif(ALERTMANAGER is None or AMTOOL is None, reason="alertmanager is not installed")


@contextlib.contextmanager
def alertmanager(folder: Path, pager_url: str, port: int = 0) -> Iterator[str]:
    """A running server that tells the pager of everything at once; gives its URL."""
    config = folder / "alertmanager.yml"
    config.write_text(
        "route: {receiver: pager, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}\n"
        f"receivers: [{{name: pager, webhook_configs: [{{url: '{pager_url}', send_resolved: true}}]}}]\n"
    )
    url = f"http://127.0.0.1:{port or free_port()}"
    assert ALERTMANAGER is not None
    with (folder / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(
            [ALERTMANAGER, f"--config.file={config}", f"--storage.path={folder / 'alertmanager'}",
             f"--web.listen-address={url.removeprefix('http://')}", "--cluster.listen-address="],
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        wait_until(lambda: _ready(url), (folder / "alertmanager.log").read_text)
        yield url
    finally:
        process.kill()
        process.wait()


def _ready(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{url}/-/ready", trust_env=False).status_code == 200
    return False


def active(url: str) -> list[dict[str, Any]]:
    """The alerts that fire, as amtool sees them."""
    assert AMTOOL is not None
    done = subprocess.run(
        [AMTOOL, "alert", "query", "--alertmanager.url", url, "-o", "json"], capture_output=True, check=True
    )
    return list(json.loads(done.stdout))


def told(pager: Received) -> list[tuple[str, str]]:
    """What the pager was told: status and severity of each alert, in order."""
    return [(alert["status"], alert["labels"]["severity"]) for group in pager.json() for alert in group["alerts"]]


def test_a_finding_fires_escalates_and_ends_in_alertmanager(tmp_path: Path) -> None:
    with listening(Received()) as pager, alertmanager(tmp_path, pager.url) as url:
        file = tmp_path / "notify.toml"
        file.write_text(f'[alertmanager]\nurl = "{url}"\nmin_severity = "suspect"\nresend_s = 2\n')
        with running(tmp_path, "--set", f"notify_file={file}") as up:
            up.store_lines(looping_session(0))
            wait_until(lambda: ("firing", "critical") in told(pager), lambda: told(pager))
            [alert] = wait_until(lambda: [a for a in active(url) if a["labels"]["severity"] == "critical"])
            [finding] = up.findings()
            assert alert["labels"] | {"x": ""} == {
                "alertname": "tool_call_loop", "severity": "critical", "kind": "tool_call_loop", "tool": "Bash",
                "finding_id": finding["id"], "service_name": "claude-code", "operation": "execute_tool", "x": "",
            }  # fmt: skip
            assert alert["annotations"]["summary"].startswith("`Bash` was called 8 times")
            assert alert["annotations"]["command"] == f"telltale findings {finding['id']}"
            # Of what fired before it was critical nothing is left.
            wait_until(lambda: [a["labels"]["severity"] for a in active(url)] == ["critical"], lambda: active(url))
            first = alert["endsAt"]
            wait_until(lambda: active(url)[0]["endsAt"] > first)  # told again: it holds for longer
            assert not [one for one in told(pager) if one == ("resolved", "critical")]
            done = telltale("resolve", finding["id"], "--reason", "fixed", "--url", f"http://{up.ready['api']}")
            assert done.returncode == 0, done.stderr
            wait_until(lambda: active(url) == [], lambda: active(url))
            wait_until(lambda: ("resolved", "critical") in told(pager), lambda: told(pager))


def test_an_alert_of_a_process_that_is_gone_ends_by_itself(tmp_path: Path) -> None:
    with listening(Received()) as pager, alertmanager(tmp_path, pager.url) as url:
        file = tmp_path / "notify.toml"
        file.write_text(f'[alertmanager]\nurl = "{url}"\nmin_severity = "critical"\nresend_s = 1\n')
        with running(tmp_path, "--set", f"notify_file={file}") as up:
            up.store_lines(looping_session(0))
            wait_until(lambda: active(url))
            up.process.kill()
        wait_until(lambda: active(url) == [])
        wait_until(lambda: told(pager)[-1] == ("resolved", "critical"))


def test_an_alertmanager_that_comes_later_hears_of_what_is_open(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, "--set", f"alertmanager_url=http://127.0.0.1:{port}") as up:
        up.store_lines(looping_session(0))
        wait_until(lambda: [one for one in up.findings() if one["severity"] == "critical"])
        with listening(Received()) as pager, alertmanager(tmp_path, pager.url, port) as url:
            wait_until(lambda: [a["labels"]["severity"] for a in active(url)] == ["critical"])
