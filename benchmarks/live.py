"""A real `telltale up` from outside: ready time, delay of findings, memory at rest and under steady load."""

from __future__ import annotations

import argparse
import secrets
import tempfile
import time
from pathlib import Path
from statistics import quantiles

from benchmarks import report, spans
from benchmarks.loops import Sender, body_of, same_call
from demo.server import Server

TARGETS = {"ready": "under 5 s", "delay": "p95 under 3 s", "idle": "under 500 MB", "load": "flat"}
CALLS_OF_A_LOOP = 4
"""The fourth equal call is the one that must bring a finding of severity `warning`."""
FOUND_WITHIN_S = 30.0
LOAD_MESSAGE_SPANS = 100
LOAD_MESSAGES_PER_S = 10


def main(argv: list[str] | None = None) -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.live", description=__doc__)
    parser.add_argument("--loops", type=int, default=30, help="sessions that loop")
    parser.add_argument("--load-s", type=float, default=600.0, help="seconds of steady load")
    parser.add_argument("--short", action="store_true", help="30 loops, 60 s of load")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/live.md")
    options = parser.parse_args(argv)
    load_s = 60.0 if options.short else options.load_s
    with tempfile.TemporaryDirectory(prefix="telltale-bench-") as folder:
        server = Server.start(Path(folder))
        try:
            rows = [["ready (a fresh folder)", f"{server.ready_s:.2f} s", TARGETS["ready"]]]
            time.sleep(5)
            rows.append(["resident memory at rest", f"{resident_mb(server):.0f} MB", TARGETS["idle"]])
            rows += delay_rows(server, options.loops)
            rows += load_rows(server, load_s)
        finally:
            server.stop()
        again = Server.start(Path(folder))
        rows.insert(1, ["ready (that folder again)", f"{again.ready_s:.2f} s", TARGETS["ready"]])
        again.stop()
    body = report.table(["measure", "value", "target"], rows)
    report.publish("live", "A running telltale up", body, write=options.write)
    return 0


def delay_rows(server: Server, loops: int) -> list[list[str]]:
    """From the acknowledgement of a loop's fourth span to the finding being readable, over several sessions."""
    sender = Sender.to(server.otlp_http)
    delays = sorted(finding_delay_s(server, sender) for _ in range(loops))
    sender.close()
    cut = quantiles(delays, n=20, method="inclusive")
    what = f"last span of a loop acknowledged -> finding readable, {loops} loops"
    return [[f"{what}, p50", f"{cut[9]:.2f} s", ""], [f"{what}, p95", f"{cut[18]:.2f} s", TARGETS["delay"]]]


def finding_delay_s(server: Server, sender: Sender) -> float:
    """Of one loop; raises RuntimeError when it is not found."""
    session = secrets.token_hex(16)
    start_ns = time.time_ns() - CALLS_OF_A_LOOP * 1_000_000_000
    for number in range(CALLS_OF_A_LOOP):
        sender.post(body_of(same_call(session, number, start_ns)))
    acknowledged = time.monotonic()
    while time.monotonic() - acknowledged < FOUND_WITHIN_S:
        if any(f["severity"] != "suspect" for f in server.findings(session=session)):
            return time.monotonic() - acknowledged
        time.sleep(0.02)
    raise RuntimeError(f"the loop of session {session} was not found within {FOUND_WITHIN_S:.0f} s")


def load_rows(server: Server, seconds: float) -> list[list[str]]:
    """Resident memory under steady load: the first and the last fifth of the time."""
    sender = Sender.to(server.otlp_http)
    samples: list[float] = []
    source = spans.spans(10**9, start_unix_nano=time.time_ns())
    started = time.monotonic()
    sent = 0
    while (now := time.monotonic()) - started < seconds:
        sender.post(body_of(*[next(source) for _ in range(LOAD_MESSAGE_SPANS)]))
        sent += 1
        if sent % LOAD_MESSAGES_PER_S == 0:
            samples.append(resident_mb(server))
        time.sleep(max(0.0, started + sent / LOAD_MESSAGES_PER_S - now))
    sender.close()
    fifth = max(1, len(samples) // 5)
    first, last = max(samples[fifth : 2 * fifth] or samples), max(samples[-fifth:])
    rate = f"{sent * LOAD_MESSAGE_SPANS / seconds:,.0f} spans a second for {seconds:.0f} s"
    return [
        [f"resident memory under load, {rate}: highest in the second fifth", f"{first:.0f} MB", ""],
        ["the same: highest in the last fifth", f"{last:.0f} MB", TARGETS["load"]],
    ]


def resident_mb(server: Server) -> float:
    """Resident memory of the server's process."""
    for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no resident size is known for the server's process")


if __name__ == "__main__":
    raise SystemExit(main())
