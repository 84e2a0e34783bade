"""Disturbances by load: more than the broker takes, and a backlog after the store was away."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Final

import httpx

from benchmarks.ledger import SPANS_PER_REQUEST, Stored
from benchmarks.scene import NotStoredError, Scene
from schemas.topics import SPANS
from testbed.clickhouse.faults import Fault

MIB: Final = 1024 * 1024
TIMES_OVER: Final = 5
OVERLOAD_ROUND_S: Final = 3.0
OVERLOAD_LEAST_S: Final = 20.0
MEASURE_S: Final = 6.0
GROWTH_BYTES: Final = 100 * MIB
"""So much may the receiver's memory grow under overload: its buffer, and room for what is being read and answered."""
CATCH_UP: Final = 3.0
AWAY_ROUND_S: Final = 6.0
AWAY_LEAST_S: Final = 30.0
CAUGHT_UP_WITHIN_S: Final = 300.0
RECEIVER: Final = "telltale-receiver"
NO_LIMIT: Final = 1_000_000_000


def overload(scene: Scene, rounds: int) -> None:
    """Five times what the broker takes: the receiver tells senders to wait, and stores what it took."""
    offered_bytes_s = _log_bytes_s(scene)
    scene.done = rounds
    scene.producer.pause()
    receiver = scene.receiver
    if receiver is not None:
        receiver.stop()
    # what comes in five times over has to fill the buffer within seconds
    receiver = scene.receive("--set", f"kafka_buffer_bytes={MIB}")
    scene.producer.pause()
    calm_rss = receiver.rss_bytes()
    scene.broker.limit_client(RECEIVER, round(offered_bytes_s / TIMES_OVER))
    answers, peak_rss = asyncio.run(_flood(scene, max(OVERLOAD_LEAST_S, rounds * OVERLOAD_ROUND_S)))
    scene.broker.limit_client(RECEIVER, NO_LIMIT)
    sent, refused = sum(answers.values()), answers["429"] + answers["503"]
    over = sent / max(1, answers["200"])
    scene.notes.append(
        f"{sent:,} requests in {max(OVERLOAD_LEAST_S, rounds * OVERLOAD_ROUND_S):.0f} s, {over:.1f} for each that was "
        f"accepted; answers {dict(answers)}; the receiver grew by {(peak_rss - calm_rss) / MIB:.0f} MiB"
    )

    def check(found: Stored) -> str:
        del found
        if not refused:
            return "the receiver never told a sender to wait"
        return "the receiver's memory grew beyond its bound" if peak_rss - calm_rss > GROWTH_BYTES else ""

    scene.checks.append(check)


def _log_bytes_s(scene: Scene) -> float:
    """What the broker writes down for the load as it is."""

    def size() -> int:
        return sum(path.stat().st_size for path in Path(scene.folder).glob(f"broker/data/{SPANS.name}-*/*.log"))

    before = size()
    time.sleep(MEASURE_S)
    return (size() - before) / MEASURE_S


async def _flood(scene: Scene, duration_s: float) -> tuple[Counter[str], int]:
    """Send at the producer's pace without waiting for answers; answers counted, and the receiver's most memory."""
    answers: Counter[str] = Counter()
    peak_rss = 0
    producer, receiver = scene.producer, scene.receiver
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    url = f"http://{producer.address}/v1/traces"
    assert receiver is not None

    async def send(client: httpx.AsyncClient, number: int) -> None:
        try:
            body = producer.body(number)
            answer = await client.post(url, content=body, headers={"Content-Type": "application/x-protobuf"})
        except httpx.HTTPError as error:
            answers[type(error).__name__] += 1
            return
        answers[str(answer.status_code)] += 1
        if answer.status_code == httpx.codes.OK:
            producer.acknowledged.append(number)

    async with httpx.AsyncClient(limits=limits, timeout=60.0) as client, asyncio.TaskGroup() as group:
        until = time.monotonic() + duration_s
        while time.monotonic() < until:
            number = producer.take()
            group.create_task(send(client, number))
            due_s = (producer.start_unix_nano + number * producer.request_ns - time.time_ns()) / 1e9
            await asyncio.sleep(max(0.0, due_s))
            peak_rss = max(peak_rss, receiver.rss_bytes())
    return answers, peak_rss


def catching_up(scene: Scene, rounds: int) -> None:
    """ClickHouse refuses for a while and requests come on; then the backlog goes, at three times the live rate."""
    away_s = max(AWAY_LEAST_S, rounds * AWAY_ROUND_S)
    scene.done = rounds
    scene.wait_stored()
    scene.store.fault(Fault("refuse", on="any", delay_s=away_s))
    time.sleep(away_s)
    began, first = time.monotonic(), scene.stored_spans()
    backlog = len(scene.producer.acknowledged) * SPANS_PER_REQUEST - first
    first_batch_s = 0.0
    live_spans_s = SPANS_PER_REQUEST * 1e9 / scene.producer.request_ns
    while (stored := scene.stored_spans() - first) < backlog:
        first_batch_s = first_batch_s or (stored > 0) * (time.monotonic() - began)
        scene.supervise()
        if time.monotonic() - began > CAUGHT_UP_WITHIN_S:
            raise NotStoredError(
                f"{stored:,} of {backlog:,} spans were stored {CAUGHT_UP_WITHIN_S:g} s after it was back"
            )
        time.sleep(0.1)
    took_s = time.monotonic() - began
    rate = stored / took_s
    scene.notes.append(
        f"{away_s:.0f} s away; the backlog of {backlog:,} spans, with what came meanwhile {stored:,}, was stored in "
        f"{took_s:.1f} s: {rate:,.0f} a second, {rate / live_spans_s:.1f} times the live rate; the first batch after "
        f"{first_batch_s:.1f} s of them"
    )

    def check(_: Stored) -> str:
        return "" if rate >= CATCH_UP * live_spans_s else f"caught up at less than {CATCH_UP:g} times the live rate"

    scene.checks.append(check)
