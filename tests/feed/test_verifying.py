"""The example of docs/feed.md by which receivers verify a signature, run as it stands."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sinks.webhook.sink import signature

EXAMPLE = Path(__file__).parents[2] / "docs" / "verify_webhook.py"
SECRET = "0123456789abcdef"
BODY = '{"key": "ü"}'.encode()
NOW = 1_767_603_600


def genuine(secret: str, given: str, body: bytes, now: float) -> bool:
    spec = importlib.util.spec_from_file_location("verify_webhook", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return bool(module.genuine(secret, given, body, now))


SIGNED = signature(SECRET, NOW, BODY)


@pytest.mark.parametrize(
    ("secret", "given", "body", "now", "expected"),
    [
        pytest.param(SECRET, SIGNED, BODY, NOW + 1, True, id="as it was sent"),
        pytest.param(SECRET, SIGNED, BODY + b" ", NOW, False, id="another body"),
        pytest.param("another secret!!", SIGNED, BODY, NOW, False, id="another secret"),
        pytest.param(SECRET, SIGNED, BODY, NOW + 301, False, id="too old"),
        pytest.param(SECRET, SIGNED, BODY, NOW - 301, False, id="from the future"),
        pytest.param(SECRET, SIGNED.replace(f"t={NOW}", f"t={NOW + 1}"), BODY, NOW, False, id="another time"),
        pytest.param(SECRET, "", BODY, NOW, False, id="none"),
        pytest.param(SECRET, f"t={NOW}", BODY, NOW, False, id="half of it"),
        pytest.param(SECRET, f"t={NOW},v1=é", BODY, NOW, False, id="not hexadecimal"),
        pytest.param(SECRET, "t=²,v1=00", BODY, NOW, False, id="no number"),
    ],
)
def test_only_what_was_sent_is_genuine(secret: str, given: str, body: bytes, now: float, expected: bool) -> None:
    assert genuine(secret, given, body, now) is expected


def test_the_example_runs_on_a_command_line() -> None:
    signed = signature(SECRET, int(time.time()), BODY)
    for body, status in ((BODY, 0), (b"{}", 1)):
        done = subprocess.run([sys.executable, str(EXAMPLE), SECRET, signed], input=body, check=False)
        assert done.returncode == status
