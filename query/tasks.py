"""The tasks of the agents' interface, declared once: HTTP routes, OpenAPI, CLI and MCP are made from this table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from query.parameters import Parameter
from schemas.finding import Kind

Scope = Literal["read", "write"]

MAX_TOKENS: Final = 1_000_000
DEFAULT_TOKENS: Final = 2_000
SEVERITIES: Final = ("suspect", "warning", "critical")
KINDS: Final = get_args(Kind)
OUTCOMES: Final = ("ok", "error", "denied", "unset")


@dataclass(frozen=True, slots=True)
class Task:
    """One thing that can be asked; the function of the same name in `query.service` answers it."""

    name: str
    summary: str
    """One line."""
    doc: str
    """When to use it, and when to use its neighbour instead."""
    path: str
    """Of the list; the one that an identity names is at `path/{id}`."""
    parameters: tuple[Parameter, ...] = ()
    examples: tuple[str, ...] = ()
    """Command lines that run as they stand on a Telltale that has data."""
    method: Literal["GET", "POST"] = "GET"
    """POST takes the parameters as JSON."""
    scope: Scope = "read"

    @property
    def identity(self) -> Parameter | None:
        """The parameter that names one."""
        return next((p for p in self.parameters if p.identity), None)


def budget(default: int = DEFAULT_TOKENS) -> Parameter:
    """The budget of an answer, which every task takes."""
    doc = "Tokens that the whole answer may cost, by an estimate from above."
    return Parameter("max_tokens", "integer", doc, default, low=200, high=MAX_TOKENS)


def _limit(default: int, high: int) -> Parameter:
    return Parameter("limit", "integer", "Rows at most.", default, low=1, high=high, form="list")


_CURSOR: Final = Parameter(
    "cursor", "text", "`next_cursor` of the page before, with the same other parameters.", form="list", longest=4_000
)
_SINCE: Final = Parameter("since", "moment", "From this time on: RFC 3339, or 30m, 2h, 7d before now.", form="list")
_UNTIL: Final = Parameter("until", "moment", "Before this time: RFC 3339, or 30m, 2h, 7d before now.", form="list")
_SERVICE: Final = Parameter("service", "text", "`service.name`.", form="list")

OVERVIEW: Final = Task(
    name="overview",
    summary="What is wrong now, in under 500 tokens.",
    doc="Start here: open findings by severity, the worst of them, what is stored, how fresh. Then `findings` for one.",
    path="/v1/overview",
    parameters=(budget(500),),
    examples=("telltale overview", "telltale overview --json"),
)

FINDINGS: Final = Task(
    name="findings",
    summary="What was found: the list, or one in full.",
    doc=(
        "Loops, latency regressions and error spikes, latest first; with an id (or its beginning) one with all its "
        "evidence. For what a session did around it use `session`; for two versions side by side use `compare`."
    ),
    path="/v1/findings",
    parameters=(
        Parameter("id", "text", "Id of a finding, or its beginning.", identity=True, form="one", longest=100),
        Parameter(
            "status", "choice", "open: all not resolved.", "all", choices=("open", "resolved", "all"), form="list"
        ),
        Parameter("severity", "choice", "Only this severity.", choices=SEVERITIES, form="list"),
        Parameter("kind", "choice", "Only this kind.", choices=KINDS, form="list"),
        Parameter("session", "text", "Only of this session.", form="list"),
        _SERVICE,
        _SINCE,
        Parameter("full", "flag", "Whole documents, `telltale.finding/v1`, with all evidence.", form="list"),
        _limit(50, 500),
        _CURSOR,
        budget(),
    ),
    examples=("telltale findings --status open --severity critical", "telltale findings --since 2h --json"),
)

SESSION: Final = Task(
    name="session",
    summary="What one session did, in outline; without an id, the list of sessions.",
    doc=(
        "The outline of one agent session: turn by turn its model calls, tool calls, results and errors, equal ones "
        "folded as times; what was found in it, its slowest and failing calls. For the content of one call use "
        "`calls` with its id; for one trace of any service use `trace`."
    ),
    path="/v1/sessions",
    parameters=(
        Parameter("id", "text", "Id of the session.", identity=True, form="one"),
        Parameter("turn", "integer", "Only this turn, from 1.", low=1, high=1_000_000, form="one"),
        Parameter("detail", "choice", "With their steps or not.", "steps", choices=("steps", "turns"), form="one"),
        _SERVICE,
        Parameter("since", "moment", "With calls from this time on: RFC 3339, or 2h before now.", "24h", form="list"),
        _UNTIL,
        Parameter(
            "order",
            "choice",
            "Which come first.",
            "latest",
            choices=("latest", "calls", "errors", "tokens", "cost"),
            form="list",
        ),
        Parameter("limit", "integer", "Rows at most.", 200, low=1, high=2_000),
        Parameter("cursor", "text", "`next_cursor` of the page before.", longest=4_000),
        budget(),
    ),
    examples=(
        "telltale session SESSION",
        "telltale session SESSION --detail turns",
        "telltale session --order cost --since 7d",
    ),
)

TRACE: Final = Task(
    name="trace",
    summary="One trace: its tree collapsed, critical path and errors; one span in full.",
    doc=(
        "Use it for any service's trace, with the trace id of a finding's evidence. It shows the upper spans; give "
        "`span` to see one with its attributes and what is below it. For an agent's own steps use `session`."
    ),
    path="/v1/traces",
    parameters=(
        Parameter("id", "text", "Trace id, hex.", required=True, identity=True, form="one", longest=100),
        Parameter("span", "text", "Span id: this span in full, and what is below it.", longest=100),
        Parameter("depth", "integer", "Levels that are shown.", 3, low=1, high=100),
        Parameter("limit", "integer", "Rows at most.", 200, low=1, high=2_000),
        Parameter("cursor", "text", "`next_cursor` of the page before.", longest=4_000),
        budget(),
    ),
    examples=("telltale trace TRACE", "telltale trace TRACE --depth 10"),
)

CALLS: Final = Task(
    name="calls",
    summary="Tool calls, model calls, spans or log records by filter; one with its content.",
    doc=(
        "Search by session, name, outcome, time, free text and typed filters; with an id the content of one. For the "
        "order of a session's calls use `session`; for rates and quantiles over time use `series`."
    ),
    path="/v1/calls",
    parameters=(
        Parameter("id", "text", "Id of a call, or the producer's own id of it.", identity=True, form="one"),
        Parameter("kind", "choice", "What is searched.", "tool", choices=("tool", "model", "span", "log"), form="list"),
        Parameter("session", "text", "Only of this session.", form="list"),
        _SERVICE,
        Parameter("name", "text", "Only this tool, model, span name or event.", form="list"),
        Parameter("outcome", "choice", "Only with this outcome.", choices=OUTCOMES, form="list"),
        Parameter("text", "text", "Only with this in arguments, result, message, body, attributes.", form="list"),
        Parameter(
            "where", "texts", "FIELD OPERATOR VALUE, such as 'duration_s > 5'; several must all hold.", form="list"
        ),
        _SINCE,
        _UNTIL,
        Parameter("order", "choice", "Which come first.", "latest", choices=("latest", "slowest"), form="list"),
        _limit(20, 500),
        _CURSOR,
        budget(),
    ),
    examples=(
        "telltale calls --outcome error --since 2h",
        "telltale calls --name Bash --text 'no such file'",
        "telltale calls --kind span --where 'attributes.http.status_code >= 500' --order slowest",
    ),
)

_WHAT: Final = (
    _SERVICE,
    Parameter("operation", "text", "Only this operation, such as execute_tool or a span's name.", form="list"),
    Parameter("name", "text", "Only this tool or model.", form="list"),
)
_WINDOW: Final = (
    Parameter("since", "moment", "From this time on: RFC 3339, or 30m, 2h, 7d before now."),
    Parameter("until", "moment", "Before this time: RFC 3339, or 30m, 2h, 7d before now."),
)

SERIES: Final = Task(
    name="series",
    summary="Series of calls: the list, or one over time by version.",
    doc=(
        "Calls, errors and quantiles of every service, operation and tool or model; with an id one over time and by "
        "version, by whole minutes that begin in the window. For two versions side by side, with how sure the "
        "difference is, use `compare`."
    ),
    path="/v1/series",
    parameters=(
        Parameter("id", "text", "Id of a series, or its beginning.", identity=True, form="one", longest=100),
        *_WHAT,
        *_WINDOW,
        Parameter("order", "choice", "Which come first.", "calls", choices=("calls", "errors", "slowest"), form="list"),
        _limit(30, 1_000),
        Parameter("cursor", "text", "`next_cursor` of the page before.", longest=4_000),
        budget(),
    ),
    examples=("telltale series --order slowest", "telltale series --service checkout --since 24h"),
)

COMPARE: Final = Task(
    name="compare",
    summary="Two versions, prompts, models or windows: what changed, and how sure that is.",
    doc=(
        "Error rate, latency, tokens, cost, turns and loops of two sides, with intervals and a verdict, and which "
        "series changed. A latency or error finding is compared by its id alone. To check one bound use `assert`."
    ),
    path="/v1/compare",
    parameters=(
        Parameter("finding", "text", "Id of a finding: its series before and after it began.", longest=100),
        Parameter(
            "by", "choice", "What the two sides differ in.", "version", choices=("version", "prompt", "model", "window")
        ),
        Parameter("before", "text", "Version, model, PROMPT or PROMPT@VERSION; or a window, FROM..UNTIL."),
        Parameter("after", "text", "The same for the other side. Of versions, without both: the service's last two."),
        *_WHAT,
        *_WINDOW,
        budget(),
    ),
    examples=(
        "telltale compare --service checkout",
        "telltale compare --by prompt --before review@1 --after review@2",
        "telltale compare --by window --before 26h..24h --after 2h..0h --service checkout",
    ),
)

ASSERT: Final = Task(
    name="assert",
    summary="Whether a bound holds: pass, fail or inconclusive, with evidence.",
    doc=(
        "For gates: the status of the command is 0, 1 or 2. A quantile of latency or the share of errors of an "
        "operation, tool or model, over a time or a version. To see what changed use `compare`."
    ),
    path="/v1/assert",
    parameters=(
        Parameter("assertion", "text", "[WHAT] MEASURE < NUMBER, such as 'startup p95 < 800ms'.", required=True),
        _SERVICE,
        Parameter("version", "text", "Only of this `service.version`."),
        *_WINDOW,
        budget(),
    ),
    examples=(
        "telltale assert 'POST /checkout p95 < 800ms' --version 1.5.0",
        "telltale assert 'GET /cart errors < 5%' --since 24h",
    ),
)

LINES: Final = "application/x-ndjson"
"""Media type of the rows of `sql` as a JSON object each, a line each: what programs take."""
MORE: Final = "telltale-truncated"
"""Header of such lines that are not all: it has no place among them."""
SQL: Final = Task(
    name="sql",
    summary="One SELECT over what is stored.",
    doc=(
        "Read-only ClickHouse SQL for what no other task answers; ask `schema` for tables and columns first. Rows, "
        "bytes, memory and time are limited by the engine."
    ),
    path="/v1/sql",
    method="POST",
    parameters=(
        Parameter("sql", "text", "One SELECT.", required=True, longest=20_000),
        Parameter("limit", "integer", "Rows at most.", 1_000, low=1, high=10_000),
        budget(),
    ),
    examples=(
        "telltale sql 'SELECT ToolName, count() AS calls FROM tool_calls GROUP BY 1 ORDER BY 2 DESC LIMIT 5'",
        "telltale sql 'SELECT SessionId, LastSeen FROM sessions ORDER BY LastSeen DESC LIMIT 3' --json",
    ),
)

SCHEMA: Final = Task(
    name="schema",
    summary="The tables, or one table's columns.",
    doc="What `sql` can read: every table and view, or with a name its columns with types and meaning.",
    path="/v1/schema",
    parameters=(
        Parameter("id", "text", "Name of a table or view.", identity=True, form="one", longest=100),
        budget(),
    ),
    examples=("telltale schema", "telltale schema tool_calls"),
)

GUARD: Final = Task(
    name="guard",
    summary="Whether a session is looping, and whether this is the call that it repeats.",
    doc="What `telltale guard` asks around a tool call. To read about a loop use `findings` with its id.",
    path="/v1/guard",
    parameters=(
        Parameter("session", "text", "Id of the session.", required=True),
        Parameter("arguments", "text", "The `full` signature of the call's arguments, 32 hex digits.", longest=64),
        budget(1_000),
    ),
    examples=("telltale setup claude-code --guard",),
)

TASKS: Final[tuple[Task, ...]] = (
    OVERVIEW, FINDINGS, SESSION, TRACE, CALLS, SERIES, COMPARE, ASSERT, SQL, SCHEMA, GUARD,
)  # fmt: skip
BY_NAME: Final[dict[str, Task]] = {task.name: task for task in TASKS}
