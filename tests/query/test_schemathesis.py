"""The API does what its OpenAPI document says, whatever is asked: Schemathesis asks."""

from __future__ import annotations

from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from query.feed.tasks import STREAM
from query.openapi import document

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]


REFUSING = ["400", "404", "413", "414", "415"]
CONFIG = schemathesis.Config.from_dict(
    {"seed": 6, "checks": {"negative_data_rejection": {"expected-statuses": REFUSING}}}
)
schema = schemathesis.openapi.from_dict(document(), config=CONFIG).exclude(path=STREAM.path)
"""What is served is the same: `test_openapi.py`. A stream ends when its reader goes: `test_feed.py` reads it."""


@schema.parametrize()
@settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_is_described(case: Any, fleet: httpx.Client) -> None:
    response = case.call(base_url=str(fleet.base_url))
    if response.status_code == 400 and response.content == b"Invalid HTTP request received.":
        return  # a first line of over 64 KiB: the HTTP server ends it before it is a question
    # A path that is too long is refused before anybody asks what method it comes with.
    checks = [check for check in CHECKS if response.status_code != 414 or check is not unsupported_method]
    case.validate_response(response, checks=checks)
