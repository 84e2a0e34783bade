"""A real store in this process, and the feed that reads it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import pytest

from query.dead_letters.letters import DeadLetters
from query.dead_letters.stored import StoredLetters
from query.feed.consumers import Consumers
from query.feed.cursor import Place
from query.feed.decisions import Decisions
from query.feed.feed import Feed
from query.feed.revisions import Entry, heads
from query.feed.routes import Doors
from query.feed.writer import Writer
from query.notify.parked import Parking
from query.reader import Reader
from schemas.finding import Evidence, Finding
from schemas.rows import finding_rows
from sinks.clickhouse import ClickHouseSink
from sinks.contract import Batch
from testbed.clickhouse import ServerProcess

T0 = 1_767_603_600_000_000_000  # 2026-01-05T09:00:00Z


def finding(identity: str, revision: int = 1, **changes: Any) -> Finding:
    """A finding under its own session; `session_id="t"` puts it under the trace that stands in."""
    fields: dict[str, Any] = {
        "id": identity,
        "fingerprint": f"mark of {identity}",
        "revision": revision,
        "rule": "tool_call_loop",
        "kind": "tool_call_loop",
        "severity": "warning",
        "status": "open" if revision == 1 else "updated",
        "confidence": "full",
        "session_id": f"session of {identity}",
        "service_name": "claude-code",
        "operation": "execute_tool",
        "tool": "Bash",
        "model": "",
        "version": "2.1",
        "first_seen_unix_nano": T0,
        "last_seen_unix_nano": T0,
        "detected_at_unix_nano": T0,
        "observed": float(revision),
        "baseline": 1.0,
        "unit": "calls",
        "count": revision,
        "wasted_tokens": -1,
        "wasted_cost_usd": 0.0,
        "wasted_duration_s": 0.0,
        "evidence": (Evidence("t", "s", T0),),
        "why": f"revision {revision} of {identity}",
        "reason": "opened" if revision == 1 else "repeated",
    }
    return Finding(**{**fields, **changes})


class Store:
    """The store, and what the stream does with it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sink = ClickHouseSink(url)
        self.reader = Reader(url)
        self.writer = Writer(url)

    async def put(self, partition: int, offset: int, findings: Sequence[Finding]) -> None:
        """Store a batch as the last stage does: findings of one partition, from this offset on."""
        offsets = list(range(offset, offset + len(findings)))
        rows = finding_rows(findings, "telltale.findings", partition, offsets)
        await self.sink.write(
            Batch("telltale.findings", partition, offset, offsets[-1], {"findings": rows}, upsert=True)
        )

    async def append(self, partition: int, *findings: Finding) -> None:
        """Store findings behind the last of a partition."""
        _, behind = await heads(self.reader)
        await self.put(partition, behind[partition] if partition < len(behind) else 0, findings)

    def close(self) -> None:
        self.writer.close()
        self.reader.close()
        asyncio.run(self.sink.close())


@pytest.fixture(scope="module")
def store_kind() -> str:
    """`chdb` or `server`; modules may ask for both."""
    return "chdb"


@pytest.fixture(scope="module")
def store(store_kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The embedded engine, or a server over HTTP."""
    folder = tmp_path_factory.mktemp("feed")
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(ServerProcess(folder)).url if store_kind == "server" else f"chdb://{folder}/store"
        made = Store(url)
        asyncio.run(made.sink.start())
        stack.callback(made.close)
        yield made


@pytest.fixture
async def feed(store: Store) -> AsyncIterator[Feed]:
    made = Feed(store.reader, poll_s=0.1)
    yield made
    await made.close()


@pytest.fixture
async def start(store: Store) -> Place:
    """Where the feed is when the test begins: tests of a module share their store."""
    return (await heads(store.reader))[1]


@pytest.fixture
def consumers(store: Store) -> Consumers:
    return Consumers(store.reader, store.writer)


@pytest.fixture
def decisions(store: Store) -> Decisions:
    return Decisions(store.reader, store.writer)


@pytest.fixture
def parking(store: Store) -> Parking:
    return Parking(store.reader, store.writer)


async def drain(feed: Feed, after: Place, limit: int = 200) -> tuple[list[Entry], Place]:
    """Everything behind a place, and the place behind it."""
    entries: list[Entry] = []
    while True:
        found = await feed.read(after, limit)
        entries += found.entries
        if found.place == after:
            return entries, after
        after = found.place


def told(entries: Sequence[Entry]) -> list[tuple[str, str, int]]:
    """Event, id and revision of each."""
    return [(entry.event, entry.finding["id"], entry.finding["revision"]) for entry in entries]


async def until(holds: Callable[[], Any], patience_s: float = 120.0) -> Any:
    """The first value of `holds` that is true; it may be awaitable."""
    end = asyncio.get_running_loop().time() + patience_s
    while asyncio.get_running_loop().time() < end:
        found = holds()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("it never came")


@pytest.fixture
def doors(store: Store, feed: Feed) -> Doors:
    """What the routes of the API answer from."""
    return Doors(
        feed,
        Consumers(store.reader, store.writer),
        Decisions(store.reader, store.writer),
        Parking(store.reader, store.writer),
        DeadLetters(StoredLetters(store.reader, store.writer), None),
    )
