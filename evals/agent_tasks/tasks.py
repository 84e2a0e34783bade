"""The tasks: what an agent is asked, the calls that a competent one makes, and what its answer rests on."""

from __future__ import annotations

from typing import Final, NamedTuple

from demo.traffic import CHECKOUT, FAILING_VERSION, SLOW_VERSION
from evals.agent_tasks.fleet import LOOPING


class AgentTask(NamedTuple):
    """One task."""

    name: str
    text: str
    """What the agent is given."""
    calls: tuple[tuple[str, ...], ...]
    """Command lines without `telltale`; `{finding}` is the id of the first finding that was listed before."""
    evidence: tuple[tuple[int, str], ...]
    """Number of a call, from 0, and what has to stand in its answer, as JSON."""


TASKS: Final = (
    AgentTask(
        "loop",
        "Which session is looping right now, and on what?",
        (("overview",), ("findings", "--kind", "tool_call_loop", "--status", "all"), ("session", LOOPING)),
        ((1, LOOPING), (1, "`Bash` was called 9 times"), (2, "pytest -q tests/cart"), (2, '"times": 9')),
    ),
    AgentTask(
        "release",
        f"Did a release of {CHECKOUT} get slower, and where?",
        (("findings", "--kind", "latency_regression"), ("compare", "--finding", "{finding}")),
        ((0, "POST /checkout"), (1, f'"after": {{"version": "{SLOW_VERSION}"'), (1, '"verdict": "worse", "before"')),
    ),
    AgentTask(
        "prompt",
        "Which version of the prompt `review` raised the cost?",
        (
            ("compare", "--by", "prompt"),  # is refused, and names those there are
            ("compare", "--by", "prompt", "--before", "review@1", "--after", "review@2"),
            ("compare", "--by", "prompt", "--before", "review@2", "--after", "review@3"),
        ),
        (
            (0, "review@3, review@2, review@1"),
            (1, '"measure": "cost_per_session", "unit": "USD"'),
            (1, '"verdict": "insufficient data", "before"'),
            (2, '"verdict": "worse", "before"'),
            (2, '"after": {"prompt": "review@3"'),
        ),
    ),
    AgentTask(
        "edits",
        "Why do edits fail in this repository?",
        (("calls", "--name", "Edit", "--outcome", "error", "--limit", "5"),),
        ((0, '"error_type": "StaleFileError"'), (0, "the file has changed since it was read")),
    ),
    AgentTask(
        "ship",
        f"Is it safe to ship {CHECKOUT} {FAILING_VERSION}? Its errors must stay below 5 %.",
        (("assert", "POST /checkout errors < 5%", "--version", FAILING_VERSION), ("findings", "--kind", "error_spike")),
        ((0, '"result": "fail"'), (1, f'"version": "{FAILING_VERSION}"')),
    ),
)
