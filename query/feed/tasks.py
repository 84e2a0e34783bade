"""What can be asked and changed about the feed, declared as `query.tasks` declares the rest."""

from __future__ import annotations

from typing import Final

from query.dead_letters.tasks import DEAD_LETTER_TASKS
from query.feed.cursor import MAX_CHARACTERS
from query.parameters import Parameter
from query.tasks import SEVERITIES, Task, budget

MAX_WAIT_S: Final = 60
MAX_REASON: Final = 1_000
MAX_WHO: Final = 100

_CONSUMER: Final = Parameter("consumer", "text", "Name of a reader whose place is kept.", longest=64)
_AFTER: Final = Parameter(
    "after", "text", "Cursor of an answer, or `start` (all that is kept), or `now`.", longest=MAX_CHARACTERS
)

FOLLOW: Final = Task(
    name="follow",
    summary="Findings as they come: what was told after a cursor.",
    doc=(
        "With one of these parameters `/v1/findings` is the feed: revisions in order, those of one finding as one "
        "entry with what changed. It waits up to `wait_s` for the first. `/v1/findings/stream` takes `after` and "
        "`consumer` too and gives every revision as a server-sent event; it knows `Last-Event-ID`."
    ),
    path="/v1/findings",
    parameters=(
        _AFTER,
        _CONSUMER,
        Parameter("wait_s", "integer", "Seconds to wait where there is nothing yet.", 0, low=0, high=MAX_WAIT_S),
        Parameter("min_severity", "choice", "Pass over what is less severe.", SEVERITIES[0], choices=SEVERITIES),
        Parameter("every", "flag", "Every revision, not one entry a finding.", False),
        budget(),
    ),
    examples=("telltale findings --follow", "telltale findings --follow --consumer triage --json"),
)
FOLLOWING: Final = frozenset(p.name for p in FOLLOW.parameters) - {"max_tokens"}
"""Parameters that make `GET /v1/findings` the feed: what came, in order, not a list of what there is."""

STREAM: Final = Task(
    name="stream",
    summary="The feed as server-sent events.",
    doc="One event for each revision; its id is the cursor, which a client sends back as `Last-Event-ID`.",
    path="/v1/findings/stream",
    parameters=(_AFTER, _CONSUMER),
)

CONSUMERS: Final = Task(
    name="consumers",
    summary="Readers by name: how far each has acknowledged.",
    doc="`behind` counts revisions that a reader has not acknowledged.",
    path="/v1/consumers",
    parameters=(budget(),),
)
ACKNOWLEDGE: Final = Task(
    name="consumer_ack",
    summary="Everything up to a cursor has been dealt with.",
    doc="The place of a reader never goes back: an earlier cursor changes nothing.",
    path="/v1/consumers/{consumer}/ack",
    method="POST",
    scope="write",
    parameters=(
        Parameter("consumer", "text", "Name of the reader; a new one begins here.", identity=True, longest=64),
        Parameter("cursor", "text", "The cursor of an answer.", required=True, longest=MAX_CHARACTERS),
    ),
)
FORGET: Final = Task(
    name="consumer_forget",
    summary="Give up a reader's place.",
    doc="It begins anew when it comes back.",
    path="/v1/consumers/{consumer}/forget",
    method="POST",
    scope="write",
    parameters=(Parameter("consumer", "text", "Name of the reader.", identity=True, longest=64),),
)


def _deciding(action: str, summary: str, doc: str) -> Task:
    return Task(
        name=action,
        summary=summary,
        doc=doc,
        path=f"/v1/findings/{{id}}/{action}",
        method="POST",
        scope="write",
        parameters=(
            Parameter("id", "text", "Id of a finding, or its beginning.", identity=True, longest=100),
            Parameter("reason", "text", "Why: one line for whoever reads it later.", required=True, longest=MAX_REASON),
            Parameter("who", "text", "Who decides.", "api", longest=MAX_WHO),
        ),
        examples=(f"telltale {action} FINDING_ID --reason 'looking at it'",),
    )


ACK: Final = _deciding(
    "ack", "Say that somebody looks after a finding.", "It stays acknowledged until it becomes more severe."
)
RESOLVE: Final = _deciding(
    "resolve", "Say that a finding is dealt with.", "It opens again by itself when the detector reports it again."
)
REOPEN: Final = _deciding("reopen", "Take back what was decided on a finding.", "It is open again.")

WEBHOOKS: Final = Task(
    name="webhooks",
    summary="Webhooks: how far each is, and what is parked.",
    doc="Parked deliveries were given up: the receiver refused them, or did not answer for too long.",
    path="/v1/webhooks",
    parameters=(budget(),),
)
WEBHOOK: Final = Task(
    name="webhook",
    summary="One webhook: how far it is, and what is parked.",
    doc=WEBHOOKS.doc,
    path="/v1/webhooks/{webhook}",
    parameters=(Parameter("webhook", "text", "Name of the webhook.", identity=True, longest=64), budget()),
)
REPLAY: Final = Task(
    name="webhook_replay",
    summary="Send what is parked of a webhook again.",
    doc="All of it, or that of one finding.",
    path="/v1/webhooks/{webhook}/replay",
    method="POST",
    scope="write",
    parameters=(
        Parameter("webhook", "text", "Name of the webhook.", identity=True, longest=64),
        Parameter("finding_id", "text", "Id of a finding.", longest=100),
    ),
)

FEED_TASKS: Final = (
    *DEAD_LETTER_TASKS,
    CONSUMERS,
    ACKNOWLEDGE,
    FORGET,
    ACK,
    RESOLVE,
    REOPEN,
    WEBHOOKS,
    WEBHOOK,
    REPLAY,
)
