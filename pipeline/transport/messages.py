"""A message as both transports hand it to stages."""

from __future__ import annotations

from typing import Any

from faust.types import TP, ConsumerMessage


class LogMessage(ConsumerMessage):
    """Faust's message, and how far back it is known that the log holds no other.

    `after`: there is no record from this offset up to the message's own. Equal to the offset where nothing is known.
    Offsets of Kafka have holes: compaction takes records away, transactions leave markers, aborted ones are not read.
    """

    __slots__ = ("after",)

    after: int

    @classmethod
    def of(cls, tp: TP, record: Any, timestamp_s: float, after: int, generation: int) -> LogMessage:
        """Made of a record with offset, key and value; headers are nobody's here."""
        key, value = record.key, record.value
        message = cls(
            tp.topic, tp.partition, record.offset, timestamp_s, 0, None, key, value,
            None, len(key or b""), len(value or b""), tp, generation_id=generation,
        )  # fmt: skip
        message.after = after
        return message
