"""`telltale replay`: recorded telemetry, judged with no server."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cli.exits import BAD_LINES, FAILED, FINE, INTERRUPTED, USAGE, CliError
from cli.lines import Lines
from cli.progress import Progress

if TYPE_CHECKING:
    from pipeline.replay import Replay
    from schemas.finding import Finding

HELP: Final = """\
Judge recorded telemetry in its own time and print findings as JSON lines.

FILES hold OTLP/JSON, one request a line, as the Collector's file exporter writes it, plain or gzip; `-` is
standard input.

\b
Examples:
  telltale replay recorded.jsonl.gz | jq -r .why
  zcat *.jsonl.gz | telltale replay - --rules my-rules/

A bad line is named on standard error (FILE:LINE: reason) and skipped.
"""


@click.command(
    help=HELP, epilog="Exit status: 0 done, 3 done but some lines were bad, 64 wrong usage, 130 interrupted."
)
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--rules", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Other rules (*.toml).")
@click.option("--each", is_flag=True, help="Every revision of a finding as it comes, not the last of each at the end.")
def replay(files: tuple[str, ...], rules: Path | None, each: bool) -> int:
    """See HELP."""
    lines, progress = Lines(files), Progress(sys.stderr)

    def bad_line(number: int, reason: str) -> None:
        progress.clear()
        click.echo(f"{lines.place(number)}: {reason}", err=True)

    run = _prepared(rules, bad_line, _show if each else lambda _: None)
    status = _read(run, lines, progress)
    for reason in lines.broken:
        click.echo(reason, err=True)
    for finding in () if each else run.findings:
        _show(finding)
    sys.stdout.buffer.flush()
    run.findings.close()
    return status or (BAD_LINES if run.bad_lines or lines.broken else FINE)


def judged(lines: Iterable[bytes]) -> None:
    """Judge requests of our own making, OTLP/JSON each, and print the last state of every finding."""

    def refused(number: int, reason: str) -> None:
        raise CliError(f"request {number} could not be used: {reason}", FAILED)

    run = _prepared(None, refused, lambda _: None)
    for line in lines:
        run.feed(line)
    run.finish()
    for finding in run.findings:
        _show(finding)
    run.findings.close()


def _prepared(rules: Path | None, bad_line: Callable[[int, str], None], found: Callable[[Finding], None]) -> Replay:
    from pipeline.interpreter import prepare, tune  # noqa: PLC0415 - the whole pipeline, which help need not wait for

    prepare()
    from pipeline.assembly import detectors, normalizer  # noqa: PLC0415
    from pipeline.replay import Replay  # noqa: PLC0415
    from pipeline.settings_sources import load_settings  # noqa: PLC0415
    from schemas.errors import TelltaleError  # noqa: PLC0415

    try:
        settings = load_settings({}, os.environ)
        run = Replay(normalizer(settings), detectors(rules, settings.tools_file), settings, bad_line, found)
    except TelltaleError as error:
        raise CliError(str(error), USAGE) from error
    tune()
    return run


def _read(run: Replay, lines: Lines, progress: Progress) -> int:
    """Feed all lines; on Ctrl-C what was found so far stands."""
    try:
        for line in lines:
            run.feed(line)
            progress.at(run.lines, run.records)
        run.finish()
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        progress.clear()
    return FINE


def _show(finding: Finding) -> None:
    from schemas.printable import printable_json  # noqa: PLC0415 - help need not wait for orjson

    sys.stdout.buffer.write(printable_json(finding.as_json()) + b"\n")
    sys.stdout.buffer.flush()
