"""The generated traffic is what the demo says it is."""

from __future__ import annotations

from collections import defaultdict
from statistics import median

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from demo import traffic

END_UNIX_NANO = 1_700_000_000_000_000_000

Observed = dict[tuple[str, str], list[tuple[float, bool]]]


def observations() -> Observed:
    """Duration in seconds and failure of each span, by service and version."""
    found: Observed = defaultdict(list)
    for requests in traffic.requests_by_minute(END_UNIX_NANO):
        for request in requests:
            resource = request.resource_spans[0]
            service, version = (a.value.string_value for a in resource.resource.attributes)
            for span in resource.scope_spans[0].spans:
                duration_s = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
                found[service, version].append((duration_s, span.status.code == Status.STATUS_CODE_ERROR))
    return found


def test_the_slow_release_is_two_and_a_half_times_slower() -> None:
    found = observations()
    medians = {key: median(duration for duration, _ in spans) for key, spans in found.items()}
    ratio = medians[traffic.CHECKOUT, traffic.SLOW_VERSION] / medians[traffic.CHECKOUT, "1.4.0"]
    assert ratio == pytest.approx(2.5, rel=0.1)
    assert medians[traffic.CHECKOUT, traffic.FAILING_VERSION] == pytest.approx(0.120, rel=0.1)


def test_a_quarter_of_the_failing_release_fails() -> None:
    found = observations()
    failing = found[traffic.CHECKOUT, traffic.FAILING_VERSION]
    before = found[traffic.CHECKOUT, "1.4.0"]
    assert sum(failed for _, failed in failing) / len(failing) == pytest.approx(0.25, abs=0.04)
    assert sum(failed for _, failed in before) / len(before) == pytest.approx(0.02, abs=0.01)


def test_minutes_come_in_order_and_end_before_now() -> None:
    last_minute_start = 0
    count = 0
    for requests in traffic.requests_by_minute(END_UNIX_NANO):
        spans = [span for request in requests for span in request.resource_spans[0].scope_spans[0].spans]
        assert min(span.start_time_unix_nano for span in spans) >= last_minute_start
        assert max(span.end_time_unix_nano for span in spans) < END_UNIX_NANO
        last_minute_start = max(span.start_time_unix_nano for span in spans)
        count += len(spans)
    assert count == traffic.span_count()


def test_the_same_end_gives_the_same_bytes() -> None:
    first, second = (
        [r.SerializeToString() for requests in traffic.requests_by_minute(END_UNIX_NANO) for r in requests]
        for _ in range(2)
    )
    assert first == second
