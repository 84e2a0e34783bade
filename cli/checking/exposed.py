"""What a running process of ours tells of itself at `/metrics`."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any, Final, NamedTuple

import httpx
from prometheus_client.parser import text_string_to_metric_families

from cli.addresses import host_port
from cli.client import TOKEN_VARIABLE
from schemas import metrics as m

MAX_BYTES: Final = 16 * 1024 * 1024
MAX_PARTITIONS: Final = 2_000


class Exposed(NamedTuple):
    """One look."""

    version: str
    watermark_unix_s: float
    """Event time up to which everything was judged; 0: nothing was."""
    partitions: dict[tuple[str, int], tuple[float, float, float]]
    """(topic, partition) -> messages that wait, offset processed up to, watermark (0: it keeps no states)."""


class NotExposedError(Exception):
    """Nothing of ours answers there; the text says why."""


def url_of(address: str) -> str:
    """Where a process that listens on HOST:PORT is asked from this machine."""
    host, port = host_port(address)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - what was asked for, not what is bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def exposed(address: str, answer_s: float) -> Exposed:
    """Ask HOST:PORT; raises NotExposedError, also after `answer_s`."""
    token = os.environ.get(TOKEN_VARIABLE)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        async with (
            httpx.AsyncClient(timeout=answer_s, trust_env=False, headers=headers) as client,
            client.stream("GET", url_of(address) + "/metrics") as response,
        ):
            if response.status_code != 200:
                raise NotExposedError(_refused(response.status_code))
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise NotExposedError(f"more than {MAX_BYTES} bytes: no Telltale")
        return read(body.decode())
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotExposedError(str(error) or type(error).__name__) from error
    except ValueError as error:
        raise NotExposedError("what answers is no Telltale") from error


async def twice(address: str, sample_s: float, answer_s: float) -> dict[str, Any]:
    """What a process tells of its partitions, with their throughput, as JSON; raises NotExposedError."""
    before, began = await exposed(address, answer_s), time.monotonic()
    await asyncio.sleep(sample_s)
    after, seconds = await exposed(address, answer_s), time.monotonic() - began
    now = time.time()
    told = []
    for (topic, partition), (lag, done, watermark) in sorted(after.partitions.items())[:MAX_PARTITIONS]:
        then = before.partitions.get((topic, partition))
        told.append(
            {
                "topic": topic,
                "partition": partition,
                "lag": int(lag),
                "done_per_s": None if then is None else round((done - then[1]) / seconds, 2),
                "watermark_s_ago": round(now - watermark, 1) if watermark else None,
            }
        )
    return {
        "address": address,
        "version": after.version,
        "lag_messages": sum(one["lag"] for one in told),
        "watermark_s_ago": round(now - after.watermark_unix_s, 1) if after.watermark_unix_s else None,
        "partitions": told,
    }


def read(text: str) -> Exposed:
    """An exposition taken apart; raises ValueError where it is none, or none of ours."""
    version, watermark = "", 0.0
    by_metric: dict[str, dict[tuple[str, int], float]] = {one.name: {} for one in _OF_PARTITIONS}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == m.BUILD_INFO.name:
                version = sample.labels.get("version", "")
            elif sample.name == m.WATERMARK.name:
                watermark = sample.value
            elif sample.name in by_metric:
                by_metric[sample.name][sample.labels["topic"], int(sample.labels["partition"])] = sample.value
    if not version:
        raise ValueError("no version")
    lags, dones, watermarks = (by_metric[one.name] for one in _OF_PARTITIONS)
    found = {where: (lag, dones.get(where, 0.0), watermarks.get(where, 0.0)) for where, lag in lags.items()}
    return Exposed(version, watermark, found)


_OF_PARTITIONS: Final = (m.PARTITION_LAG, m.PARTITION_DONE, m.PARTITION_WATERMARK)


def _refused(status: int) -> str:
    if status == 401:
        return f"it wants a token: set {TOKEN_VARIABLE}"
    return f"it answers with HTTP {status}"
