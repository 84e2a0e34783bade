"""Text for people: aligned, cut, and unable to steer a terminal."""

from __future__ import annotations

from typing import Any

import pytest

from cli import render
from cli.banner import PRODUCERS, banner
from cli.client import _answer
from cli.exits import CliError
from cli.progress import Progress


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ä 日本", "plain ä 日本"),
        ("\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("\x9b2J", "\\x9b2J"),
        ("\ud800", "\\ud800"),
    ],
)
def test_control_characters_are_written_out(text: str, shown: str) -> None:
    assert render.printable(text) == shown


def test_a_table_is_aligned_and_numbers_stand_to_the_right() -> None:
    rows = [["a", 1, None, [1]], ["long name", 1234, 0.123456789, "x" * 100]]
    assert render.table(["name", "n", "f", "x"], rows, 12) == [
        "name          n         f  x",
        "a             1            [1]",
        "long name  1234  0.123457  xxxxxxxxxxx…",
    ]


def test_a_table_without_rows_is_its_header() -> None:
    assert render.table(["a", "b"], []) == ["a  b"]


def test_a_finding_line_is_one_line_whatever_is_quoted_in_it() -> None:
    finding: dict[str, Any] = {
        "id": "f1",
        "severity": "critical",
        "status": "open",
        "rule": "tool_call_loop",
        "session_id": "s\n1",
        "why": "`rm\x1b[2J` " + "x" * 900,
        "series": {},
    }
    line = render.finding_line(finding)
    assert line.isprintable()
    assert line.startswith("CRITICAL open     tool_call_loop  session s\\n1  `rm\\x1b[2J` xx")
    assert line.endswith("…  [f1]")


@pytest.mark.parametrize(
    ("value", "text"), [(None, "unknown"), (1234567, "1,234,567"), (0.5, "0.5"), (12345.6, "12,346")]
)
def test_numbers_are_short(value: float | None, text: str) -> None:
    assert render.number(value) == text


def test_the_banner_tells_every_agent_the_real_addresses() -> None:
    text = "\n".join(banner("127.0.0.1:1111", "127.0.0.1:2222", "127.0.0.1:3333", "/data"))
    assert [producer.name for producer in PRODUCERS][:3] == ["Claude Code", "Codex", "Gemini CLI"]
    assert "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:2222" in text
    assert 'endpoint = "http://127.0.0.1:2222/v1/logs", protocol = "binary"' in text
    assert '"otlpEndpoint": "http://127.0.0.1:1111"' in text
    assert "{" + "http" not in text
    assert len(text.splitlines()) < 25


class _Stream:
    """A stream that is a terminal or not, and keeps what was written."""

    def __init__(self, terminal: bool) -> None:
        self.written = ""
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> int:
        self.written += text
        return len(text)

    def flush(self) -> None:
        """Nothing waits."""


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_shown_on_a_terminal_only(terminal: bool) -> None:
    stream: Any = _Stream(terminal)
    progress = Progress(stream)
    progress.at(1000, 20_000)
    progress.clear()
    assert stream.written == ("\r1,000 lines, 20,000 spans and log records\r\x1b[K" if terminal else "")


@pytest.mark.parametrize(
    ("status", "content", "exit_status"),
    [
        (200, b"<html>", 2),
        (200, b"[1]", 2),
        (404, b"", 2),
        (502, b"{}", 2),
        (404, b'{"error":{"code":"not_found","message":"m","hint":null}}', 1),
        (429, b'{"error":{"code":"busy","message":"m","hint":null}}', 2),
        (503, b'{"error":{"code":"store_unavailable","message":"m","hint":null}}', 2),
    ],
)
def test_an_answer_that_is_none_is_told_apart_from_a_refusal(status: int, content: bytes, exit_status: int) -> None:
    with pytest.raises(CliError) as raised:
        _answer("http://x", status, content)
    assert raised.value.status == exit_status
