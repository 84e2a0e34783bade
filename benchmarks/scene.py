"""A fleet under load, as a disturbance of the crash campaign finds it."""

from __future__ import annotations

import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.ledger import COUNT_SQL, SPANS_PER_REQUEST, Producer, Stored
from testbed.clickhouse.process import ServerProcess
from testbed.fleet import Fleet, ProcessFailedError, RoleProcess
from testbed.kafka import Broker

SESSION_S: Final = 6.0
"""So soon is a worker given up; the least that brokers allow."""
STORED_WITHIN_S: Final = 120.0
TRIES: Final = 3


class NotStoredError(Exception):
    """The fleet did not store what it had taken, in time."""


@dataclass
class Scene:
    """The parts, and what a disturbance says about itself."""

    broker: Broker
    store: ServerProcess
    fleet: Fleet
    producer: Producer
    folder: Path
    rng: random.Random
    receiver: RoleProcess | None = None
    workers: list[RoleProcess] = field(default_factory=list)
    deaths: dict[str, int] = field(default_factory=dict)
    """Where a process was killed, or killed itself -> how often."""
    notes: list[str] = field(default_factory=list)
    """What was measured, for the report."""
    ends_at: float = float("inf")
    """Of `time.monotonic`: no round begins after it."""
    done: int = 0
    """Rounds that were begun."""
    checks: list[Callable[[Stored], str]] = field(default_factory=list)
    """Asked when everything is stored; each answers what is wrong, or nothing."""

    def rounds(self, wanted: int) -> Iterator[int]:
        """Number the rounds that there is time for."""
        for number in range(wanted):
            if time.monotonic() > self.ends_at:
                return
            self.done = number + 1
            yield number

    def worker(self, name: str = "", *, share: float = 0.0, wait: bool = True) -> RoleProcess:
        """Start a worker; `share` > 0: one that kills itself. `wait`: return one that works, at the third try."""
        made = self._start(name, share)
        for _ in range(TRIES if wait else 0):
            try:
                return made.wait_ready()
            except ProcessFailedError:
                made.kill()
                self._note_end(made)
                made = self._start(name, share)
        return made

    def _start(self, name: str, share: float) -> RoleProcess:
        program = (sys.executable, "-m", "testbed.doomed", str(share), str(self.rng.getrandbits(30)))
        static = ("--instance", name) if name else ()
        made = self.fleet.start("worker", *static, wait=False, **({"program": program} if share else {}))
        self.workers.append(made)
        return made

    def receive(self, *arguments: str) -> RoleProcess:
        """Start the receiver, and have the producer send to it."""
        self.receiver = self.fleet.start("receiver", *arguments)
        self.producer.resume(self.receiver.addresses["otlp_http"])
        return self.receiver

    def note_death(self, place: str) -> None:
        """Count one."""
        self.deaths[place] = self.deaths.get(place, 0) + 1

    def running(self) -> list[RoleProcess]:
        """The workers that run."""
        return [one for one in self.workers if one.process.poll() is None]

    def stored_spans(self) -> int:
        """So many are stored now."""
        return int(self.store.rows(COUNT_SQL)[0]["spans"])

    def supervise(self) -> None:
        """Start again what ended by itself, as a supervisor does, and say so: a watchdog may end a worker."""
        for one in [worker for worker in self.workers if worker.process.poll() is not None]:
            self._note_end(one)
            self._start("", 0.0)

    def _note_end(self, one: RoleProcess) -> None:
        self.workers.remove(one)
        last = re.sub(r"\d+", "N", one.tail(1))
        self.note_death(f"not killed: a worker ended with status {one.process.returncode}: {last}")

    def wait_stored(self) -> None:
        """Return when everything that was acknowledged by now is stored; more may come meanwhile."""
        until = time.monotonic() + STORED_WITHIN_S
        wanted = len(self.producer.acknowledged) * SPANS_PER_REQUEST
        while (stored := self.stored_spans()) < wanted:
            self.supervise()
            if time.monotonic() > until:
                raise NotStoredError(f"{stored:,} of {wanted:,} spans were stored within {STORED_WITHIN_S:g} s")
            time.sleep(0.2)
