"""`telltale` that kills itself at random at the places where it hurts.

    python -m testbed.doomed SHARE SEED worker ...

Before a batch is decoded, before and after it is stored, before and after a commit is sent (also while it is under
way), after a record is sent on. SHARE is how likely each visit of such a place is the last.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable
from typing import Any

from pipeline.interpreter import prepare

prepare()

from cli.main import main  # noqa: E402 - what has to be set up before the imports is set up
from pipeline.normalize import Normalizer  # noqa: E402
from pipeline.transport.kafka import KafkaProducer  # noqa: E402
from pipeline.transport.kafka_consumer import KafkaConsumer  # noqa: E402
from sinks.clickhouse import ClickHouseSink  # noqa: E402


class Fate:
    """Ends the process at some of the visits."""

    def __init__(self, share: float, seed: int) -> None:
        self._share = share
        self._random = random.Random(seed)  # noqa: S311 - a death need not be secret

    def visit(self, place: str) -> None:
        """Die here, perhaps."""
        if self._random.random() < self._share:
            os.write(2, f"killed {place}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)


def doom(owner: Any, name: str, fate: Fate) -> None:
    """Visit before and after a coroutine method of a class."""
    method = getattr(owner, name)

    async def doomed(*arguments: Any, **named: Any) -> Any:
        fate.visit(f"before {owner.__name__}.{name}")
        done = await method(*arguments, **named)
        fate.visit(f"after {owner.__name__}.{name}")
        return done

    setattr(owner, name, doomed)


def doom_decoding(fate: Fate) -> None:
    """Visit before a batch is decoded; that runs in a thread, beside commits that are under way."""
    batch: Callable[..., Any] = Normalizer.batch

    def doomed(*arguments: Any) -> Any:
        fate.visit("before Normalizer.batch")
        return batch(*arguments)

    setattr(Normalizer, "batch", doomed)  # noqa: B010 - to the type checker a method is no variable


if __name__ == "__main__":
    own = Fate(float(sys.argv[1]), int(sys.argv[2]))
    doom(ClickHouseSink, "write", own)
    doom(KafkaConsumer, "commit_meta", own)
    doom(KafkaProducer, "send", own)
    doom_decoding(own)
    main(sys.argv[3:])
