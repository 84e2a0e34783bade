"""What a fleet goes through in the crash campaign: each disturbance lasts for so many rounds, and then all is well."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from typing import Final

from benchmarks.disturbed_load import catching_up, overload
from benchmarks.disturbed_log import REST_S, holes, partitions_grow, poison
from benchmarks.scene import SESSION_S, Scene
from testbed.clickhouse.faults import DISK_FULL, SEVEN_OF_TEN, TOO_MANY_PARTS, Fault
from testbed.fleet import ProcessFailedError, RoleProcess

DOOM: Final = 0.01
"""How likely each visit of a place that hurts is the last."""
DOOMED_WITHIN_S: Final = 40.0


def workers_killed(scene: Scene, rounds: int) -> None:
    """Kill -9 of a worker at random moments; a supervisor starts it again."""
    names = {id(one): f"worker-{at}" for at, one in enumerate(scene.workers)}
    for one in list(scene.workers):  # those that were started without a name leave
        scene.workers.remove(one)
        one.stop()
        scene.worker(names[id(one)])
    for _ in scene.rounds(rounds):
        time.sleep(scene.rng.uniform(0.1, 2.0))
        at = scene.rng.randrange(len(scene.workers))
        scene.workers[at].kill()
        scene.note_death("from outside")
        del scene.workers[at]
        scene.worker(f"worker-{at}")
        scene.workers.insert(at, scene.workers.pop())


def workers_doomed(scene: Scene, rounds: int) -> None:
    """A worker kills itself before decode, around inserts and commits, while it sends on; it is started again."""
    for _ in scene.rounds(rounds):
        one = scene.worker("doomed", share=DOOM, wait=False)
        try:
            status = one.process.wait(DOOMED_WITHIN_S)
        except subprocess.TimeoutExpired:
            one.kill()
            scene.note_death("from outside")
        else:
            scene.note_death(_last_place(one) if status == -signal.SIGKILL else f"not killed: status {status}")
        scene.workers.remove(one)
    scene.worker("doomed")


def _last_place(one: RoleProcess) -> str:
    places = [line.removeprefix("killed ") for line in one.tail(50).splitlines() if line.startswith("killed ")]
    return places[-1] if places else "unknown"


def receiver_killed(scene: Scene, rounds: int) -> None:
    """Kill -9 of the receiver; what it did not answer was not acknowledged."""
    for _ in scene.rounds(rounds):
        time.sleep(scene.rng.uniform(0.2, 2.0))
        if scene.receiver is not None:
            scene.receiver.kill()
            scene.note_death("receiver")
        scene.producer.pause()
        scene.receive()


def workers_paused(scene: Scene, rounds: int) -> None:
    """SIGSTOP past the session timeout, SIGCONT: the partition has gone to another worker by then."""
    for _ in scene.rounds(rounds):
        time.sleep(scene.rng.uniform(0.2, REST_S))
        one = scene.rng.choice(scene.running())
        one.send(signal.SIGSTOP)
        time.sleep(SESSION_S + scene.rng.uniform(2, 6))
        one.send(signal.SIGCONT)
        time.sleep(REST_S)


def broker_killed(scene: Scene, rounds: int) -> None:
    """Kill -9 of the broker, and a start some seconds later."""
    for _ in scene.rounds(rounds):
        time.sleep(scene.rng.uniform(1, REST_S))
        scene.broker.kill()
        scene.note_death("broker")
        time.sleep(scene.rng.uniform(0.2, 5))
        scene.broker.start()
        time.sleep(REST_S)


def workers_come_and_go(scene: Scene, rounds: int) -> None:
    """Three workers, one added, stopped or killed every few seconds."""
    while len(scene.workers) < 3:
        scene.worker(wait=False)
    for _ in scene.rounds(rounds):
        time.sleep(scene.rng.uniform(2, 6))
        running = scene.running()
        chosen = scene.rng.choice(["add", "stop", "kill"])
        if chosen == "add" or len(running) < 2:
            if len(running) < 4:
                scene.worker(wait=False)
            continue
        one = scene.rng.choice(running)
        scene.workers.remove(one)
        if chosen == "kill":
            one.kill()
            scene.note_death("from outside")
            continue
        starting = not one.ready_file.exists()
        status = one.stop()
        if status and not (starting and status == -signal.SIGTERM):  # before it listens to signals, one ends it
            raise ProcessFailedError(f"a worker that was stopped ended with status {status}\n{one.tail()}")


def store_ill(scene: Scene, rounds: int) -> None:
    """ClickHouse refuses connections, answers errors, is slow, has too many parts, a full disk, is killed."""
    illnesses: list[tuple[Fault, ...]] = [
        (Fault("refuse", on="any", delay_s=8),),
        (SEVEN_OF_TEN,),
        (Fault("error", share=0.5, when="after", code=159, message="Timeout exceeded (TIMEOUT_EXCEEDED)"),),
        (Fault("slow", delay_s=1.0),),
        (TOO_MANY_PARTS,),
        (DISK_FULL,),
        (Fault("cut", share=0.5, when="after"),),
    ]
    for at in scene.rounds(rounds):
        time.sleep(scene.rng.uniform(0.5, 2))
        if at % (len(illnesses) + 1) == len(illnesses):
            scene.store.stop(signal.SIGKILL)
            scene.note_death("store")
            scene.store.start()
            continue
        illness = illnesses[at % (len(illnesses) + 1)]
        scene.store.fault(*illness)
        time.sleep(scene.rng.uniform(3, 8))
        if illness[0].kind != "refuse":
            scene.store.fault()
        else:
            time.sleep(8)


Disturbance = Callable[[Scene, int], None]

DISTURBANCES: Final[dict[str, tuple[Disturbance, float]]] = {
    "worker killed at random moments": (workers_killed, 1.0),
    "worker kills itself where it hurts": (workers_doomed, 1.0),
    "receiver killed": (receiver_killed, 0.2),
    "worker stopped past its session, then continued": (workers_paused, 0.1),
    "broker killed and started again": (broker_killed, 0.1),
    "workers come and go": (workers_come_and_go, 0.4),
    "partitions grow": (partitions_grow, 0.06),
    "poison messages among others": (poison, 0.1),
    "offsets without a record": (holes, 0.4),
    "ClickHouse ill or killed": (store_ill, 0.16),
    "catching up after ClickHouse was away": (catching_up, 0.1),
    "five times what the broker takes": (overload, 1.0),
}
"""Name -> what happens, and its rounds for each kill that is asked for."""
