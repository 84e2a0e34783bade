"""A process to be killed: numbers go through the log, a SQLite sink and a keyed stage that counts.

    python -m tests.stages.killable FOLDER SEED TOTAL KILL_PROBABILITY

It appends numbers until TOTAL are acknowledged (noting each acknowledgement in `acknowledged`), processes them, and
kills itself at random at the places where it hurts. Without a kill it ends when everything is settled and writes
`states.json`. The sink stores in two transactions and fails now and then, so that batches are stored in part.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from pipeline.message import Message
from pipeline.stages.embedded import EmbeddedApp, make_app
from pipeline.stages.keyed import KeyedOptions, KeyedStage, Origin
from pipeline.stages.planned import BatchLimits, Outgoing, PlannedStage
from pipeline.transport.log import Log, open_log
from schemas.errors import RetryableSinkError
from tests.stages.folds import Sums, Told
from tests.stages.rig import CALLS, outgoing

RAW = "otlp_spans"
PARTITIONS = 2
KEYS = 11


class Fate:
    """Kills the process at some of the places where it is asked."""

    def __init__(self, seed: int, probability: float) -> None:
        self.rnd = random.Random(seed)
        self._probability = probability

    def here(self) -> None:
        if self.rnd.random() < self._probability:
            os.kill(os.getpid(), signal.SIGKILL)


class Sink:
    """Rows without any constraint: a doubled row is found, not prevented."""

    def __init__(self, folder: Path, fate: Fate) -> None:
        self._fate = fate
        self._db = sqlite3.connect(folder / "sink.sqlite", isolation_level=None)
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("CREATE TABLE IF NOT EXISTS rows (partition INT, offset INT, key TEXT, number INT)")
        self._db.execute("CREATE TABLE IF NOT EXISTS told (key TEXT, sum INT, PRIMARY KEY (key, sum))")
        self._sent: list[Outgoing] = []

    async def process(self, topic: str, partition: int, messages: Sequence[Message], replay: bool) -> list[Outgoing]:
        self._fate.here()
        rows = [(partition, m.offset, *m.value.decode().split()) for m in messages]
        if replay:
            stored = {
                row[0]
                for row in self._db.execute(
                    "SELECT offset FROM rows WHERE partition = ? AND offset BETWEEN ? AND ?",
                    (partition, messages[0].offset, messages[-1].offset),
                )
            }
            rows = [row for row in rows if row[1] not in stored]
        for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
            self._db.execute("BEGIN")
            with self._db:
                self._db.executemany("INSERT INTO rows VALUES (?, ?, ?, ?)", half)
            self._fate.here()
            if self._fate.rnd.random() < 0.02:
                raise RetryableSinkError("now and then the store is down", retry_after_s=0.01)
        sent = outgoing(topic, partition, messages, PARTITIONS)
        if self._fate.rnd.random() < 0.08:
            sent += sent  # deliberate repeats
        self._fate.here()
        return sent

    async def bury(self, message: Message, reason: str) -> None:
        raise AssertionError(f"nothing is refused here: {message.offset} {reason}")

    async def publish(self, outputs: Sequence[Told], origin: Origin) -> None:
        del origin
        self._fate.here()
        self._db.execute("BEGIN")
        with self._db:
            self._db.executemany("INSERT OR IGNORE INTO told VALUES (?, ?)", [(t.key, t.value) for t in outputs])
        self._fate.here()


def doom(app: Any, fate: Fate) -> None:
    """Before and after every commit and every send is a place to die."""
    commit_meta, send = app.consumer.commit_meta, app.producer.send

    async def doomed_commit(*arguments: Any) -> Any:
        fate.here()
        done = await commit_meta(*arguments)
        fate.here()
        return done

    async def doomed_send(*arguments: Any) -> Any:
        sent = await send(*arguments)
        fate.here()
        return sent

    app.consumer.commit_meta = doomed_commit
    app.producer.send = doomed_send


async def feed(folder: Path, log: Log, total: int, rnd: random.Random) -> None:
    """Append numbers; one that is acknowledged is noted, one that is not may be in the log all the same."""
    ledger = folder / "acknowledged"
    done = len(ledger.read_text().splitlines()) if ledger.exists() else 0
    with ledger.open("a") as acknowledged:
        while done < total:
            texts = [f"k{rnd.randrange(KEYS)} 1" for _ in range(min(rnd.randrange(1, 60), total - done))]
            told = await asyncio.gather(*[log.append(RAW, text.encode()) for text in texts])
            for (partition, offset), text in zip(told, texts, strict=True):
                acknowledged.write(f"{partition} {offset} {text}\n")
            acknowledged.flush()
            done += len(texts)
            await asyncio.sleep(0.01)


async def main(folder: Path, seed: int, total: int, probability: float) -> None:
    fate = Fate(seed, probability)
    log = open_log(folder)
    log.create(RAW, PARTITIONS)
    app = make_app(f"local://{folder}", folder, partitions=PARTITIONS)
    sink = Sink(folder, fate)
    planned = PlannedStage(app, "normalize", [RAW], sink, BatchLimits(messages=20, linger_s=0.03))
    options = KeyedOptions(flush_s=0.05, store_messages=10, store_s=0.05, partitions=PARTITIONS)
    keyed = KeyedStage(app, CALLS, Sums(), sink.publish, options).after(planned)
    running = EmbeddedApp(app, [planned, keyed])
    await running.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    doom(app, fate)
    await feed(folder, log, total, fate.rnd)
    if probability == 0:
        assert await running.settle(60)
        states = {key: one.state or {} for place in keyed.places for key, one in place.states._keys.items()}
        states |= {key: orjson.loads(one.data.split(b"\n")[1]) for place in keyed.places
                   for key, one in place.states._keys.items() if one.state is None and one.data}  # fmt: skip
        (folder / "states.json").write_bytes(orjson.dumps(states))
        await running.stop()
        log.close()
    else:
        await asyncio.sleep(60)  # alive until killed


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
