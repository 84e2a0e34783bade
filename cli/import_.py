"""`telltale import`: past sessions out of transcripts, so that there is something to see from the first minute on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.client import DEFAULT_URL
from cli.exits import BAD_LINES, FINE, INTERRUPTED, UNKNOWN, CliError
from cli.hook.agents import OTLP_URL
from cli.progress import Progress

if TYPE_CHECKING:
    from cli.transcripts.records import Record

HELP: Final = """\
Bring past sessions of Claude Code into the running Telltale, or judge them at once with --replay.

PATHS are transcripts (*.jsonl) or folders of them; without any, ~/.claude/projects. Arguments, results and prompts
are sent in full and redacted before they are stored, as all telemetry is. A transcript tells no cost, and a call takes
as long as from its line to that of its result.

What a session has stored already, from an earlier import or live, is not sent again: importing twice changes nothing,
and a transcript that has grown adds what is new.

\b
Examples:
  telltale import claude-code
  telltale import claude-code ~/.claude/projects/-home-me-repo
  telltale import claude-code --replay | jq -r .why

A bad line is named on standard error (FILE:LINE: reason) and skipped.
"""
RETRIES: Final = 30


@click.command(
    name="import",
    help=HELP,
    short_help="Past sessions out of transcripts.",
    epilog="Exit status: 0 done, 2 nothing answered, 3 done but some lines were bad, 64 wrong usage, 130 interrupted.",
)
@click.argument("source", type=click.Choice(["claude-code"]))
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--replay", is_flag=True, help="Print findings as JSON lines, with no server.")
@click.option("--url", envvar="TELLTALE_URL", default=DEFAULT_URL, show_default=True, help="API of Telltale.")
@click.option(
    "--otlp-http", "--otlp", "otlp", envvar="TELLTALE_OTLP_URL", default=OTLP_URL, show_default=True,
    help="Its OTLP over HTTP.",
)  # fmt: skip
def import_(source: str, paths: tuple[Path, ...], replay: bool, url: str, otlp: str) -> int:
    """See HELP."""
    given = paths or (Path.home() / ".claude" / "projects",)
    if not paths and not given[0].is_dir():
        raise click.UsageError(f"there is no {given[0]}; say where the transcripts of {source} are")
    reading = _Reading(given, Progress(sys.stderr))
    try:
        if replay:
            _replayed(reading)
        else:
            _sent(reading, url, otlp)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        reading.progress.clear()
    click.echo(reading.summary(), err=True)
    return BAD_LINES if reading.bad else FINE


class _Reading:
    """The sessions below some paths, one after the other, and what was seen of them."""

    def __init__(self, paths: tuple[Path, ...], progress: Progress) -> None:
        self._paths = paths
        self.progress = progress
        self.counts = {"sessions": 0, "tool": 0, "model": 0, "prompt": 0, "known": 0}
        self.bad = 0
        self._lines = 0

    def __iter__(self) -> Iterator[tuple[str, list[Record]]]:
        from cli.transcripts.claude_code import Reading, sessions  # noqa: PLC0415 - orjson, which help need not load

        for _, files in sessions(self._paths):
            reading = Reading()
            for line in self._lines_of(files, reading.read):
                self._lines += line
                self.progress.at(self._lines, sum(self.counts.values()))
            by_session: dict[str, list[Record]] = {}
            for record in reading.records():  # a session that goes on from another may begin with its lines
                by_session.setdefault(str(record.attributes["session.id"]), []).append(record)
            self.counts["sessions"] += len(by_session)
            yield from by_session.items()

    def _lines_of(self, files: list[Path], read: Callable[[bytes], str]) -> Iterator[int]:
        from cli.lines import Lines  # noqa: PLC0415

        lines = Lines([str(file) for file in files])
        for number, line in enumerate(lines):
            reason = read(line)
            if reason:
                self._bad(f"{lines.place(number)}: {reason}")
            yield 1
        for reason in lines.broken:
            self._bad(reason)

    def _bad(self, text: str) -> None:
        self.bad += 1
        self.progress.clear()
        click.echo(text, err=True)

    def count(self, records: Iterable[Record]) -> None:
        """Remember what was sent."""
        for record in records:
            self.counts[record.kind] += 1

    def summary(self) -> str:
        """What was read, in one line."""
        said = self.counts
        text = f"{said['sessions']} sessions: {said['tool']} tool calls, {said['model']} model calls, "
        text += f"{said['prompt']} prompts"
        text += f"; {said['known']} events were known already" if said["known"] else ""
        return text + (f"; {self.bad} bad lines" if self.bad else "")


def _sent(reading: _Reading, url: str, otlp: str) -> None:
    import httpx  # noqa: PLC0415

    from cli.transcripts.claude_code import SCOPE, SERVICE  # noqa: PLC0415
    from cli.transcripts.known import known  # noqa: PLC0415
    from cli.transcripts.records import requests  # noqa: PLC0415

    with httpx.Client(timeout=30, trust_env=False) as client:
        for session_id, records in reading:
            stored = known(url, session_id)
            fresh = [record for record in records if not stored.has(record)]
            reading.counts["known"] += len(records) - len(fresh)
            for body in requests(SERVICE, SCOPE, fresh):
                _post(client, f"{otlp.rstrip('/')}/v1/logs", body)
            reading.count(fresh)


def _post(client: Any, url: str, body: bytes) -> None:
    """One request, sent again while the receiver asks for patience."""
    import httpx  # noqa: PLC0415

    for _ in range(RETRIES):
        try:
            response = client.post(url, content=body, headers={"content-type": "application/json"})
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            hint = "start one with `telltale up`, or say where it takes OTLP over HTTP with --otlp"
            raise CliError(f"no Telltale takes logs at {url} ({error})", UNKNOWN, hint=hint) from error
        if response.status_code == 200:
            return
        if response.status_code not in (429, 503):
            raise CliError(f"{url} refused the records (HTTP {response.status_code})", UNKNOWN)
        wait = response.headers.get("retry-after", "1")
        time.sleep(min(float(wait), 30) if wait.isdigit() else 1.0)
    raise CliError(f"{url} is busy: what was sent is kept, run this again for the rest", UNKNOWN)


def _replayed(reading: _Reading) -> None:
    from cli.replay import judged  # noqa: PLC0415 - the whole pipeline
    from cli.transcripts.claude_code import SCOPE, SERVICE  # noqa: PLC0415
    from cli.transcripts.records import requests  # noqa: PLC0415

    def lines() -> Iterator[bytes]:
        for _, records in reading:
            reading.count(records)
            yield from requests(SERVICE, SCOPE, records)

    judged(lines())
