"""Generated traffic of a service: forty-five minutes of event time in which one release is slow and the next one fails.

Nothing here ran: the spans are drawn from a seeded generator and say so in `telltale.demo.generated`.
"""

from __future__ import annotations

import gzip
import math
import random
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

CHECKOUT: Final = "checkout"
CATALOG: Final = "catalog"
SLOW_VERSION: Final = "1.5.0"
FAILING_VERSION: Final = "1.5.1"
MINUTE_NS: Final = 60_000_000_000


@dataclass(frozen=True, slots=True)
class Release:
    """How a version behaves while it runs."""

    version: str
    minutes: int
    median_s: float = 0.120
    error_ratio: float = 0.02


@dataclass(frozen=True, slots=True)
class Service:
    """A service and the releases that it goes through."""

    name: str
    operation: str
    releases: tuple[Release, ...]
    spans_per_minute: int = 90
    latency_sigma: float = 0.5
    """Of the logarithm of the latency."""


SERVICES: Final = (
    Service(
        CHECKOUT,
        "POST /checkout",
        (
            Release("1.4.0", minutes=20),
            Release(SLOW_VERSION, minutes=13, median_s=0.300),
            Release(FAILING_VERSION, minutes=12, error_ratio=0.25),
        ),
    ),
    Service(CATALOG, "GET /catalog/{id}", (Release("3.2.0", minutes=45, median_s=0.040, error_ratio=0.005),)),
)


def requests_by_minute(end_unix_nano: int, seed: int = 7) -> Iterator[list[ExportTraceServiceRequest]]:
    """For each minute, oldest first, one export request a service; the last span ends before `end_unix_nano`."""
    generators = [(service, random.Random(f"{seed} {service.name}")) for service in SERVICES]  # noqa: S311 - no secret
    minutes = max(sum(release.minutes for release in service.releases) for service in SERVICES)
    first_minute_ns = end_unix_nano - (minutes + 1) * MINUTE_NS
    for minute in range(minutes):
        start_ns = first_minute_ns + minute * MINUTE_NS
        yield [_request(service, _release_at(service, minute), start_ns, rng) for service, rng in generators]


def span_count() -> int:
    """How many spans `requests_by_minute` makes."""
    return sum(service.spans_per_minute * release.minutes for service in SERVICES for release in service.releases)


def post(request: ExportTraceServiceRequest, address: str) -> None:
    """Send one request over OTLP/HTTP to HOST:PORT; raises OSError where it is not taken."""
    body = gzip.compress(request.SerializeToString(), compresslevel=1)
    headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
    call = urllib.request.Request(f"http://{address}/v1/traces", body, headers)
    with urllib.request.urlopen(call, timeout=30) as answer:  # noqa: S310 - always http
        answer.read()


def _release_at(service: Service, minute: int) -> Release:
    for release in service.releases:
        if minute < release.minutes:
            return release
        minute -= release.minutes
    return service.releases[-1]


def _request(service: Service, release: Release, start_ns: int, rng: random.Random) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.extend(
        [_attribute("service.name", service.name), _attribute("service.version", release.version)]
    )
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = "telltale.demo"
    starts = sorted(rng.randrange(MINUTE_NS) for _ in range(service.spans_per_minute))
    scope_spans.spans.extend(_span(service, release, start_ns + offset, rng) for offset in starts)
    return request


def _span(service: Service, release: Release, start_ns: int, rng: random.Random) -> Span:
    failed = rng.random() < release.error_ratio
    duration_s = rng.lognormvariate(math.log(release.median_s), service.latency_sigma)
    span = Span(
        trace_id=rng.randbytes(16),
        span_id=rng.randbytes(8),
        name=service.operation,
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + int(duration_s * 1e9),
        attributes=[
            _attribute("http.response.status_code", 500 if failed else 200),
            _attribute("telltale.demo.generated", "yes"),
        ],
    )
    if failed:
        span.attributes.append(_attribute("error.type", "500"))
        span.status.code = Status.STATUS_CODE_ERROR
    return span


def _attribute(key: str, value: str | int) -> KeyValue:
    if isinstance(value, str):
        return KeyValue(key=key, value=AnyValue(string_value=value))
    return KeyValue(key=key, value=AnyValue(int_value=value))
