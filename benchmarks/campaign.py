"""The crash campaign: a fleet on a real Kafka and ClickHouse's engine, killed, paused and starved in every way.

    python -m benchmarks.campaign --kills 100 --write
    python -m benchmarks.campaign --short --only "receiver killed"

Requests of 16 spans, each with its number, go to a receiver, each once; then every acknowledged one has to be stored,
none twice or in part, and the findings have to be those of a process that got the stored requests undisturbed.
"""

from __future__ import annotations

import argparse
import random
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, Final

from benchmarks import ledger, report
from benchmarks.disturbances import DISTURBANCES
from benchmarks.ledger import Conclusions, Producer, Stored
from benchmarks.processes import PeakMemory
from benchmarks.scene import SESSION_S, Scene
from benchmarks.scratch import keep_logs, scratch
from demo.server import Api
from testbed.clickhouse.process import ServerProcess
from testbed.fleet import Fleet
from testbed.kafka import Broker

REQUEST_NS: Final = 20_000_000
"""Event time from one request to the next, which is also the pace: 50 requests, 800 spans a second."""
PARTITIONS: Final = 3
SHORT_KILLS: Final = 5
STATUS: Final = 3
"""Place of the status in a conclusion."""


class PacedProducer(Producer):
    """Sends each request at its own event time, so that event time and clock go on together."""

    def pace(self) -> None:
        """Wait for the time of the next request."""
        due_s = (self.start_unix_nano + self.number * self.request_ns - time.time_ns()) / 1e9
        time.sleep(max(0.0, due_s))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the ledger says after one disturbance."""

    name: str
    rounds: int
    deaths: dict[str, int]
    """Where a process was killed, or killed itself -> how often."""
    sent: int
    acknowledged: int
    lost: list[int]
    wrong: Stored
    problems: list[str]
    """What a check of the disturbance's own found wrong."""
    notes: list[str]
    findings: Conclusions
    calm_findings: Conclusions
    settled_s: float
    """From the end of the disturbance until everything was stored."""
    peak_bytes: dict[str, int]
    """Role -> the most resident memory of one of its processes."""

    @property
    def right(self) -> bool:
        """Nothing lost, nothing twice, nothing concluded otherwise."""
        return not self.lost and not self.wrong and not self.problems and self.findings == self.calm_findings


def run(folder: Path, name: str, kills: int, seed: int = 1, within_s: float = float("inf")) -> Outcome:
    """One disturbance from beginning to end; no round begins after `within_s`."""
    rounds = max(1, round(kills * DISTURBANCES[name][1]))
    settings = {"create_topics": 1, "partitions": PARTITIONS, "kafka_session_timeout_s": SESSION_S}
    with (
        Broker(folder / "broker") as broker,
        ServerProcess(folder / "store") as store,
        Fleet(folder / "fleet", broker.url, store.url, **settings) as fleet,
        PeakMemory(fleet) as peak,
    ):
        producer = PacedProducer(time.time_ns(), REQUEST_NS)
        scene = Scene(broker, store, fleet, producer, folder, random.Random(seed), ends_at=time.monotonic() + within_s)
        _disturb(scene, name, rounds)
        return _judge(scene, name, peak)


def _disturb(scene: Scene, name: str, rounds: int) -> None:
    producer = scene.producer
    for _ in range(2):
        scene.worker()
    producer.start_unix_nano = time.time_ns() + 3_000_000_000
    sending = Thread(target=producer.run, daemon=True)
    sending.start()
    scene.receive()
    time.sleep(4)
    DISTURBANCES[name][0](scene, rounds)
    time.sleep(1)
    producer.finish()
    sending.join(60)


def _judge(scene: Scene, name: str, peak: PeakMemory) -> Outcome:
    producer = scene.producer
    ended = time.monotonic()
    api = FleetApi(f"http://{scene.fleet.start('api').addresses['api']}", scene)
    found = ledger.settled(api, len(producer.acknowledged))
    settled_s = time.monotonic() - ended
    calm = ledger.calm_run(scene.folder / "calm", producer, found)
    here = ledger.agreed(api, calm)
    _write_differences(scene.folder / "differences.log", here, calm)
    wanted = (ledger.SPANS_PER_REQUEST,) * 2
    return Outcome(
        name, scene.done, scene.deaths, producer.number, len(producer.acknowledged),
        lost=sorted(set(producer.acknowledged) - set(found)),
        wrong={number: counts for number, counts in found.items() if counts != wanted},
        problems=[wrong for check in scene.checks if (wrong := check(found))],
        notes=scene.notes, findings=here, calm_findings=calm, settled_s=settled_s, peak_bytes=dict(peak.bytes),
    )  # fmt: skip


def _write_differences(log: Path, here: Conclusions, calm: Conclusions) -> None:
    """Leave every finding that is not that of the calm run, both as they are, beside the other logs."""
    different = sorted(one for one in here.keys() | calm.keys() if here.get(one) != calm.get(one))
    log.write_text("".join(f"{one}\n  here {here.get(one)}\n  calm {calm.get(one)}\n" for one in different))


class FleetApi(Api):
    """Asks the API for findings, and the store itself for rows: there are more than the API would show."""

    def __init__(self, url: str, scene: Scene) -> None:
        super().__init__(url, within_s=60)
        self._scene = scene

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a SELECT; workers that ended meanwhile are started again."""
        self._scene.supervise()
        return self._scene.store.rows(sql)


def differences(here: Conclusions, calm: Conclusions) -> dict[str, int]:
    """How many findings are not those of the calm run, and in what way."""
    more = here.keys() - calm.keys()
    resolved = sum(here[one][STATUS] == "resolved" for one in more)
    both = here.keys() & calm.keys()
    return {
        "missing": len(calm.keys() - here.keys()),
        "more, open": len(more) - resolved,
        "more, resolved": resolved,
        "other severity or session": sum(here[one][:STATUS] != calm[one][:STATUS] for one in both),
        "other status, count or evidence": sum(
            here[one][:STATUS] == calm[one][:STATUS] and here[one] != calm[one] for one in both
        ),
    }


def row(outcome: Outcome) -> list[str]:
    """One line of the table."""
    different = [
        f"{count} {how}" for how, count in differences(outcome.findings, outcome.calm_findings).items() if count
    ]
    peak = ", ".join(f"{role} {size / 1e6:.0f}" for role, size in sorted(outcome.peak_bytes.items()) if role != "api")
    return [
        outcome.name,
        str(outcome.rounds),
        str(sum(count for place, count in outcome.deaths.items() if not place.startswith("not killed"))),
        f"{outcome.sent * ledger.SPANS_PER_REQUEST:,}",
        f"{outcome.acknowledged * ledger.SPANS_PER_REQUEST:,}",
        str(len(outcome.lost) * ledger.SPANS_PER_REQUEST),
        str(len(outcome.wrong)),
        f"{len(outcome.calm_findings)}: {', '.join(different) or 'the same'}",
        peak,
        "; ".join([*outcome.notes, *(f"**{problem}**" for problem in outcome.problems)]),
    ]


HEADER: Final = (
    "disturbance", "rounds", "kills -9", "spans sent", "acknowledged", "lost", "requests stored twice or in part",
    "findings of a calm run: what differs", "most memory, MB", "also",
)  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run and print the table; 0 = nothing lost, doubled or concluded otherwise."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.campaign", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20, help="of workers; other disturbances are scaled by it")
    parser.add_argument("--short", action="store_true", help=f"{SHORT_KILLS} kills")
    parser.add_argument("--only", action="append", choices=sorted(DISTURBANCES), help="this disturbance; many times")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="of each disturbance, at most; the table says what was done"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/campaign.md")
    options = parser.parse_args(argv)
    outcomes, rows = [], []
    for name in options.only or DISTURBANCES:
        kills = SHORT_KILLS if options.short else options.kills
        try:
            with scratch() as folder:
                outcome = run(folder, name, kills, options.seed, options.minutes * 60)
                if not outcome.right:
                    keep_logs(folder)
        except Exception as error:  # the others are still worth running, and the exit status tells
            traceback.print_exc()
            said = " ".join(str(error).split())[:200]
            rows.append([name, *[""] * (len(HEADER) - 2), f"**did not come to its end: {said}**"])
        else:
            outcomes.append(outcome)
            rows.append(row(outcome))
        print("|", " | ".join(rows[-1]), "|", flush=True)
    deaths = sum((Counter(one.deaths) for one in outcomes), Counter())
    where = "\n".join(f"- {place}: {count}" for place, count in deaths.most_common())
    body = f"{report.table(HEADER, rows)}\n\nWhere processes were killed, or ended by themselves:\n\n{where}"
    report.publish("campaign", "The crash campaign over Kafka", body, write=options.write)
    return 0 if len(outcomes) == len(rows) and all(one.right for one in outcomes) else 1


if __name__ == "__main__":
    raise SystemExit(main())
