"""`series_1m`, `series_verdicts`, `findings`, `dead_letters`: what the stream concludes, and what it could not use."""

from __future__ import annotations

from typing import Final

from schemas.columns import Column, Index, Table
from schemas.tables.facts import DELTA, UTC_TIME, VERSION
from schemas.tables.otel import DELTA_TIME, SOURCE, SOURCE_INDEX, STORED_AT, TEXT, bloom

SERIES_1M: Final = Table(
    name="series_1m",
    doc=(
        "One row for each series, version and minute. `Count` to `CostUsd` add up over rows: merge histograms with "
        "`sumMap`. Slices that come after a minute was closed open a further `Part` of it. Read with `final = 1`."
    ),
    retention="series",
    engine="ReplacingMergeTree(Version)",
    partition_by="toYYYYMM(StoredAt)",
    primary_key="(ServiceName, Operation, Name, Minute)",
    order_by="(ServiceName, Operation, Name, Minute, ServiceVersion, Part)",
    columns=(
        Column("ServiceName", TEXT, "`service.name`."),
        Column("Operation", TEXT, "`execute_tool`, `chat`, or a span's name where the span is not an agent's."),
        Column("Name", TEXT, 'Tool or model; "" for other spans.'),
        Column("ServiceVersion", TEXT, "`service.version`."),
        Column("Minute", "DateTime", "Start of the minute.", "Delta(4), ZSTD(1)"),
        Column("Part", "UInt32", "Number of this part of the minute."),
        Column("Count", "UInt64", "Observations, errors included, denied calls apart.", DELTA),
        Column("Errors", "UInt64", "Those that failed.", DELTA),
        Column("DurationSumNs", "UInt64", "Sum of the durations of those that did not fail, nanoseconds."),
        Column("Histogram", "Map(Int32, UInt64)", "Bucket -> observations; bucket i begins at 2**(i/16) ns."),
        Column("ErrorTypes", "Map(LowCardinality(String), UInt64)", "`error.type` -> errors."),
        Column("Sessions", "UInt64", "Distinct sessions: a floor."),
        Column("Tokens", "UInt64", "Tokens in and out."),
        Column(
            "CostUsd", "Float64", "Cost, as producers sent it or estimated from list prices (`model_calls.PricesDate`)."
        ),
        Column("Exemplars.TraceId", "Array(String)", "Traces of the slowest and of failed observations."),
        Column("Exemplars.SpanId", "Array(String)", "Their spans."),
        Column("Exemplars.StartTimeUnixNano", f"Array({UTC_TIME})", "When they began."),
        Column("Exemplars.DurationNs", "Array(Int64)", "Their durations; -1 = not known."),
        Column("Exemplars.Outcome", f"Array({TEXT})", "`ok` or `error`."),
        *SOURCE,
        VERSION,
        STORED_AT,
    ),
    indexes=(SOURCE_INDEX,),
)

SERIES_VERDICTS: Final = Table(
    name="series_verdicts",
    doc=(
        "What each rule can say of each series, one row for each time that it changed; the latest counts. A series of "
        "which nothing can be said yet is here as `insufficient data`. Read with `final = 1`."
    ),
    retention="series",
    engine="ReplacingMergeTree(Version)",
    partition_by="toYYYYMM(StoredAt)",
    order_by="(ServiceName, Operation, Name, Rule)",
    columns=(
        Column("ServiceName", TEXT, "`service.name`."),
        Column("Operation", TEXT, "`execute_tool`, `chat`, or a span's name."),
        Column("Name", TEXT, 'Tool or model; "" for other spans.'),
        Column("Rule", TEXT, "The rule."),
        Column("State", TEXT, "`insufficient data`, `steady` or `changed`."),
        Column("Since", "DateTime", "The minute in which it came to be so.", "Delta(4), ZSTD(1)"),
        Column("BaselineCount", "UInt64", "Observations of the past that it rests on."),
        Column("BaselineMinutes", "UInt64", "Minutes that they came from."),
        Column("Missing", "String", "Of `insufficient data`: what it takes."),
        *SOURCE,
        VERSION,
        STORED_AT,
    ),
    indexes=(SOURCE_INDEX,),
)

FINDINGS: Final = Table(
    name="findings",
    doc="One row for each telling of a finding; the highest `Precedence` of an `Id` counts. Read with `final = 1`.",
    retention="series",
    engine="ReplacingMergeTree(Precedence)",
    partition_by="toYYYYMM(StoredAt)",
    order_by="(Id)",
    columns=(
        Column("Id", "String", "Identity of the finding."),
        Column("Fingerprint", "String", "What the finding is about; stays the same when it comes back."),
        Column("Revision", "UInt64", "Grows with each change."),
        Column(
            "Precedence", "UInt64", "Of two tellings the larger holds: the revision, and whether the session is known."
        ),
        Column("Rule", TEXT, "The rule that fired."),
        Column(
            "Kind",
            TEXT,
            "`tool_call_loop`, `retried_failure`, `latency_regression`, `error_spike`, `token_surge` or `cost_surge`.",
        ),
        Column("Severity", TEXT, "`suspect`, `warning` or `critical`."),
        Column("Status", TEXT, "`open`, `updated` or `resolved`."),
        Column("Confidence", TEXT, "Weakest signature used, or the confidence level of a series."),
        Column("SessionId", "String", 'Session of a loop; "" for series.'),
        Column("ServiceName", TEXT, "`service.name`."),
        Column("Operation", TEXT, "Operation of the series."),
        Column("Tool", TEXT, "Tool."),
        Column("Model", TEXT, "Model."),
        Column("ServiceVersion", TEXT, "`service.version`."),
        Column("FirstSeenUnixNano", UTC_TIME, "First observation.", DELTA_TIME),
        Column("LastSeenUnixNano", UTC_TIME, "Last observation.", DELTA_TIME),
        Column("DetectedAtUnixNano", UTC_TIME, "Observation at which the present severity was reached.", DELTA_TIME),
        Column("Observed", "Float64", "What was seen."),
        Column("Baseline", "Float64", "What it was compared with."),
        Column("Unit", TEXT, "Of both: `calls`, `sessions`, `s`, `ratio`, `tokens` or `USD`."),
        Column(
            "Count", "Int64", "Loops: passes of the cycle; retried failures: sessions; series: observations judged."
        ),
        Column("WastedTokens", "Int64", "-1 = not known."),
        Column("WastedCostUsd", "Float64", "NaN = not known."),
        Column("WastedDurationS", "Float64", "NaN = not known."),
        Column("Evidence.TraceId", "Array(String)", "Traces of the evidence."),
        Column("Evidence.SpanId", "Array(String)", "Their spans."),
        Column("Evidence.TimeUnixNano", f"Array({UTC_TIME})", "Their times."),
        Column("Evidence.CallId", "Array(String)", "Ids of the calls."),
        Column("Evidence.Note", "Array(String)", "What each shows, in a word or two."),
        Column("Why", "String", "One sentence."),
        Column("Reason", TEXT, "Why this revision came."),
        Column("AgentName", TEXT, "Agent within the session."),
        Column("Document", "String", "The finding as JSON, `telltale.finding/v1`.", "ZSTD(3)"),
        *SOURCE,
        STORED_AT,
    ),
    indexes=(
        bloom("idx_session_id", "SessionId"),
        Index("idx_last_seen", "LastSeenUnixNano", "minmax"),
        SOURCE_INDEX,
    ),
)

DEAD_LETTERS: Final = Table(
    name="dead_letters",
    doc="Messages that could not be used, and why.",
    retention="telemetry",
    order_by="(SourceTopic, SourcePartition, SourceOffset)",
    columns=(
        *SOURCE,
        Column("Timestamp", UTC_TIME, "When the log took the message.", DELTA_TIME),
        Column("Reason", "String", "Why it could not be used."),
        Column("SizeBytes", "UInt64", "Size of the message."),
        Column("Bytes", "Bytes", "The message as received, cut at 64 KiB.", "ZSTD(3)"),
        STORED_AT,
    ),
)

DEAD_LETTER_REPLAYS: Final = Table(
    name="dead_letter_replays",
    doc=(
        "Dead letters that were put back into the log, one row for each state of a replay: `begun` before the message "
        "is sent, `sent` after, `withdrawn` where it certainly was not. Rows are only added."
    ),
    retention="series",
    order_by="(SourceTopic, SourcePartition, SourceOffset, ReplayId)",
    columns=(
        Column("ReplayId", "String", "One attempt, of one letter."),
        *SOURCE,
        Column("State", TEXT, "`begun`, `sent` or `withdrawn`."),
        Column("Origin", TEXT, "Where the bytes came from: `log` or `kept`."),
        Column("SentPartition", "UInt32", "Where it stands now, once it is sent."),
        Column("SentOffset", "UInt64", "Where it stands now, once it is sent."),
        Column("At", UTC_TIME, "When it came into this state.", DELTA_TIME),
        STORED_AT,
    ),
)

OUTCOMES: Final = (SERIES_1M, SERIES_VERDICTS, FINDINGS, DEAD_LETTERS, DEAD_LETTER_REPLAYS)
