"""The feed of findings: every revision in its place, what people decided, and how far each reader has come.

`finding_revisions` is filled by the database from what is inserted into `findings`, so that writers know one table
only. The other three are written by the API on behalf of people and agents; nothing in them comes from telemetry.
"""

from __future__ import annotations

from typing import Final

from schemas.columns import Column, Table, View
from schemas.tables.facts import UTC_TIME, VERSION
from schemas.tables.otel import DELTA_TIME, SOURCE, STORED_AT, TEXT, bloom

FINDING_REVISIONS: Final = Table(
    name="finding_revisions",
    doc=(
        "One row for each telling of a finding, in the order of the feed: by partition and offset of "
        "`telltale.findings`. A telling counts where its `Precedence` is above all earlier ones of its `Id`. "
        "Read with `final = 1`."
    ),
    retention="series",
    engine="ReplacingMergeTree",
    partition_by="toYYYYMM(StoredAt)",
    order_by="(SourcePartition, SourceOffset)",
    columns=(
        Column("Id", "String", "Identity of the finding."),
        Column("Precedence", "UInt64", "Of two tellings the larger holds."),
        Column("Document", "String", "The finding as JSON, `telltale.finding/v1`.", "ZSTD(3)"),
        *SOURCE,
        STORED_AT,
    ),
    indexes=(bloom("idx_id", "Id"),),
)

FILL_REVISIONS: Final = View(
    name="finding_revisions_filled",
    doc="Fills `finding_revisions` from what is inserted into `findings`.",
    to=FINDING_REVISIONS.name,
    query="SELECT Id, Precedence, Document, SourceTopic, SourcePartition, SourceOffset FROM findings",
)

ACKNOWLEDGEMENTS: Final = Table(
    name="acknowledgements",
    doc="One row for each time that somebody acknowledged, resolved or reopened a finding. Rows are only added.",
    retention="series",
    partition_by="toYYYYMM(StoredAt)",
    order_by="(FindingId, At)",
    columns=(
        Column("FindingId", "String", "The finding."),
        Column("Action", TEXT, "`ack`, `resolve` or `reopen`."),
        Column("Precedence", "UInt64", "Of the telling that it was decided on."),
        Column("Severity", TEXT, "Of that telling."),
        Column("Who", "String", "Who decided, as far as it was told."),
        Column("Reason", "String", "Why."),
        Column("At", UTC_TIME, "When.", DELTA_TIME),
        STORED_AT,
    ),
)

CONSUMERS: Final = Table(
    name="consumers",
    doc="How far each named reader of the feed has come. Read with `final = 1`.",
    retention="series",
    engine="ReplacingMergeTree(Version)",
    partition_by="toYYYYMM(StoredAt)",
    order_by="(Name)",
    columns=(
        Column("Name", "String", "The reader; `webhook:NAME` are our own, `lease:NAME` whose turn it is to tell one."),
        Column(
            "Next",
            "Array(UInt64)",
            "Of each partition the first offset that it has not acknowledged; of a lease who has it, and until when.",
        ),
        Column("At", UTC_TIME, "When it last acknowledged.", DELTA_TIME),
        Column("Forgotten", "Bool", "Whether its place was given up."),
        VERSION,
        STORED_AT,
    ),
)

PARKED: Final = Table(
    name="webhook_parked",
    doc="Deliveries of webhooks that were given up, until they are sent again. Read with `final = 1`.",
    retention="series",
    engine="ReplacingMergeTree(Version)",
    partition_by="toYYYYMM(StoredAt)",
    order_by="(Webhook, FindingId, Precedence)",
    columns=(
        Column("Webhook", "String", "Name of the webhook."),
        Column("FindingId", "String", "The finding."),
        Column("Precedence", "UInt64", "Of its telling."),
        Column("State", TEXT, "`parked`, `queued` (to be sent again) or `delivered`."),
        Column("Attempts", "UInt32", "How often it was sent."),
        Column("Reason", "String", "What went wrong the last time."),
        Column("Body", "String", "What was sent.", "ZSTD(3)"),
        Column("At", UTC_TIME, "When it came into this state.", DELTA_TIME),
        VERSION,
        STORED_AT,
    ),
)

FINDING_STATES: Final = View(
    name="finding_states",
    doc=(
        "One row for each finding that somebody decided on: the last decision, and the state that it makes together "
        "with what the detector says."
    ),
    columns=(
        Column("Id", "String", "The finding."),
        Column("State", "String", "`open`, `acknowledged` or `resolved`."),
        Column("Action", "String", "`ack`, `resolve` or `reopen`."),
        Column("Who", "String", "Who decided."),
        Column("Reason", "String", "Why."),
        Column("At", UTC_TIME, "When."),
        Column("Holds", "UInt8", "0: what was found since then has undone it."),
    ),
    query="""\
SELECT Id, State, Action, Who, Reason, At, Holds FROM
(
    SELECT f.Id AS Id, toString(f.Status) AS DetectorStatus, d.Action AS Action, d.Who AS Who, d.Reason AS Reason,
        d.At AS At,
        multiIf(
            d.Action = 'resolve', f.Precedence <= d.Precedence OR DetectorStatus = 'resolved',
            d.Action = 'ack',
            indexOf(['suspect', 'warning', 'critical'], toString(f.Severity))
                <= indexOf(['suspect', 'warning', 'critical'], d.Severity),
            true
        ) AS Holds,
        multiIf(
            DetectorStatus = 'resolved', 'resolved',
            Holds AND d.Action = 'resolve', 'resolved',
            Holds AND d.Action = 'ack', 'acknowledged',
            'open'
        ) AS State
    FROM (SELECT Id, Status, Severity, Precedence FROM findings FINAL) AS f
    INNER JOIN
    (
        SELECT FindingId, toString(tupleElement(last, 1)) AS Action, tupleElement(last, 2) AS Precedence,
            toString(tupleElement(last, 3)) AS Severity, tupleElement(last, 4) AS Who,
            tupleElement(last, 5) AS Reason, tupleElement(last, 6) AS At
        FROM
        (
            SELECT FindingId, argMax(tuple(Action, Precedence, Severity, Who, Reason, At), At) AS last
            FROM acknowledgements GROUP BY FindingId
        )
    ) AS d ON d.FindingId = f.Id
)""",
)

FEED: Final = (FINDING_REVISIONS, ACKNOWLEDGEMENTS, CONSUMERS, PARKED)
FEED_VIEWS: Final = (FILL_REVISIONS, FINDING_STATES)
