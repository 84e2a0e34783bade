"""`telltale dead-letters` on a real broker and ClickHouse's engine behind its port: back into the log, once."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka.admin import RecordsToDelete
from aiokafka.structs import TopicPartition

from cli.dead_letters_direct import answered
from pipeline.message import DeadLetter
from pipeline.settings import Settings
from pipeline.transport.kafka_topics import admin, create_missing, once_shown, topic_states
from query.dead_letters.tasks import DEAD_LETTER, DEAD_LETTER_REPLAY, DEAD_LETTERS
from query.tasks import Task
from schemas.dead_letters import HEADER
from schemas.errors import QueryError
from schemas.rows import dead_letter_rows
from sinks.clickhouse import ClickHouseSink
from sinks.contract import Batch
from testbed.clickhouse import ServerProcess
from testbed.fleet import PROGRAM, Fleet
from testbed.kafka import Broker
from tests.kafka.rig import everything, producer

TOPIC = "otlp_spans"
PASSWORD = b"password=hunter2hunter2"
HIDDEN = b"password=[REDACTED:password]"
LARGE = b"\xff" * 70_000
MESSAGES = (b"\xff\xffplain", PASSWORD, LARGE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


@pytest.fixture
async def buried(
    own_broker: Broker, server: ServerProcess, folder: Path, request: pytest.FixtureRequest
) -> tuple[Settings, list[str]]:
    """Settings, and the ids of three dead letters whose messages are in the log: whole, redacted and cut as kept."""
    name = f"d{abs(hash(request.node.name))}"
    httpx.post(server.url, content=f"CREATE DATABASE {name}".encode(), timeout=30).raise_for_status()
    settings = Settings(
        data_dir=folder, broker_url=own_broker.url, store_url=f"{server.url}/{name}", partitions=2, group=name
    )
    async with admin(settings) as client:
        await create_missing(settings, client, await topic_states(settings, client))
        await once_shown(settings, client)
    async with producer(settings) as sending:
        sent = [await sending.send_and_wait(TOPIC, value, key=b"k", partition=1) for value in MESSAGES]
    letters = [
        DeadLetter(TOPIC, 1, one.offset, one.timestamp * 1_000_000, f"found one of {one.offset}", kept)
        for one, kept in zip(sent, (MESSAGES[0], HIDDEN, LARGE), strict=True)
    ]
    sink = ClickHouseSink(settings.store_url, settings.retention)
    await sink.start()
    await sink.write(Batch(TOPIC, 1, sent[0].offset, sent[-1].offset, {"dead_letters": dead_letter_rows(letters)}))
    await sink.close()
    return settings, [f"{TOPIC}:1:{one.offset}" for one in sent]


async def asked(settings: Settings, task: Task, **given: Any) -> dict[str, Any]:
    return await answered(task, settings, given)


async def put_back(settings: Settings, **given: Any) -> list[tuple[str, str]]:
    """Outcome and origin of each."""
    answer = await asked(settings, DEAD_LETTER_REPLAY, **given)
    return [(one["outcome"], one["origin"]) for one in answer["letters"]]


async def replayed_in_log(settings: Settings, ids: list[str]) -> list[tuple[bytes, bytes, str]]:
    """Value, key and where it came from, of all messages that were put back for these letters."""
    found = [
        (one.value, one.key, dict(one.headers)[HEADER].decode())
        for one in await everything(settings, TOPIC)
        if HEADER in dict(one.headers)
    ]
    return [one for one in found if one[2] in ids]


async def test_the_log_gives_back_every_byte_once(buried: tuple[Settings, list[str]]) -> None:
    settings, ids = buried
    assert await put_back(settings, ids=ids, dry_run=True) == [("would_send", "log")] * 3
    assert await replayed_in_log(settings, ids) == []
    assert await put_back(settings, ids=ids) == [("sent", "log")] * 3
    assert await replayed_in_log(settings, ids) == [
        (value, b"k", one) for value, one in zip(MESSAGES, ids, strict=True)
    ]
    refused = await asked(settings, DEAD_LETTER_REPLAY, ids=ids)
    assert refused["counts"] == {"refused": 3}
    assert "it was put back at" in refused["letters"][0]["why"]
    assert await put_back(settings, ids=ids[:1], again=True) == [("sent", "log")]
    assert len(await replayed_in_log(settings, ids)) == 4
    shown = (await asked(settings, DEAD_LETTERS))["dead_letters"]
    assert {one["put_back"]["state"] for one in shown} == {"sent"}


async def test_what_the_log_has_forgotten_comes_from_the_bytes_kept_if_they_are_whole(
    buried: tuple[Settings, list[str]],
) -> None:
    settings, ids = buried
    async with admin(settings) as client:
        after = int(ids[-1].split(":")[2]) + 1
        await client.delete_records({TopicPartition(TOPIC, 1): RecordsToDelete(after)})
    answer = await asked(settings, DEAD_LETTER_REPLAY, ids=ids)
    assert [one["outcome"] for one in answer["letters"]] == ["sent", "cannot", "cannot"]
    assert [one["why"].partition("bytes kept are ")[2].partition(":")[0] for one in answer["letters"][1:]] == [
        "redacted",
        "cut",
    ]
    assert [one[0] for one in await replayed_in_log(settings, ids)] == [MESSAGES[0]]


async def test_a_message_of_which_rows_are_stored_is_not_stored_twice(buried: tuple[Settings, list[str]]) -> None:
    settings, ids = buried
    offset = ids[0].split(":")[2]
    row = f"INSERT INTO otel_traces (SourceTopic, SourcePartition, SourceOffset) VALUES ('{TOPIC}', 1, {offset})"  # noqa: S608 - ours
    host, _, database = settings.store_url.rpartition("/")
    httpx.post(host, params={"database": database}, content=row).raise_for_status()
    (refused,) = (await asked(settings, DEAD_LETTER_REPLAY, ids=ids[:1]))["letters"]
    assert (refused["outcome"], refused["why"]) == (
        "refused",
        "rows of it are stored (1 in otel_traces), and would be twice",
    )
    shown = (await asked(settings, DEAD_LETTER, id=ids[0]))["dead_letter"]
    assert shown["stored_rows"] == {"otel_traces": 1}


async def test_letters_are_chosen_counted_and_shown_fenced(buried: tuple[Settings, list[str]]) -> None:
    settings, ids = buried
    listed = await asked(settings, DEAD_LETTERS, limit=2, topic=TOPIC, since="1h")
    assert (listed["total"], len(listed["dead_letters"])) == (3, 2)
    assert [(one["letters"], one["untrusted"]["reason"]) for one in listed["kinds"]] == [(3, "found one of N")]
    assert (await asked(settings, DEAD_LETTERS, reason="no such"))["total"] == 0
    shown = (await asked(settings, DEAD_LETTER, id=ids[2], max_bytes=4))["dead_letter"]
    assert (shown["kept"], shown["size_bytes"], shown["kept_bytes"]) == ("cut", 70_000, 65_536)
    assert shown["untrusted"]["hex"] == "ffffffff"
    with pytest.raises(QueryError, match="TOPIC:PARTITION:OFFSET"):
        await asked(settings, DEAD_LETTER, id="otlp_spans;DROP")
    assert (await asked(settings, DEAD_LETTER_REPLAY, ids=["x", f"{TOPIC}:1:999999"]))["counts"] == {"not_found": 2}


async def test_a_topic_that_was_made_anew_gives_no_other_message(buried: tuple[Settings, list[str]]) -> None:
    settings, ids = buried
    sink = ClickHouseSink(settings.store_url, settings.retention)
    await sink.start()
    offset = int(ids[1].split(":")[2])
    earlier = DeadLetter(TOPIC, 0, 0, 1_000_000_000, "of the topic of yesterday", HIDDEN)
    async with producer(settings) as sending:
        await sending.send_and_wait(TOPIC, b"today", partition=0)
    await sink.write(Batch(TOPIC, 0, 0, 0, {"dead_letters": dead_letter_rows([earlier])}))
    await sink.close()
    (outcome,) = (await asked(settings, DEAD_LETTER_REPLAY, ids=[f"{TOPIC}:0:0"]))["letters"]
    assert (outcome["outcome"], "made anew" in outcome["why"]) == ("cannot", True), (outcome, offset)


async def test_a_broker_that_is_down_is_said_and_nothing_is_recorded(buried: tuple[Settings, list[str]]) -> None:
    settings, ids = buried
    down = Settings(
        data_dir=settings.data_dir, broker_url="kafka://127.0.0.1:1", store_url=settings.store_url, group=settings.group
    )
    (failed,) = (await asked(down, DEAD_LETTER_REPLAY, ids=ids[:1]))["letters"]
    assert (failed["outcome"], "cannot be read" in failed["why"]) == ("failed", True)
    assert await put_back(settings, ids=ids[:1]) == [("sent", "log")]


async def send_poison(settings: Settings) -> None:
    async with producer(settings) as sending:
        await sending.send_and_wait(TOPIC, MESSAGES[0], partition=0)


def test_what_a_worker_buries_is_put_back_and_known_when_it_comes_again(
    own_broker: Broker, server: ServerProcess, folder: Path
) -> None:
    httpx.post(server.url, content=b"CREATE DATABASE whole", timeout=30).raise_for_status()
    where = ("--kafka", own_broker.url, "--clickhouse", f"{server.url}/whole")

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        command = [str(PROGRAM), "dead-letters", *arguments, *where, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, json.loads(done.stdout)

    with Fleet(folder, own_broker.url, where[3], create_topics=1, partitions=2, group="whole") as fleet:
        fleet.start("worker")
        asyncio.run(send_poison(Settings(data_dir=folder, broker_url=own_broker.url)))
        until = time.monotonic() + 240
        while not (listed := run("list")[1])["total"]:
            assert time.monotonic() < until
        letter = listed["dead_letters"][0]
        assert "not an ExportTraceServiceRequest" in letter["untrusted"]["reason"]
        status, answer = run("replay", letter["id"])
        assert (status, answer["counts"]) == (0, {"sent": 1})
        again = answer["letters"][0]["sent_to"]
        while again not in (known := {one["id"]: one for one in run("list")[1]["dead_letters"]}):
            assert time.monotonic() < until
        assert known[again]["replay_of"] == letter["id"]
        assert known[letter["id"]]["put_back"]["as"] == again
        assert run("replay", letter["id"])[0] == 1
