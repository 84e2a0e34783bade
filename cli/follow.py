"""`telltale findings --follow`: every revision as it comes, from where the reader was.

The place is kept here between two questions, so a connection that drops costs nothing; with a consumer's name it is
kept by the server, and told to it only after the lines are out.
"""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from cli import render
from cli.client import get, part, post, show_json
from cli.exits import UNKNOWN, CliError
from query.tasks import SEVERITIES

WAIT_S: Final = 20
FIRST_DELAY_S: Final = 0.5
LONGEST_DELAY_S: Final = 10.0
MAX_SHOWN: Final = 4

Sleep = Callable[[float], None]


FOLLOW_OPTIONS: Final = (
    click.Option(["--follow"], is_flag=True, help="Print revisions as they come, until Ctrl-C."),
    click.Option(["--after"], metavar="CURSOR", help="With --follow: from here; `start` = all that is kept."),
    click.Option(["--consumer"], metavar="NAME", help="With --follow: from where this name was, and keep it."),
    click.Option(["--min-severity"], type=click.Choice(SEVERITIES), help="With --follow: from this severity on."),
)


def or_follow(command: click.Command) -> None:
    """Make a command follow where `--follow` is given; else it does what it did."""
    listing = command.callback

    def run(as_json: bool, url: str, **options: Any) -> Any:
        following = {str(option.name): options.pop(str(option.name)) for option in FOLLOW_OPTIONS}
        if following["follow"]:
            return begin(url, as_json, following, options)
        refuse(following)
        return listing(as_json=as_json, url=url, **options) if listing else None

    command.callback = run


def begin(url: str, as_json: bool, following: Mapping[str, Any], others: Mapping[str, Any]) -> None:
    """Follow until Ctrl-C.

    Raises:
        click.UsageError: An option does not go with `--follow`.
        CliError: Nothing answers, or the question is refused.
    """
    for name in (name for name, value in others.items() if value):
        raise click.UsageError(f"{_said(name)} does not go with --follow")
    if following["after"] and following["consumer"]:
        raise click.UsageError("--consumer has its own place: leave --after or --consumer out")
    follower = Follower(url, following["consumer"], following["min_severity"])
    follower.run(following["after"], show_json if as_json else _show_line)


def refuse(following: Mapping[str, Any]) -> None:
    """Raise click.UsageError where an option of following is given without it."""
    for name in (name for name, value in following.items() if value):
        raise click.UsageError(f"{_said(name)} goes with --follow only")


def _said(name: str) -> str:
    return name if name.isupper() else f"--{name.replace('_', '-')}"


class Follower:
    """Asks again and again. Runs until it is interrupted, or until the question is refused."""

    def __init__(self, url: str, consumer: str | None, min_severity: str | None, sleep: Sleep = time.sleep) -> None:
        self._url = url
        self._consumer = consumer
        self._min_severity = min_severity
        self._sleep = sleep
        self.cursor = ""

    def run(self, after: str | None, show: Callable[[dict[str, Any]], None]) -> None:
        """Show every entry after a cursor; None: of a consumer, from its place, else from now on."""
        if self._consumer is None:
            # `now` once, not again after a connection that dropped: what came meanwhile would be left out.
            self.cursor = after or self._ask({"after": "now"})["cursor"]
        answer = self._ask({"consumer": self._consumer} if self._consumer else {"after": self.cursor})
        while True:
            for entry in answer["entries"]:
                show(entry)
            sys.stdout.flush()
            _check_reader()
            self.cursor = answer["cursor"]
            if self._consumer is not None and answer["entries"]:
                self._patiently(self._acknowledge)
            answer = self._patiently(lambda: self._ask({"after": self.cursor}, WAIT_S))

    def _ask(self, place: dict[str, str], wait_s: int = 0) -> dict[str, Any]:
        asked: dict[str, str | int | None] = {
            "wait_s": wait_s,
            "every": "true",
            "max_tokens": 100_000,
            "min_severity": self._min_severity,
        }
        return get(self._url, "/v1/findings", {**place, **asked})

    def _acknowledge(self) -> dict[str, Any]:
        return post(self._url, f"/v1/consumers/{part(self._consumer or '')}/ack", {"cursor": self.cursor})

    def _patiently(self, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The answer, as soon as somebody gives one; what was refused is refused."""
        delay_s = FIRST_DELAY_S
        lost = False
        while True:
            try:
                answer = ask()
            except CliError as error:
                if error.status != UNKNOWN:
                    raise
                if not lost:
                    click.echo(f"telltale: {error}; trying again, nothing will be left out", err=True)
                lost = True
                self._sleep(delay_s)
                delay_s = min(LONGEST_DELAY_S, 2 * delay_s)
            else:
                if lost:
                    click.echo("telltale: connected again", err=True)
                return answer


def _check_reader() -> None:
    """Raise BrokenPipeError where whoever read standard output is gone: without news no write would find out."""
    watching = select.poll()
    watching.register(sys.stdout.fileno(), 0)
    if any(events & select.POLLERR for _, events in watching.poll(0)):
        raise BrokenPipeError


def _show_line(entry: dict[str, Any]) -> None:
    click.echo(line(entry))


def line(entry: dict[str, Any]) -> str:
    """An entry of the feed for people: what happened, the finding, and what changed."""
    finding = entry["finding"]
    changes = [
        f"{name} {_value(old)} -> {_value(new)}" for name, (old, new) in entry["changed"].items() if name in SHOWN
    ]
    told = f"  ({', '.join(changes[:MAX_SHOWN])})" if changes else ""
    return render.finding_line({**finding, "status": entry["event"], "why": finding["untrusted"]["why"]}) + told


SHOWN: Final = frozenset({"severity", "count", "observed", "wasted.tokens", "wasted.cost_usd"})
"""Fields whose change is told to people."""


def _value(value: object) -> str:
    return render.number(value) if isinstance(value, int | float) else render.cut(str(value), 40)
