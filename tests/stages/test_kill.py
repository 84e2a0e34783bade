"""kill -9, at any time: nothing acknowledged is lost, nothing is stored or applied twice.

`TELLTALE_TEST_KILLS` sets how often (default 20).
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import orjson

from pipeline.transport.log import open_log
from pipeline.transport.records import Partition
from tests.stages import killable

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("TELLTALE_TEST_KILLS", "20"))
NUMBERS_A_LIFE = 150


def live(folder: Path, seed: int, total: int, probability: float, until_s: float) -> int:
    """Run the process; end it from outside after a while if it has not done so itself."""
    arguments = [str(folder), str(seed), str(total), str(probability)]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.stages.killable", *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        if process.stdout.readline() == "ready\n" and probability:
            try:
                process.wait(until_s)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
        said = process.stderr.read()
        code = process.wait(90)
    assert code in (0, -signal.SIGKILL), said
    return code


def test_nothing_is_lost_or_doubled_by_kills(tmp_path: Path) -> None:
    rnd = random.Random(int.from_bytes(os.urandom(4)))
    killed = 0
    for life in range(1, KILLS + 1):
        killed += live(tmp_path, rnd.randrange(1 << 30), life * NUMBERS_A_LIFE, 0.004, rnd.uniform(0.05, 0.9)) < 0
    assert killed == KILLS
    assert live(tmp_path, rnd.randrange(1 << 30), (KILLS + 1) * NUMBERS_A_LIFE, 0.0, 60) == 0

    with sqlite3.connect(tmp_path / "sink.sqlite") as sink:
        rows = sink.execute("SELECT partition, offset, key, number FROM rows").fetchall()
        told = sink.execute("SELECT key, sum FROM told").fetchall()
    sink.close()
    log = open_log(tmp_path)
    ends = [log.next_of(Partition(killable.RAW, p)) for p in range(killable.PARTITIONS)]
    log.close()

    places = Counter((partition, offset) for partition, offset, _, _ in rows)
    assert max(places.values()) == 1, "stored twice"
    assert set(places) == {(p, offset) for p, end in enumerate(ends) for offset in range(end)}, "in the log, not stored"
    acknowledged = [line.split() for line in (tmp_path / "acknowledged").read_text().splitlines()]
    stored = {(partition, offset): key for partition, offset, key, _ in rows}
    assert len(acknowledged) >= NUMBERS_A_LIFE
    assert all(stored[int(partition), int(offset)] == key for partition, offset, key, _ in acknowledged)

    expected = Counter(key for _, _, key, _ in rows)
    states = orjson.loads((tmp_path / "states.json").read_bytes())
    assert {key: state["count"] for key, state in states.items()} == expected, "applied twice, or skipped"
    assert {key: state["sum"] for key, state in states.items()} == expected
    assert sorted(told) == sorted((key, n) for key, count in expected.items() for n in range(1, count + 1))
