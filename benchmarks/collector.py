"""The OpenTelemetry Collector as the baseline: built once with its own builder, run on the same messages.

Its pipeline is kafkareceiver -> batch -> clickhouseexporter, traces only, without compression. Needs Go for the first
build (some minutes); the binary is kept in the user's cache folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import platformdirs

VERSION: Final = "0.155.0"
BUILDER: Final = f"go.opentelemetry.io/collector/cmd/builder@v{VERSION}"
RECIPE: Final = Path(__file__).with_name("collector-builder.yaml")
CONFIG: Final = """\
receivers:
  kafka:
    brokers: ["{broker}"]
    group_id: {group}
    initial_offset: earliest
    traces: {{topics: [otlp_spans], encoding: otlp_proto}}
processors:
  batch: {{timeout: 1s, send_batch_size: 20000}}
exporters:
  clickhouse:
    endpoint: {store}
    database: otel
    compress: none
    create_schema: true
    timeout: 30s
    sending_queue: {{enabled: true, queue_size: 200}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [kafka], processors: [batch], exporters: [clickhouse]}}
"""


class NoCollectorError(Exception):
    """The Collector cannot be had on this machine; the text is the one line that says why."""


def binary() -> Path:
    """The Collector, built if it is not there yet; raises NoCollectorError."""
    folder = Path(platformdirs.user_cache_dir("telltale")) / f"collector-{VERSION}"
    built = folder / "otelbase"
    if built.exists():
        return built
    if shutil.which("go") is None:
        raise NoCollectorError("no Collector to compare with: Go is not installed (Debian: apt-get install golang)")
    unfinished = folder / f"build-{os.getpid()}"
    unfinished.mkdir(parents=True)
    print(f"building the OpenTelemetry Collector {VERSION}, once: some minutes", flush=True)
    for command in (["go", "install", BUILDER], [str(unfinished / "builder"), f"--config={RECIPE}"]):
        environment = os.environ | {"GOBIN": str(unfinished)}
        done = subprocess.run(command, cwd=unfinished, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoCollectorError(f"no Collector to compare with: {command[0]} failed: {done.stderr[-500:].strip()}")
    (unfinished / "otelbase").rename(built)
    shutil.rmtree(unfinished)
    return built


def command(folder: Path, broker: str, store: str, group: str) -> list[str]:
    """The command that runs it.

    Args:
        folder: Where its configuration is written.
        broker: HOST:PORT of Kafka.
        store: URL of ClickHouse.
        group: Consumer group; a new one reads everything.
    """
    config = folder / f"{group}.yaml"
    config.write_text(CONFIG.format(broker=broker, store=store, group=group))
    return [str(binary()), "--config", str(config)]
