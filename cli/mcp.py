"""`telltale mcp`: the tools of the running Telltale over standard input and output."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from cli.client import RefusedError, ask, part, request, url_option
from cli.exits import CliError

if TYPE_CHECKING:
    from query.tasks import Task

HELP: Final = """\
Serve the Model Context Protocol on standard input and output, for an agent that starts this itself.

The tools are the tasks of the other commands (overview, findings, session, ...), the resources are skills. It asks the
running Telltale; while none runs, the tools say how to start one. The same is served over HTTP at /mcp of the API.

\b
Examples:
  telltale setup claude-code            # shows the entry for an agent's settings
  claude mcp add telltale -- telltale mcp
"""


@click.command(
    help=HELP,
    short_help="Tools for agents, over standard input and output.",
    epilog="Exit status: 0 the agent closed the connection, 64 wrong usage, 130 interrupted.",
)
@url_option
def mcp(url: str) -> None:
    """See HELP."""
    import anyio  # noqa: PLC0415 - the SDK takes half a second, which help need not wait for

    anyio.run(_serve, url)


async def _serve(url: str) -> None:
    from mcp.server.stdio import stdio_server  # noqa: PLC0415

    from query.mcp.server import Backend, mcp_server  # noqa: PLC0415

    server = mcp_server(Backend(_asking(url), _deciding(url)))
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def _asking(url: str) -> Any:
    from query.tasks import BY_NAME  # noqa: PLC0415

    async def answer(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        task = BY_NAME[name]
        fitted = _fit(task, given)
        return await _in_thread(lambda: ask(url, task, fitted).answer)

    return answer


def _deciding(url: str) -> Any:
    async def decide(identity: str, given: Mapping[str, Any]) -> dict[str, Any]:
        path = f"/v1/findings/{part(identity)}/{part(str(given.get('action', '')))}"
        body = {"who": "mcp"} | {name: value for name, value in given.items() if name != "action"}
        return await _in_thread(lambda: request(url, path, body=body).answer)

    return decide


def _fit(task: Task, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as they may stand in a URL; raises QueryError where one cannot be what it has to be."""
    from schemas.errors import QueryError  # noqa: PLC0415

    fitted: dict[str, Any] = {name: str(value)[:200] for name, value in given.items()}  # unknown: the API says so
    for parameter in task.parameters:
        value = given.get(parameter.name)
        if value is not None:
            parameter.read(value, time.time_ns())
            fitted[parameter.name] = str(value).lower() if isinstance(value, bool) else value
        elif parameter.required:
            raise QueryError("missing", f"{parameter.name} is not given", field=parameter.name, hint=parameter.doc)
    return fitted


async def _in_thread(question: Any) -> dict[str, Any]:
    """The answer; what the API or the lack of it says becomes the tool's error."""
    import anyio.to_thread  # noqa: PLC0415
    import orjson  # noqa: PLC0415

    from query.mcp.server import RefusedError as ToolRefusedError  # noqa: PLC0415
    from schemas.errors import QueryError  # noqa: PLC0415

    try:
        answer: dict[str, Any] = await anyio.to_thread.run_sync(question)
    except RefusedError as error:
        raise ToolRefusedError(orjson.loads(error.content)) from error
    except CliError as error:
        raise QueryError("unreachable", str(error), hint=error.hint, status=503) from error
    return answer
