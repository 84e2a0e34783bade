"""A ledger: what was acknowledged is stored once, whenever the process is killed, and the findings are the same."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from benchmarks.loops import Sender, body_of, same_call
from benchmarks.spans import PlainSpan, spans
from demo.server import Server

KILLS = 20
SETTLED_WITHIN_S = 60.0
SPANS_PER_REQUEST = 16
LOOP_CALLS = 6
PAUSE_S = 0.01
PAGE_ROWS = 200
STORED_SQL = (
    "SELECT SpanAttributes['ledger.request'] AS request, count() AS spans, uniqExact(SpanId) AS ids "
    "FROM otel_traces GROUP BY request ORDER BY request"
)


def request_spans(number: int, start_unix_nano: int) -> list[PlainSpan]:
    """The spans of request `number`, each naming the request: healthy work, and one call of a session that loops."""
    at = start_unix_nano + number * 1_000_000_000
    chosen = list(spans(SPANS_PER_REQUEST - 1, seed=number, start_unix_nano=at))
    loop_session = f"1009{number // LOOP_CALLS:08x}"
    chosen.append(same_call(loop_session, number % LOOP_CALLS, start_unix_nano + number // LOOP_CALLS * 6_000_000_000))
    for span in chosen:
        span.attributes["ledger.request"] = f"{number:08d}"
    return chosen


@dataclass
class Producer:
    """Sends numbered requests, each once, and keeps the numbers of those that were acknowledged."""

    start_unix_nano: int
    address: str = ""
    number: int = 0
    acknowledged: list[int] = field(default_factory=list)
    _may_send: Event = field(default_factory=Event)
    _stop: Event = field(default_factory=Event)

    def run(self) -> None:
        """Until `finish`; a request that fails is not sent again."""
        sender: Sender | None = None
        while not self._stop.is_set():
            if not self._may_send.wait(0.05):
                continue
            number, self.number = self.number, self.number + 1
            body = body_of(*request_spans(number, self.start_unix_nano))
            try:
                sender = sender or Sender.to(self.address, timeout_s=5)
                sender.post(body)
            except OSError:
                sender = None
                time.sleep(PAUSE_S)
            else:
                self.acknowledged.append(number)
            time.sleep(PAUSE_S)

    def resume(self, address: str) -> None:
        """Send to HOST:PORT from now on."""
        self.address = address
        self._may_send.set()

    def pause(self) -> None:
        """Send nothing until `resume`."""
        self._may_send.clear()

    def finish(self) -> None:
        """End `run`."""
        self._stop.set()


def stored(server: Server) -> dict[int, tuple[int, int]]:
    """Request number -> spans stored, distinct spans stored."""
    found: dict[int, tuple[int, int]] = {}
    while True:
        rows = server.rows(f"{STORED_SQL} LIMIT {PAGE_ROWS} OFFSET {len(found)}")
        found |= {int(row["request"]): (int(row["spans"]), int(row["ids"])) for row in rows}
        if len(rows) < PAGE_ROWS:
            return found


def conclusions(server: Server) -> dict[str, tuple[Any, ...]]:
    """Finding id -> what was concluded."""
    keys = ("kind", "session_id", "severity", "status", "count", "evidence")
    return {finding["id"]: tuple(str(finding[key]) for key in keys) for finding in server.findings()}


def settled(server: Server, requests: int) -> dict[int, tuple[int, int]]:
    """What is stored once at least `requests` are, or when the wait is over."""
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while len(found := stored(server)) < requests and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[tuple[Producer, Server]]:
    """A server that was killed again and again while a producer sent to it, and runs once more."""
    rng = random.Random(20)
    producer = Producer(time.time_ns() - 3_600_000_000_000)
    sending = Thread(target=producer.run, daemon=True)
    sending.start()
    for _ in range(KILLS):
        server = Server.start(tmp_path / "killed")
        producer.resume(server.otlp_http)
        time.sleep(rng.uniform(0.05, 1.0))
        server.kill()
        producer.pause()
    producer.finish()
    sending.join(30)
    server = Server.start(tmp_path / "killed")
    yield producer, server
    server.stop()


def test_every_acknowledged_span_is_stored_once_and_the_findings_are_those_of_a_calm_run(
    killed: tuple[Producer, Server], tmp_path: Path
) -> None:
    producer, server = killed
    assert len(producer.acknowledged) > KILLS
    found = settled(server, len(producer.acknowledged))
    assert set(producer.acknowledged) - set(found) == set(), "acknowledged and lost"
    assert {n: counts for n, counts in found.items() if counts != (SPANS_PER_REQUEST,) * 2} == {}, "doubled or torn"

    calm = Server.start(tmp_path / "calm")
    try:
        sender = Sender.to(calm.otlp_http)
        for number in sorted(found):
            sender.post(body_of(*request_spans(number, producer.start_unix_nano)))
        sender.close()
        assert settled(calm, len(found)) == found
        deadline = time.monotonic() + SETTLED_WITHIN_S
        while (here := conclusions(server)) != (there := conclusions(calm)) and time.monotonic() < deadline:
            time.sleep(0.5)
    finally:
        calm.stop()
    assert here == there
    assert any("tool_call_loop" in conclusion for conclusion in here.values())
