"""A receiver on real sockets, in an event loop of its own thread, in front of a log that is only a list."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from pipeline.receiver.contract import Limits
from pipeline.receiver.intake import Intake
from pipeline.receiver.otlp_grpc import OtlpGrpcServer
from pipeline.receiver.otlp_http import otlp_http_app
from pipeline.receiver.servers import AsgiServer
from schemas.topics import Signal


@dataclass
class MemoryLog:
    """Test double of the log: keeps what was appended in memory, fails on demand."""

    stored: list[tuple[Signal, bytes]] = field(default_factory=list)
    fail_with: Exception | None = None
    gate: asyncio.Event | None = None
    entered: threading.Event = field(default_factory=threading.Event)

    async def append(self, signal: Signal, value: bytes) -> None:
        self.entered.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.fail_with is not None:
            raise self.fail_with
        self.stored.append((signal, value))


@dataclass
class CountingCounter:
    """Keeps every call."""

    seen: list[tuple[str, str, str, int, int]] = field(default_factory=list)

    def received(self, signal: str, transport: str, outcome: str, records: int, size_bytes: int) -> None:
        self.seen.append((signal, transport, outcome, records, size_bytes))

    def outcomes(self) -> list[str]:
        return [seen[2] for seen in self.seen]


class Receiver:
    """Both servers; methods may be called from the test's thread."""

    def __init__(self, limits: Limits) -> None:
        self.log = MemoryLog()
        self.counter = CountingCounter()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.run(self._start(limits))

    def run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    async def _start(self, limits: Limits) -> None:
        self.intake = Intake(self.log, self.counter)
        self.grpc = OtlpGrpcServer(self.intake, "127.0.0.1", 0, limits)
        self.http = AsgiServer(otlp_http_app(self.intake, limits), "127.0.0.1", 0, "OTLP/HTTP")
        await self.grpc.start()
        await self.http.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.port}"

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.grpc.port}"

    def post(
        self, path: str, content: Any, content_type: str = "application/x-protobuf", **headers: str
    ) -> httpx.Response:
        sent = {"content-type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return httpx.post(self.url + path, content=content, headers=sent, timeout=30)

    def close(self) -> None:
        self.run(self.grpc.stop(0))
        self.run(self.http.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture
def start_receiver() -> Iterator[Callable[[Limits], Receiver]]:
    started: list[Receiver] = []

    def start(limits: Limits) -> Receiver:
        started.append(Receiver(limits))
        return started[-1]

    yield start
    for receiver in started:
        receiver.close()


@pytest.fixture
def receiver(start_receiver: Callable[[Limits], Receiver]) -> Receiver:
    return start_receiver(Limits())
