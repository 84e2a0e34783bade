"""Dead letters of a fleet, without an API: ClickHouse and Kafka are asked from here."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from pipeline.putting_back import open_for_putting_back
from pipeline.settings import Settings
from pipeline.transport.kafka import is_kafka
from query.asked import read
from query.dead_letters.letters import DeadLetters
from query.dead_letters.stored import StoredLetters
from query.dead_letters.tasks import DEAD_LETTER, DEAD_LETTERS
from query.feed.writer import Writer
from query.reader import Reader
from query.tasks import Task


async def answered(task: Task, settings: Settings, given: Mapping[str, Any]) -> dict[str, Any]:
    """The answer, as the API gives it; raises TelltaleError."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it logs is said in the answer
    asked = read(task, given, time.time_ns())
    reader, writer = Reader(settings.store_url, threads=1), Writer(settings.store_url)
    log = open_for_putting_back(settings) if is_kafka(settings.broker_url) else None
    letters = DeadLetters(StoredLetters(reader, writer), log)
    try:
        if task is DEAD_LETTERS:
            return await letters.listing(asked)
        return await (letters.one(asked) if task is DEAD_LETTER else letters.replay(asked))
    finally:
        if log is not None:
            await log.close()
        writer.close()
        reader.close()
