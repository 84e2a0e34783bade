"""A real Prometheus scrapes a real process while agents send to it; promtool reads what it scrapes.

Debian has both in one package: `apt-get install prometheus`.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.e2e.running import PROTOBUF, Up, capture_lines, running, wait_until

PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
AGENT = "claude-details-httpproto-B"
FRAMEWORK = "pydanticai-v5-B"
TOKENS = "claude_code_token_usage_tokens_total"
TOKENS_SENT = "claude_code.token.usage"

pytestmark = pytest.mark.skipif(PROMETHEUS is None or PROMTOOL is None, reason="prometheus is not installed")


class Prometheus:
    """A running server and its query API."""

    def __init__(self, address: str) -> None:
        self._url = f"http://{address}/api/v1"
        self.tokens_seen: list[float] = []
        """What the agent's counter stood at after each of its requests."""

    def query(self, text: str) -> list[dict[str, Any]]:
        """The samples of an instant query; none while it starts."""
        try:
            answer = httpx.get(f"{self._url}/query", params={"query": text}, trust_env=False, timeout=30).json()
        except (httpx.HTTPError, ValueError):
            return []
        return list(answer["data"]["result"]) if answer["status"] == "success" else []

    def value(self, text: str) -> float:
        """The value of a query with one sample at most; 0 where there is none."""
        found = self.query(text)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else 0.0


@contextlib.contextmanager
def scraping(target: str, folder: Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes `target` every two seconds; after a scrape that was late it shows nothing."""
    config = folder / "prometheus.yml"
    config.write_text(
        "scrape_configs: [{job_name: telltale, scrape_interval: 2s, scrape_timeout: 2s, "
        f"static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    arguments = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'db'}", f"--web.listen-address={address}"]
    with subprocess.Popen([str(PROMETHEUS), *arguments], stderr=subprocess.DEVNULL) as process:
        try:
            yield Prometheus(address)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running(tmp_path_factory.mktemp("up")) as up:
        yield up


@pytest.fixture(scope="module")
def prometheus(up: Up, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Everything was posted: the agent's metrics one request at a time, each scraped before the next."""
    with scraping(up.ready["api"], tmp_path_factory.mktemp("prometheus")) as prometheus:
        wait_until(lambda: prometheus.value("telltale_build_info") == 1)
        up.store_lines(capture_lines(FRAMEWORK))
        up.post("traces", b"\xff\xff", PROTOBUF)
        for line in capture_lines(AGENT):
            up.store_lines([line])
            if sent := tokens_in(line):
                prometheus.tokens_seen.append(sum(prometheus.tokens_seen[-1:]) + sent)
                wait_until(lambda: prometheus.value(f"sum({TOKENS})") == prometheus.tokens_seen[-1])
        up.settle()
        wait_until(lambda: prometheus.value("sum(telltale_pipeline_lag_messages)") == 0)
        yield prometheus


def tokens_in(line: bytes) -> float:
    """The sum of the deltas in one request."""
    return sum(
        float(point.get("asDouble", point.get("asInt", 0)))
        for resource in orjson.loads(line).get("resourceMetrics", ())
        for scope in resource["scopeMetrics"]
        for metric in scope["metrics"]
        if metric["name"] == TOKENS_SENT
        for point in metric["sum"]["dataPoints"]
    )


def test_an_agents_deltas_are_a_counter_that_only_grows(prometheus: Prometheus) -> None:
    assert len(prometheus.tokens_seen) > 1
    wait_until(lambda: prometheus.value(f"sum({TOKENS})") == prometheus.tokens_seen[-1])
    grown = wait_until(lambda: prometheus.query(f"max_over_time(sum({TOKENS})[10m:1s]) - sum({TOKENS})"))
    assert [float(one["value"][1]) for one in grown] == [0.0]
    assert prometheus.value(f"sum(resets({TOKENS}[10m]))") == 0
    of_main = f'{TOKENS}{{type="output",query_source="main"}}'
    [labels] = [one["metric"] for one in wait_until(lambda: prometheus.query(of_main))]
    assert labels["service_name"] == "claude-code"
    assert not {"session_id", "user_id"} & set(labels)


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ('sum(telltale_findings_opened_total{rule="tool_call_loop",severity="critical"})', 2),
        ('sum(telltale_findings_open{rule="tool_call_loop"})', 2),
        ('sum(telltale_series_observations_total{operation="execute_tool"})', 16),
        ('sum(telltale_series_errors_total{operation="execute_tool"})', 16),
        ('sum(telltale_series_observations_total{operation="chat"})', 18),
        ('telltale_receiver_requests_total{outcome="malformed",signal="traces",transport="http"}', 1),
        ('sum(telltale_pipeline_stored_rows_total{table="tool_calls"})', 16),
        ("sum(telltale_pipeline_dead_letters_total) or vector(0)", 0),
        ('up{job="telltale"}', 1),
    ],
)
def test_what_happened_can_be_asked_of_prometheus(prometheus: Prometheus, query: str, value: float) -> None:
    wait_until(lambda: prometheus.value(query) == value, lambda: (query, prometheus.query(query)))


def test_durations_are_histograms_with_quantiles(prometheus: Prometheus) -> None:
    quantile = 'histogram_quantile(0.5, sum by (le) (telltale_series_duration_seconds_bucket{operation="chat"}))'
    [median] = wait_until(lambda: prometheus.query(quantile))
    assert 0 < float(median["value"][1]) < 60
    wait_until(lambda: prometheus.value("telltale_pipeline_insert_duration_seconds_count") >= 1)
    wait_until(lambda: prometheus.value("telltale_pipeline_watermark_timestamp_seconds") > 1_795_000_000)


def test_promtool_finds_nothing_wrong_with_what_a_busy_process_shows(up: Up, prometheus: Prometheus) -> None:
    del prometheus  # everything was posted
    done = subprocess.run(
        [str(PROMTOOL), "check", "metrics"], input=up.exposition().encode(), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
