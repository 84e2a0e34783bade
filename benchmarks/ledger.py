"""A ledger against kill -9: what was acknowledged is stored once, and the findings are those of a calm run.

A producer sends numbered requests to a real `telltale up`, each once, and notes which were acknowledged, while the
process is killed again and again. Afterwards the store is compared with the notes, and the findings with those of a
second process that was sent the stored requests and left alone.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Final, Protocol

from benchmarks import report
from benchmarks.loops import Sender, body_of, same_call
from benchmarks.spans import PlainSpan, spans
from demo.server import PAGE_ROWS, Server
from schemas.finding import QUIET

SPANS_PER_REQUEST: Final = 16
LOOP_CALLS: Final = 6
PAUSE_S: Final = 0.01
REQUEST_NS: Final = 200_000_000
"""Event time from one request to the next. All requests together span minutes, so that no loop is over because its
session went quiet: in a process without input event time follows the clock, and the two processes wait differently."""
CALM_TOGETHER: Final = 32
"""Requests that the calm process gets at once."""
SETTLED_WITHIN_S: Final = 60.0
STORED_SQL: Final = (
    "SELECT SpanAttributes['ledger.request'] AS request, count() AS spans, uniqExact(SpanId) AS ids "
    "FROM otel_traces GROUP BY request ORDER BY request"
)

COUNT_SQL: Final = "SELECT uniqExact(SpanAttributes['ledger.request']) AS requests, count() AS spans FROM otel_traces"

Stored = dict[int, tuple[int, int]]
"""Request number -> spans stored, distinct spans stored."""


class Asked(Protocol):
    """Whoever answers questions about what is stored."""

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a SELECT."""
        ...

    def findings(self) -> list[dict[str, Any]]:
        """All findings in their present state."""
        ...


Conclusions = dict[str, tuple[str, ...]]
"""Finding id -> what was concluded."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the ledger says after the last restart."""

    kills: int
    sent: int
    acknowledged: int
    stored: int
    """Requests; more than acknowledged, where the process was killed between storing and answering."""
    lost: list[int]
    """Acknowledged and not stored."""
    wrong: Stored
    """Stored more than once, or in part."""
    findings: Conclusions
    calm_findings: Conclusions


@dataclass
class Producer:
    """Sends numbered requests, each once, and keeps the numbers of those that were acknowledged."""

    start_unix_nano: int
    request_ns: int = REQUEST_NS
    address: str = ""
    number: int = 0
    acknowledged: list[int] = field(default_factory=list)
    _may_send: Event = field(default_factory=Event)
    _stop: Event = field(default_factory=Event)
    _lock: Lock = field(default_factory=Lock)

    def run(self) -> None:
        """Until `finish`; a request that fails is not sent again."""
        sender: Sender | None = None
        while not self._stop.is_set():
            if not self._may_send.wait(0.05):
                continue
            number = self.take()
            try:
                body = self.body(number)
                sender = sender or Sender.to(self.address, timeout_s=5)
                sender.post(body)
            except OSError:
                if sender is not None:
                    sender.close()
                sender = None
            else:
                self.acknowledged.append(number)
            self.pace()
        if sender is not None:
            sender.close()

    def take(self) -> int:
        """The number of the next request."""
        with self._lock:
            number, self.number = self.number, self.number + 1
        return number

    def pace(self) -> None:
        """Wait before the next request."""
        time.sleep(PAUSE_S)

    def body(self, number: int) -> bytes:
        """Request `number`, always the same."""
        return body_of(*request_spans(number, self.start_unix_nano, self.request_ns))

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


def request_spans(number: int, start_unix_nano: int, request_ns: int = REQUEST_NS) -> list[PlainSpan]:
    """The spans of request `number`, each naming it: healthy work, and one call of a session that loops."""
    at = start_unix_nano + number * request_ns
    chosen = list(spans(SPANS_PER_REQUEST - 1, seed=number, start_unix_nano=at))
    loop, step = divmod(number, LOOP_CALLS)
    loop_start = start_unix_nano + loop * LOOP_CALLS * request_ns
    chosen.append(same_call(f"1009{loop:08x}", step, loop_start, request_ns))
    for span in chosen:
        span.attributes["ledger.request"] = f"{number:08d}"
    return chosen


def run(folder: Path, kills: int, seed: int = 20) -> Outcome:
    """Kill, restart, compare."""
    producer = Producer(time.time_ns() - 3_600_000_000_000)
    kill_repeatedly(folder / "killed", producer, kills, random.Random(seed))
    server = Server.start(folder / "killed")
    try:
        found = settled(server, len(producer.acknowledged))
        calm = calm_run(folder / "calm", producer, found)
        here = agreed(server, calm)
    finally:
        server.stop()
    return Outcome(
        kills=kills,
        sent=producer.number,
        acknowledged=len(producer.acknowledged),
        stored=len(found),
        lost=sorted(set(producer.acknowledged) - set(found)),
        wrong={number: counts for number, counts in found.items() if counts != (SPANS_PER_REQUEST,) * 2},
        findings=here,
        calm_findings=calm,
    )


def kill_repeatedly(folder: Path, producer: Producer, kills: int, rng: random.Random) -> None:
    """Start, let the producer send for up to a second, kill."""
    sending = Thread(target=producer.run, daemon=True)
    sending.start()
    for _ in range(kills):
        server = Server.start(folder)
        producer.resume(server.otlp_http)
        time.sleep(rng.uniform(0.05, 1.0))
        server.kill()
        producer.pause()
    producer.finish()
    sending.join(30)


def calm_run(folder: Path, producer: Producer, found: Mapping[int, Any]) -> Conclusions:
    """The conclusions of a process that got the stored requests in order and was left alone.

    It gets some together: of a message, the bytes of one after those of another are both (protobuf, repeated fields).
    """
    server = Server.start(folder)
    try:
        sender = Sender.to(server.otlp_http)
        numbers = sorted(found)
        for at in range(0, len(numbers), CALM_TOGETHER):
            sender.post(b"".join(producer.body(number) for number in numbers[at : at + CALM_TOGETHER]))
        sender.close()
        settled(server, len(found))
        return steady(server)
    finally:
        server.stop()


def stored(server: Asked) -> Stored:
    """What is stored of each request."""
    found: Stored = {}
    while True:
        rows = server.rows(f"{STORED_SQL} LIMIT {PAGE_ROWS} OFFSET {len(found)}")
        found |= {int(row["request"]): (int(row["spans"]), int(row["ids"])) for row in rows}
        if len(rows) < PAGE_ROWS:
            return found


def settled(server: Asked, requests: int) -> Stored:
    """What is stored once at least `requests` are and no more come, or when none came for a while."""
    before, since = server.rows(COUNT_SQL), time.monotonic()
    while True:
        time.sleep(1.0)
        now = server.rows(COUNT_SQL)
        if now != before:
            before, since = now, time.monotonic()
        elif int(now[0]["requests"]) >= requests or time.monotonic() - since > SETTLED_WITHIN_S:
            return stored(server)


def conclusions(server: Asked) -> Conclusions:
    """What was concluded so far.

    A finding that is over by silence counts as open: silence is judged as the clock goes on, and one process has been
    at work for longer than the other when they are asked.
    """
    keys = ("kind", "session_id", "severity", "status", "count", "wasted", "evidence")
    return {one["id"]: tuple(str({**one, "status": _status(one)}[key]) for key in keys) for one in server.findings()}


def _status(finding: Mapping[str, Any]) -> str:
    over = finding["status"] == "resolved" and finding["reason"] != QUIET
    return "resolved" if over else "open"


def steady(server: Asked) -> Conclusions:
    """The conclusions once they have not changed for two seconds."""
    before, now = None, conclusions(server)
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while before != now and time.monotonic() < deadline:
        time.sleep(2.0)
        before, now = now, conclusions(server)
    return now


def agreed(server: Asked, calm: Conclusions) -> Conclusions:
    """The conclusions of the killed process, as soon as they are those of the calm one or the wait is over."""
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while (here := conclusions(server)) != calm and time.monotonic() < deadline:
        time.sleep(0.5)
    return here


def main(argv: list[str] | None = None) -> int:
    """Run and print the table; 0 = nothing lost, doubled or concluded otherwise."""
    parser = argparse.ArgumentParser(prog="benchmarks.ledger", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--short", action="store_true", help="5 kills")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/ledger.md")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="telltale-bench-") as folder:
        outcome = run(Path(folder), 5 if options.short else options.kills)
    same = "the same" if outcome.findings == outcome.calm_findings else "NOT the same"
    rows = [
        ["kills -9", f"{outcome.kills}"],
        ["requests sent, of 16 spans each", f"{outcome.sent:,}"],
        ["acknowledged", f"{outcome.acknowledged:,}"],
        ["acknowledged and lost", f"{len(outcome.lost)}"],
        ["stored twice or in part", f"{len(outcome.wrong)}"],
        ["findings", f"{len(outcome.findings)}, {same} as in a calm run"],
    ]
    report.publish("ledger", "A ledger against kill -9", report.table(["what", "count"], rows), write=options.write)
    return 1 if outcome.lost or outcome.wrong or outcome.findings != outcome.calm_findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
