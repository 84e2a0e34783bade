"""Questions to a running Telltale, over its API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import click

from cli.exits import FAILED, UNKNOWN, USAGE, CliError

DEFAULT_URL: Final = "http://127.0.0.1:4320"
TIMEOUT_S: Final = 30.0

F = TypeVar("F", bound=Callable[..., Any])


def url_option(command: F) -> F:
    """The option that all commands have that ask a running process."""
    return click.option(
        "--url",
        envvar="TELLTALE_URL",
        default=DEFAULT_URL,
        show_default=True,
        show_envvar=True,
        help="API of the running Telltale.",
    )(command)


def json_option(command: F) -> F:
    """The option for programs."""
    return click.option("--json", "as_json", is_flag=True, help="JSON for programs, as the API gives it.")(command)


def get(url: str, path: str, parameters: Mapping[str, str | int | None] | None = None) -> dict[str, Any]:
    """The answer to a GET.

    Args:
        url: Base of the API.
        path: Parts below it, already quoted.
        parameters: Those that are None are left out.

    Raises:
        CliError: Nothing answered, or the question was refused.
    """
    given = {name: str(value) for name, value in (parameters or {}).items() if value is not None}
    return _ask(url, "GET", path, parameters=given)


def post(url: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a POST of JSON; raises as `get`."""
    return _ask(url, "POST", path, body=dict(body))


def part(text: str) -> str:
    """Text as one part of a path."""
    return quote(text, safe="")


def _ask(
    url: str, method: str, path: str, *, parameters: dict[str, str] | None = None, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    import httpx  # noqa: PLC0415 - a tenth of a second that `--help` need not wait for

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CliError(f"--url {url!r} is no http:// or https:// address", USAGE, hint=f"such as {DEFAULT_URL}")
    # A proxy set for the internet must not get between two processes of one machine.
    loopback = parts.hostname in ("localhost", "::1") or parts.hostname.startswith("127.")
    try:
        with httpx.Client(timeout=TIMEOUT_S, trust_env=not loopback) as client:
            response = client.request(method, url.rstrip("/") + path, params=parameters, json=body)
    except httpx.TimeoutException as error:
        raise CliError(f"{url} did not answer within {TIMEOUT_S:g} s", UNKNOWN) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CliError(
            f"no Telltale answers at {url} ({error})",
            UNKNOWN,
            hint="start one with `telltale up`, or say where it is with --url or TELLTALE_URL",
        ) from error
    return _answer(url, response.status_code, response.content)


def _answer(url: str, status: int, content: bytes) -> dict[str, Any]:
    import orjson  # noqa: PLC0415 - as httpx

    try:
        answer = orjson.loads(content)
        if status == 200:
            return dict(answer)
        error = answer["error"]
        message, hint, code = str(error["message"]), str(error["hint"] or ""), str(error["code"])
    except (ValueError, TypeError, KeyError) as wrong:
        raise CliError(f"what answers at {url} is no Telltale (HTTP {status})", UNKNOWN) from wrong
    refused = 400 <= status < 500 and status not in (408, 429)
    raise CliError(f"{message} ({code})", FAILED if refused else UNKNOWN, hint=hint)
