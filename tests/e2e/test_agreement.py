"""How input is cut into batches changes nothing, and the live stream finds what replay finds.

Interleaved captures may end differently: sessions recorded hours apart are "quiet" beside each other, sooner or later
as the requests happen to come, and a revision tells what was wasted as far as it is known then. So of loops all is
compared but status, revision, reason and waste; of series everything is.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from demo import traffic
from pipeline import replay
from pipeline.assembly import detectors, normalizer
from pipeline.decode.otlp_json import request_from_json
from pipeline.journal import LocalJournal
from pipeline.settings import Settings
from pipeline.stream import Parts, Stream
from schemas.finding import Finding
from sinks.clickhouse import ClickHouseSink
from sinks.prometheus import PrometheusMetrics
from tests.decode.strategies import otlp_json
from tests.e2e.running import capture_lines, spans
from tests.sessions.tables import capture_names

END_NS = 1_767_225_600_000_000_000
YEAR_NS = 31_557_600_000_000_000
MOST_LATE_S = 15.0
"""A minute of a series is judged 20 s after its end; what comes later than that may count or not."""
OF_TIMING: dict[str, Any] = {"status": "open", "revision": 0, "reason": "", "wasted_tokens": 0, "wasted_cost_usd": 0.0,
             "wasted_duration_s": 0.0}  # fmt: skip

SCRIPTED = [name for name in capture_names() if name.endswith(("-A", "-B", "-M"))]


def interleaved(seed: int, captures: int = 4) -> list[bytes]:
    """The requests of some captures, each capture's in order."""
    chance = random.Random(seed)
    queues = [capture_lines(name) for name in chance.sample(SCRIPTED, captures)]
    turns = [at for at, queue in enumerate(queues) for _ in queue]
    chance.shuffle(turns)
    taken = [iter(queue) for queue in queues]
    return [next(taken[at]) for at in turns]


def service(seed: int, spans_a_request: int) -> list[bytes]:
    """Forty-five minutes of the demo's traffic in small requests, each up to `MOST_LATE_S` late."""
    chance = random.Random(seed)
    sent: list[tuple[float, bytes]] = []
    for request in itertools.chain.from_iterable(traffic.requests_by_minute(END_NS, seed)):
        ours = list(request.resource_spans[0].scope_spans[0].spans)
        for first in range(0, len(ours), spans_a_request):
            part = type(request)()
            part.CopyFrom(request)
            held = part.resource_spans[0].scope_spans[0].spans
            del held[:]
            held.extend(ours[first : first + spans_a_request])
            late = chance.uniform(0, MOST_LATE_S) * 1e9
            sent.append((max(one.end_time_unix_nano for one in held) + late, orjson.dumps(otlp_json(part))))
    return [line for _, line in sorted(sent)]


def moment(unix_nano: int, name: str = "clock") -> bytes:
    """A span of another service, which tells how late it is."""
    return spans(
        {"name": name, "startTimeUnixNano": str(unix_nano), "endTimeUnixNano": str(unix_nano)}, service="clock"
    )


def replayed(lines: Sequence[bytes], batch_lines: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, Finding]:
    monkeypatch.setattr(replay, "BATCH_LINES", batch_lines)
    settings = Settings()
    run = replay.Replay(normalizer(settings), detectors(), settings)
    for line in lines:
        run.feed(line)
    run.finish()
    found = {finding.id: finding for finding in run.findings}
    run.findings.close()
    return found


def streamed(parts: Sequence[Sequence[bytes]], folder: Path, batch_messages: int) -> dict[str, Finding]:
    """The last telling of each finding of a live stream: log, Faust, chDB; it settles after each part.

    Spans and logs are two topics, read side by side: without that, what one of them tells of another year could
    overtake the other.
    """
    last: dict[str, Finding] = {}

    def tell(finding: Finding) -> None:
        if finding.id not in last or last[finding.id].precedence <= finding.precedence:
            last[finding.id] = finding

    async def whole() -> None:
        settings = Settings(data_dir=folder, batch_messages=batch_messages, batch_linger_s=0.02)
        store = ClickHouseSink(settings.store_url)
        stream = Stream(settings, Parts(normalizer(settings), detectors(), store, PrometheusMetrics(), tell))
        await stream.start()
        for lines in parts:
            for line in lines:
                for signal, value in request_from_json(None, line):
                    await LocalJournal(stream.log).append(signal, value)
            assert await stream.settle(60)
        await stream.stop()

    asyncio.run(whole())
    return last


def without_timing(found: dict[str, Finding]) -> dict[str, str]:
    return {key: repr(dataclasses.replace(finding, **OF_TIMING)) for key, finding in found.items()}


def text(found: dict[str, Finding]) -> dict[str, str]:
    """Equal also where a number is NaN."""
    return {key: repr(finding) for key, finding in found.items()}


@pytest.mark.parametrize("seed", range(12))
def test_sessions_are_judged_alike_however_their_requests_are_batched(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = interleaved(seed)
    wanted = without_timing(replayed(lines, 40, monkeypatch))
    for batch_lines in (1, 3, 10_000):
        assert without_timing(replayed(lines, batch_lines, monkeypatch)) == wanted


@pytest.mark.parametrize("seed", range(2))
def test_series_are_judged_alike_however_their_requests_are_batched(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = service(seed, spans_a_request=15)
    wanted = replayed(lines, 40, monkeypatch)
    assert {finding.kind for finding in wanted.values()} == {"latency_regression", "error_spike"}
    for batch_lines in (1, 7, 10_000):
        assert text(replayed(lines, batch_lines, monkeypatch)) == text(wanted)


@pytest.mark.parametrize("at_ns", [END_NS + 30 * YEAR_NS, 1], ids=["30 years ahead", "1970"])
@pytest.mark.parametrize("batch_lines", [1, 40])
def test_clocks_that_are_years_off_do_not_make_others_late(
    at_ns: int, batch_lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = service(3, spans_a_request=30)
    wanted = text(replayed(lines, batch_lines, monkeypatch))
    # a minute of 1970 is late only once another one has been judged
    mixed = lines[:20] + [one for line in lines[20:] for one in (line, shifted(line, at_ns))]
    assert text(replayed(mixed, batch_lines, monkeypatch)) == wanted


def shifted(line: bytes, at_ns: int) -> bytes:
    """The first span of a request, of the same series, at another time."""
    request: dict[str, Any] = json.loads(line)
    scope = request["resourceSpans"][0]["scopeSpans"][0]
    scope["spans"] = [{**scope["spans"][0], "startTimeUnixNano": str(at_ns), "endTimeUnixNano": str(at_ns + 1)}]
    return orjson.dumps(request)


@pytest.mark.parametrize("batch_messages", [1, 40])
def test_the_live_stream_finds_what_replay_finds(
    batch_messages: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the last span moves event time on, so that the series' last minutes are judged in both
    series = [*service(5, spans_a_request=90), moment(END_NS + 300 * 10**9)]
    sessions = interleaved(5, captures=3)
    found = streamed([series, sessions], tmp_path, batch_messages)
    wanted = replayed([*series, *sessions], 40, monkeypatch)
    assert {finding.kind for finding in wanted.values()} == {"tool_call_loop", "latency_regression", "error_spike"}
    assert without_timing(found) == without_timing(wanted)
    of_series = [key for key, finding in wanted.items() if finding.kind != "tool_call_loop"]
    assert [repr(found[key]) for key in of_series] == [repr(wanted[key]) for key in of_series]
