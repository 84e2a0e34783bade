"""`telltale dead-letters`: messages that could not be used, and putting them back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from cli.client import WHOLE, errors_as, get, json_option, part, post, show_json, url_option
from cli.exits import FAILED, FINE, UNKNOWN, USAGE, CliError
from cli.options import settings_of, settings_options
from query.dead_letters.tasks import DEAD_LETTER, DEAD_LETTER_REPLAY, DEAD_LETTERS, MAX_LISTED, MAX_SHOWN_BYTES

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from query.tasks import Task

F = TypeVar("F", bound=Callable[..., Any])

HELP: Final = """\
Messages that could not be used: what they were, why, and putting them back into the log.

\b
Examples:
  telltale dead-letters list
  telltale dead-letters list --topic otlp_spans --since 2h
  telltale dead-letters show otlp_spans:0:42
  telltale dead-letters replay otlp_spans:0:42 --dry-run
  telltale dead-letters replay --since 2h --kafka kafka://kafka:9092 --clickhouse http://clickhouse:8123/telltale

With a ClickHouse server (--clickhouse, or the settings) it is asked directly; on one machine the running telltale up
is, at --url.
"""
EPILOG: Final = (
    "Exit status: 0 done, 1 what is named is not there, or a letter was not put back, 2 nothing answered, 64 wrong "
    "usage."
)
_SETTINGS: Final = settings_options("kafka", "clickhouse")


def _choosing(command: F) -> F:
    for option in (
        click.option("--since", metavar="TIME", help="Stored from this time on: RFC 3339, or 30m, 2h, 7d before now."),
        click.option("--reason", metavar="TEXT", help="Only those whose reason holds this text."),
        click.option("--topic", metavar="NAME", help="Only of this topic."),
    ):
        command = option(command)
    return command


@click.group("dead-letters", help=HELP, short_help="Messages that could not be used.", epilog=EPILOG)
def dead_letters() -> None:
    """See HELP."""


@dead_letters.command("list", epilog=EPILOG)
@_choosing
@click.option("--limit", type=click.IntRange(1, MAX_LISTED), help="Letters at most.  [default: 50]")
@json_option
@url_option
@_SETTINGS
def list_letters(**given: Any) -> None:
    r"""How many of which kind, and the latest.

    \b
    Examples:
      telltale dead-letters list
      telltale dead-letters list --reason trace_id --since 2h --json
    """
    from cli import dead_letters_shown as shown  # noqa: PLC0415 - help need not wait for it

    _show(given, _answer(DEAD_LETTERS, given, "topic", "reason", "since", "limit"), shown.listing)


@dead_letters.command("show", epilog=EPILOG)
@click.argument("id")
@click.option("--max-bytes", type=click.IntRange(1, MAX_SHOWN_BYTES), help="Bytes that are shown.  [default: 512]")
@json_option
@url_option
@_SETTINGS
def show_letter(**given: Any) -> None:
    r"""One letter with its bytes: a stranger's, so quoted and never to be obeyed.

    \b
    Examples:
      telltale dead-letters show otlp_spans:0:42
      telltale dead-letters show otlp_spans:0:42 --max-bytes 4096
    """
    from cli import dead_letters_shown as shown  # noqa: PLC0415

    _show(given, _answer(DEAD_LETTER, given, "id", "max_bytes"), shown.one)


@dead_letters.command("replay", epilog=EPILOG)
@click.argument("ids", nargs=-1)
@_choosing
@click.option("--all", "everything", is_flag=True, help="Every letter, where nothing else chooses.")
@click.option("--limit", type=click.IntRange(1, MAX_LISTED), help="Letters at most, oldest first.  [default: 100]")
@click.option("--again", is_flag=True, help="Also those that may be stored twice then.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@json_option
@url_option
@_SETTINGS
def replay_letters(**given: Any) -> int:
    r"""Put the original messages back into their topic, where workers take them once more.

    \b
    Examples:
      telltale dead-letters replay otlp_spans:0:42 --dry-run
      telltale dead-letters replay --all --limit 20
      telltale dead-letters replay --topic otlp_logs --reason "not an Export"

    The message is read from the log where it still is, else what was kept is sent, if it is whole: not cut at 64 KiB,
    not redacted. One that was put back before, or of which rows are stored, is refused unless --again. What cannot be
    decoded still becomes a dead letter again, under a new id: mend its cause first.
    """
    from cli import dead_letters_shown as shown  # noqa: PLC0415

    if not (given["ids"] or given["topic"] or given["reason"] or given["since"] or given["everything"]):
        raise CliError("which letters? Name ids, or choose with --topic, --reason, --since or --all", USAGE)
    given["ids"] = list(given["ids"])
    answer = _answer(DEAD_LETTER_REPLAY, given, "ids", "topic", "reason", "since", "limit", "again", "dry_run")
    _show(given, answer, shown.replayed)
    return FINE if set(answer["counts"]) <= {"sent", "would_send"} else FAILED


def _answer(task: Task, given: dict[str, Any], *names: str) -> dict[str, Any]:
    """Of the store that the settings name, or of the process that has it."""
    asked = {name: given[name] for name in names if given[name] not in (None, [], ())}
    settings = _settings(given)
    server, kafka = not settings.store_url.startswith("chdb:"), settings.broker_url.startswith("kafka:")
    if server and (kafka or task.method == "GET"):
        return _directly(task, settings, asked)
    identity = asked.pop("id", "")
    path = task.path.replace("{id}", part(identity))
    with errors_as(given["as_json"]):
        return get(given["url"], path, asked | WHOLE) if task.method == "GET" else post(given["url"], path, asked)


def _settings(given: dict[str, Any]) -> Settings:
    config: Path | None = given["config"]
    return settings_of(config, given["assignments"], {name: given[name] for name in ("broker_url", "store_url")})


def _directly(task: Task, settings: Settings, asked: dict[str, Any]) -> dict[str, Any]:
    import asyncio  # noqa: PLC0415

    from cli.dead_letters_direct import answered  # noqa: PLC0415
    from schemas.errors import QueryError, TelltaleError  # noqa: PLC0415

    try:
        return asyncio.run(answered(task, settings, asked))
    except QueryError as error:
        status = UNKNOWN if error.status in (429, 503) else FAILED if error.status == 404 else USAGE
        raise CliError(f"{error} ({error.code})", status, hint=error.hint) from error
    except TelltaleError as error:
        raise CliError(str(error), UNKNOWN) from error


def _show(given: dict[str, Any], answer: dict[str, Any], lines: Callable[[dict[str, Any]], list[str]]) -> None:
    if given["as_json"]:
        show_json(answer)
    else:
        click.echo("\n".join(lines(answer)))
