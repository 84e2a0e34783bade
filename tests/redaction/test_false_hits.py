"""Telemetry that holds no secret passes through redaction unchanged."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import cast

import pytest

from pipeline.decode import decode
from pipeline.message import Message
from pipeline.redaction import Redactor
from schemas.topics import SOURCES, Signal
from tests.sessions.tables import capture_names, capture_tables

REDACTOR = Redactor()
GOLDEN = Path(__file__).parent.parent / "fixtures" / "golden" / "input.pb64"
SMALL = [name for name in capture_names() if not name.startswith("codex") or name.startswith("codex-default-grpc-A")]


@pytest.mark.parametrize("name", SMALL)
def test_captures_hold_no_secret_and_stay_as_they_are(name: str) -> None:
    for _, table in capture_tables(name):
        assert REDACTOR.table(table).equals(table)


def test_random_attributes_of_every_shape_stay_as_they_are() -> None:
    rows = 0
    for line in GOLDEN.read_text().splitlines():
        kind, encoded = line.split()[:2]
        signal = cast(Signal, kind)
        for table in decode(
            signal, [Message(SOURCES[signal].name, 0, 0, 0, base64.b64decode(encoded))]
        ).tables.values():
            rows += table.num_rows
            assert REDACTOR.table(table).equals(table)
    assert rows > 100
