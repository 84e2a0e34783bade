"""Questions to a running Telltale, over its API."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import click

from cli.exits import FAILED, UNKNOWN, USAGE, CliError
from query.tasks import LINES, MAX_TOKENS, MORE, Task

DEFAULT_URL: Final = "http://127.0.0.1:4320"
JSON: Final = "application/json"
TOKEN_VARIABLE: Final = "TELLTALE_TOKEN"  # noqa: S105 - the name of a variable
TIMEOUT_S: Final = 30.0
WHOLE: Final = {"max_tokens": MAX_TOKENS}
"""Of a command for people who keep Telltale running: nothing is left out for a small context."""
NOT_NOW: Final = frozenset({"busy", "store_unavailable", "timeout", "memory_limit", "rate_limited", "internal"})
"""Errors that say nothing about what was asked."""


F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Answered:
    """What the API said."""

    content: bytes
    """As it came."""
    answer: dict[str, Any]
    """The same, read; of lines nothing but whether they are all."""


class RefusedError(CliError):
    """The API answered with an error."""

    def __init__(self, message: str, status: int, *, hint: str, content: bytes) -> None:
        super().__init__(message, status, hint=hint)
        self.content = content
        """The error as the API gave it."""


def ask(url: str, task: Task, given: Mapping[str, Any], accept: str = JSON) -> Answered:
    """The answer to a task.

    Args:
        url: Base of the API.
        task: What is asked.
        given: Parameters by name; those that are None are left out.
        accept: Media type of the answer.

    Raises:
        RefusedError: The question was refused.
        CliError: Nothing answered.
    """
    parameters = {name: value for name, value in given.items() if value is not None and value != ()}
    path = task.path
    if task.identity is not None and task.identity.name in parameters:
        path += f"/{part(parameters.pop(task.identity.name))}"
    if task.method == "POST":
        return request(url, path, body=parameters, accept=accept)
    return request(url, path, parameters=parameters, accept=accept)


def get(url: str, path: str, parameters: Mapping[str, str | int | None] | None = None) -> dict[str, Any]:
    """The answer to a GET of a path, its parts quoted; parameters that are None are left out. Raises as `ask`."""
    given = {name: str(value) for name, value in (parameters or {}).items() if value is not None}
    return request(url, path, parameters=given).answer


def post(url: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a POST of JSON; raises as `ask`."""
    return request(url, path, body=dict(body)).answer


@contextmanager
def errors_as(as_json: bool) -> Iterator[None]:
    """Programs read standard output: there goes what the API refuses with, too; the text for people goes beside it."""
    try:
        yield
    except RefusedError as error:
        if as_json:
            click.echo(error.content)
        raise


def part(text: str) -> str:
    """Text as one part of a path."""
    return quote(text, safe="")


def url_option(command: F) -> F:
    """Where the running process is, as an option."""
    return click.option(
        "--url",
        envvar="TELLTALE_URL",
        default=DEFAULT_URL,
        show_default=True,
        show_envvar=True,
        help=f"API of the running Telltale; its token, where it wants one, in {TOKEN_VARIABLE}.",
    )(command)


def json_option(command: F) -> F:
    """The option for programs."""
    return click.option("--json", "as_json", is_flag=True, help="JSON for programs, as the API gives it.")(command)


def show_json(answer: Any) -> None:
    """Print one answer for programs, as the API gives it."""
    from schemas.printable import printable_json  # noqa: PLC0415 - help need not wait for orjson

    click.echo(printable_json(answer))


def request(
    url: str,
    path: str,
    *,
    parameters: dict[str, Any] | None = None,
    body: dict[str, Any] | None = None,
    accept: str = JSON,
) -> Answered:
    """The answer to one request, a POST where it has a body; raises as `ask`."""
    import httpx  # noqa: PLC0415 - a tenth of a second that `--help` need not wait for

    method = "GET" if body is None else "POST"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CliError(f"--url {url!r} is no http:// or https:// address", USAGE, hint=f"such as {DEFAULT_URL}")
    # A proxy set for the internet must not get between two processes of one machine.
    loopback = parts.hostname in ("localhost", "::1") or parts.hostname.startswith("127.")
    token = os.environ.get(TOKEN_VARIABLE)
    headers = {"accept": accept} | ({"authorization": f"Bearer {token}"} if token else {})
    try:
        with httpx.Client(timeout=TIMEOUT_S, trust_env=not loopback, headers=headers) as client:
            response = client.request(method, url.rstrip("/") + path, params=parameters, json=body)
    except httpx.TimeoutException as error:
        raise CliError(f"{url} did not answer within {TIMEOUT_S:g} s", UNKNOWN) from error
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeEncodeError) as error:
        raise CliError(
            f"no Telltale answers at {url} ({error})",
            UNKNOWN,
            hint="start one with `telltale up`, or say where it is with --url or TELLTALE_URL",
        ) from error
    if response.status_code == 200 and response.headers.get("content-type", "").startswith(LINES):
        return Answered(response.content, {"truncated": MORE in response.headers})
    return _answer(url, response.status_code, response.content)


def _answer(url: str, status: int, content: bytes) -> Answered:
    import orjson  # noqa: PLC0415 - as httpx

    try:
        answer = orjson.loads(content)
        if status == 200:
            return Answered(content, dict(answer))
        error = answer["error"]
        message, hint, code = str(error["message"]), str(error["hint"] or ""), str(error["code"])
    except (ValueError, TypeError, KeyError) as wrong:
        raise CliError(f"what answers at {url} is no Telltale (HTTP {status})", UNKNOWN) from wrong
    refused = FAILED if status == 404 else USAGE
    exit_status = UNKNOWN if code in NOT_NOW or status >= 500 else refused
    raise RefusedError(f"{message} ({code})", exit_status, hint=hint, content=content)
