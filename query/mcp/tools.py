"""Tools out of the table of tasks: typed input, structured output, hints that are true."""

from __future__ import annotations

from typing import Any, Final

from mcp_types import Tool, ToolAnnotations

from query.feed.tasks import ACK, REOPEN, RESOLVE
from query.openapi import ANSWER, schema
from query.parameters import Parameter
from query.tasks import GUARD, TASKS, Task

DECIDE: Final = "decide"
ASKED: Final[tuple[Task, ...]] = tuple(task for task in TASKS if task is not GUARD)
"""Tasks that are tools; the guard's question is asked by a hook, not by a model."""

DECIDED: Final = (
    Parameter("id", "text", "Id of the finding, as `findings` gives it.", required=True, longest=100),
    Parameter(
        "action",
        "choice",
        "ack: somebody is on it; resolve: it is over; reopen: it is not.",
        required=True,
        choices=(ACK.name, RESOLVE.name, REOPEN.name),
    ),
    Parameter("reason", "text", "Why, in one sentence; it is kept and shown.", required=True),
    Parameter("who", "text", "Who decides.", "mcp", longest=100),
)


def tools() -> list[Tool]:
    """Every tool, in the order in which they are useful."""
    return [*(_reading(task) for task in ASKED), _deciding()]


def _reading(task: Task) -> Tool:
    return Tool(
        name=task.name,
        title=task.summary.rstrip("."),
        description=f"{task.summary} {task.doc}",
        input_schema=_input(task.parameters),
        output_schema=ANSWER,
        annotations=ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    )


def _deciding() -> Tool:
    return Tool(
        name=DECIDE,
        title="Acknowledge, resolve or reopen one finding",
        description=(
            "Say that somebody is on a finding, that it is over, or that it is not; the decision, who made it and why "
            "are kept and shown with it. It changes what others see: read the finding with `findings` first. "
            "Nothing is deleted, and `reopen` takes a decision back."
        ),
        input_schema=_input(DECIDED),
        output_schema={"type": "object"},
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    )


def _input(parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {parameter.name: schema(parameter) for parameter in parameters},
        "required": [parameter.name for parameter in parameters if parameter.required],
        "additionalProperties": False,
    }
