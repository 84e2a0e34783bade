"""The local log against a model that is plainly right, through any sequence of operations and reopenings."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pipeline.transport.log import Log, open_log
from pipeline.transport.records import Commit, Entry, Partition

TOPICS = {"consumed": False, "changelog": True}
PARTITIONS = 2
PLACES = [Partition(topic, p) for topic in TOPICS for p in range(PARTITIONS)]

places = st.sampled_from(PLACES)
keys = st.sampled_from([b"a", b"b", b"c"])
values = st.one_of(st.none(), st.binary(max_size=300))
entries = st.lists(st.tuples(places, keys, values), max_size=40)


class LogAgainstModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = Path(tempfile.mkdtemp())
        self.log = self._open()
        self.written: dict[Partition, list[tuple[bytes, bytes | None]]] = {where: [] for where in PLACES}
        self.committed: dict[Partition, tuple[int, str]] = {}
        self.trimmed = dict.fromkeys(PLACES, 0)

    def _open(self) -> Log:
        log = open_log(self.directory)
        for topic, compact in TOPICS.items():
            log.create(topic, PARTITIONS, compact=compact)
        return log

    def teardown(self) -> None:
        self.log.close()
        self.loop.close()
        shutil.rmtree(self.directory)

    @rule(batch=entries)
    def append(self, batch: list[tuple[Partition, bytes, bytes | None]]) -> None:
        async def submit() -> list[int]:
            return await self.log.submit([Entry(where, key, value, 1) for where, key, value in batch])

        told = self.loop.run_until_complete(submit())
        for (where, key, value), offset in zip(batch, told, strict=True):
            assert offset == len(self.written[where])
            self.written[where].append((key, value))

    @rule(where=places, share=st.floats(0, 1), metadata=st.text(max_size=20))
    def commit(self, where: Partition, share: float, metadata: str) -> None:
        offset = int(len(self.written[where]) * share)

        async def submit() -> None:
            await self.log.submit([], [Commit("group", where, offset, metadata)])

        self.loop.run_until_complete(submit())
        self.committed[where] = (offset, metadata)

    @rule()
    def keep_house(self) -> None:
        self.log.keep_house()
        for where in PLACES:
            if not TOPICS[where.topic] and where in self.committed:
                self.trimmed[where] = max(self.trimmed[where], self.committed[where][0])

    @rule()
    def reopen(self) -> None:
        self.log.close()
        self.log = self._open()

    @invariant()
    def ends_are_where_the_model_says(self) -> None:
        for where in PLACES:
            assert self.log.next_of(where) == len(self.written[where])

    @invariant()
    def commits_are_the_last_ones(self) -> None:
        for where in PLACES:
            stored = self.log.committed("group", where)
            assert (None if stored is None else (stored.offset, stored.metadata)) == self.committed.get(where)

    @invariant()
    def what_has_not_been_consumed_is_there(self) -> None:
        for where in PLACES:
            if TOPICS[where.topic]:
                continue
            written = self.written[where]
            found = {r.offset: (r.key, r.value) for r in self.log.read(where, 0, len(written), 10_000)}
            floor = self.committed.get(where, (0, ""))[0]
            kept = range(max(floor, self.trimmed[where]), len(written))
            assert {at: found[at] for at in kept} == {at: written[at] for at in kept}
            assert all(written[at] == record for at, record in found.items())

    @invariant()
    def a_changelog_restores_to_the_newest_values(self) -> None:
        for where in PLACES:
            if not TOPICS[where.topic]:
                continue
            written = self.written[where]
            records = self.log.read(where, 0, len(written), 10_000)
            expected = {key: value for key, value in dict(written).items() if value is not None}
            restored: dict[bytes | None, bytes | None] = {}
            for record in records:
                assert written[record.offset] == (record.key, record.value)
                restored[record.key] = record.value
            assert {key: value for key, value in restored.items() if value is not None} == expected
            if written:
                assert records[-1].offset == len(written) - 1


TestLogAgainstModel = LogAgainstModel.TestCase
TestLogAgainstModel.settings = settings(max_examples=25, stateful_step_count=25)
