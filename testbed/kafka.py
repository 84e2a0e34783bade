"""A real Apache Kafka broker of one node (KRaft) for tests and benchmarks, on ports and in a folder of its own.

The jars come from Maven Central once, into the user's cache folder (`TELLTALE_KAFKA_LIBS` names another). Needs Java
17 or newer, and Maven for the first run.
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import platformdirs

from testbed.spawning import spawn

VERSION: Final = "4.1.0"
ARTIFACT: Final = f"org.apache.kafka:kafka_2.13:{VERSION}"
CLUSTER_ID: Final = "dGVsbHRhbGUtdGVzdHMtMQ"
READY_WITHIN_S: Final = 180.0
"""On a machine that is busy with other things; on one that is not it takes 4 s."""

_POM: Final = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>telltale.tests</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version>
  </dependency></dependencies>
</project>
"""

_BASE: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "2",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    "message.max.bytes": "8388608",
    "log.cleaner.dedupe.buffer.size": "16777216",
    "log.cleaner.backoff.ms": "200",
}


class NoBrokerError(Exception):
    """No broker can be had on this machine; the text is the one line that says why."""


@functools.cache
def libraries() -> Path:
    """The folder of the broker's jars, downloaded if it is not there.

    Raises:
        NoBrokerError: Java or Maven is missing, or the download failed.
    """
    if shutil.which("java") is None:
        raise NoBrokerError("no Kafka broker: Java is not installed (Debian: apt-get install openjdk-17-jre-headless)")
    named = os.environ.get("TELLTALE_KAFKA_LIBS")
    libs = Path(named) if named else Path(platformdirs.user_cache_dir("telltale")) / f"kafka-{VERSION}" / "libs"
    if libs.is_dir():
        return libs
    if shutil.which("mvn") is None:
        raise NoBrokerError("no Kafka broker: Maven is not installed (Debian: apt-get install maven)")
    unfinished = libs.with_name(f"download-{os.getpid()}")
    unfinished.mkdir(parents=True)
    (unfinished / "pom.xml").write_text(_POM)
    command = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={unfinished / 'libs'}"]
    done = subprocess.run(command, cwd=unfinished, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoBrokerError(f"no Kafka broker: Maven could not fetch {ARTIFACT}: {done.stdout[-300:].strip()!r}")
    if not libs.is_dir():
        (unfinished / "libs").rename(libs)
    shutil.rmtree(unfinished)
    return libs


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    """One broker. It keeps its folder and ports over `kill` and `start`; `stop` is for good."""

    def __init__(self, folder: Path, properties: Mapping[str, str] | None = None) -> None:
        self._libs = libraries()
        self._folder = folder
        self.port, controller = free_port(), free_port()
        self._properties = _BASE | {
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "log.dirs": str(folder / "data"),
        } | dict(properties or {})  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / "server.properties"
        self._config.write_text("".join(f"{name}={value}\n" for name, value in self._properties.items()))

    def __enter__(self) -> Broker:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """As `--kafka` takes it."""
        return f"kafka://127.0.0.1:{self.port}"

    def format(self, *arguments: str) -> None:
        """Prepare the data folder; `arguments` such as `--add-scram ...`."""
        self._run("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self._config), *arguments)

    def limit_client(self, client_id: str, bytes_per_s: int) -> None:
        """Take no more than this from a client: a quota, by which the broker is slow to answer."""
        limit = f"producer_byte_rate={bytes_per_s}"
        where = ["--bootstrap-server", f"127.0.0.1:{self.port}", "--entity-type", "clients", "--entity-name", client_id]
        self._run("kafka.admin.ConfigCommand", *where, "--alter", "--add-config", limit)

    def start(self) -> None:
        """Start, or start again after `kill`, and wait until it listens."""
        if not (self._folder / "data").exists():
            self.format()
        with (self._folder / "broker.log").open("ab") as log:
            command = self._java("512m", "kafka.Kafka", str(self._config))
            self._process = spawn(command, stdout=log, stderr=log)
        deadline = time.monotonic() + READY_WITHIN_S
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the broker did not start: {(self._folder / 'broker.log').read_text()[-2000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End it at once, as a crash does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def _run(self, *command: str) -> None:
        done = subprocess.run(self._java("128m", *command), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1.0)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _java(self, heap: str, *arguments: str) -> list[str]:
        return ["java", f"-Xmx{heap}", "-XX:+UseSerialGC", "-cp", f"{self._libs}/*", *arguments]
