"""What happens to a request whatever protocol brought it: validate, append to the log, count."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, NamedTuple

from pipeline.decode.contract import MAX_ROWS
from pipeline.decode.otlp_json import request_from_json
from pipeline.receiver.contract import LogWriter, NoCounter, ReceiverCounter, Transport
from pipeline.receiver.refusal import RefusedError
from pipeline.receiver.requests import BY_SIGNAL, Export, Inspected, inspect
from schemas.errors import DecodeError, LimitError, LogFullError
from schemas.topics import Signal

logger = logging.getLogger(__name__)

THREAD_FROM_BYTES: Final = 256 * 1024
"""Larger requests are read in a thread, so that they do not hold up the event loop."""


class Receipt(NamedTuple):
    """What was stored of a request. What can be parsed is stored whole, so nothing is ever rejected in part."""

    records: int
    warning: str = ""
    """What the sender should know although everything was stored."""


class Intake:
    """Takes requests for a log. One for the process, shared by gRPC and HTTP."""

    def __init__(self, log: LogWriter, counter: ReceiverCounter | None = None) -> None:
        self._log = log
        self._counter = counter or NoCounter()
        self._stopping = False

    def stop(self) -> None:
        """Refuse what comes from now on; what is under way finishes."""
        self._stopping = True

    async def accept(self, signal: Signal, transport: Transport, body: bytes, *, is_json: bool = False) -> Receipt:
        """Store one export request; return when the log has it.

        Raises:
            RefusedError: Nothing was stored; the text says why.
        """
        try:
            receipt = await self._store(BY_SIGNAL[signal], body, is_json)
        except RefusedError as refusal:
            self.refused(signal, transport, refusal, len(body))
            raise
        self._counter.received(signal, transport, "accepted", receipt.records, len(body))
        return receipt

    def refused(self, signal: Signal, transport: Transport, refusal: RefusedError, size_bytes: int = 0) -> None:
        """Count a request that never came as far as `accept`."""
        self._counter.received(signal, transport, refusal.kind, 0, size_bytes)

    async def _store(self, export: Export, body: bytes, is_json: bool) -> Receipt:
        if self._stopping:
            raise RefusedError("stopping", "Telltale is stopping; nothing was stored", retry_after_s=1.0)
        if not body:
            if is_json:
                raise RefusedError("malformed", "the body is empty; an empty request is {}")
            return Receipt(0)
        try:
            read = _read_json if is_json else _read_protobuf
            requests = await _off_loop(read, export, body)
        except DecodeError as error:
            raise RefusedError("malformed", str(error)) from error
        if any(inspected.records > MAX_ROWS for _, _, inspected in requests):
            raise _too_many(requests)
        for signal, value, inspected in requests:
            if not inspected.empty:
                await self._append(signal, value)
        if all(inspected.empty for _, _, inspected in requests):
            return Receipt(0, _nothing_in(export, body, is_json))
        return Receipt(sum(inspected.records for _, _, inspected in requests))

    async def _append(self, signal: Signal, value: bytes) -> None:
        try:
            await self._log.append(signal, value)
        except LogFullError as error:
            raise RefusedError("log_full", f"the log is full: {error}", error.retry_after_s) from error
        except LimitError as error:
            raise RefusedError("too_large", str(error)) from error
        except Exception as error:
            # The sender keeps its batch and tries again: whatever broke, nothing was acknowledged.
            logger.error("The log did not take a request of %d bytes: %r", len(value), error)
            raise RefusedError("failed", "the log could not store the request", retry_after_s=1.0) from error


_Requests = list[tuple[Signal, bytes, Inspected]]
_Read = Callable[[Export, bytes], _Requests]


async def _off_loop(read: _Read, export: Export, body: bytes) -> _Requests:
    if len(body) < THREAD_FROM_BYTES:
        return read(export, body)
    return await asyncio.to_thread(read, export, body)


def _read_protobuf(export: Export, body: bytes) -> _Requests:
    return [(export.signal, body, inspect(export, body))]


def _read_json(export: Export, body: bytes) -> _Requests:
    return [
        (signal, value, inspect(BY_SIGNAL[signal], value)) for signal, value in request_from_json(export.signal, body)
    ]


def _too_many(requests: _Requests) -> RefusedError:
    most = max(inspected.records for _, _, inspected in requests)
    return RefusedError("too_large", f"the request holds {most} records; at most {MAX_ROWS} can be decoded at once")


def _nothing_in(export: Export, body: bytes, is_json: bool) -> str:
    if is_json and body.strip() == b"{}":
        return ""
    return f"{len(body)} bytes hold no {export.resources}: is this the right path for the signal?"
