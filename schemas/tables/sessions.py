"""`sessions`: a view over calls and markers, one row for each session and service."""

from __future__ import annotations

from typing import Final

from schemas.columns import Column, View
from schemas.tables.facts import UTC_TIME

SESSIONS: Final = View(
    name="sessions",
    doc="One row for each session and service, added up from `tool_calls`, `model_calls` and `markers`.",
    columns=(
        Column("SessionId", "String", "The session."),
        Column("ServiceName", "LowCardinality(String)", "`service.name`."),
        Column("FirstSeen", UTC_TIME, "Start of its first call or marker."),
        Column("LastSeen", UTC_TIME, "End of its last call or marker."),
        Column("Agents", "Array(String)", "Agents and subagents that have a name."),
        Column("Versions", "Array(String)", "Versions of the service."),
        Column("ToolCalls", "UInt64", "Calls of tools; those that hooks tell count where nothing else tells any."),
        Column("ToolErrors", "UInt64", "Those that failed."),
        Column("ModelCalls", "UInt64", "Requests to models."),
        Column("ModelErrors", "UInt64", "Those that failed."),
        Column("InputTokens", "Int64", "As far as known."),
        Column("OutputTokens", "Int64", "As far as known."),
        Column("CacheReadTokens", "Int64", "As far as known."),
        Column("CacheCreationTokens", "Int64", "As far as known."),
        Column("CostUsd", "Float64", "As far as producers sent it, or it could be estimated."),
        Column("PricesDate", "String", 'Latest date of the prices that some of the cost is estimated from; "" = none.'),
        Column("Prompts", "UInt64", "User prompts."),
    ),
    query="""\
SELECT
    SessionId,
    ServiceName,
    min(StartedAt) AS FirstSeen,
    max(EndedAt) AS LastSeen,
    groupUniqArrayIf(100)(AgentName, AgentName != '') AS Agents,
    groupUniqArrayIf(100)(ServiceVersion, ServiceVersion != '') AS Versions,
    if(countIf(Fact = 'tool') > 0, countIf(Fact = 'tool'), countIf(Fact = 'hook')) AS ToolCalls,
    if(countIf(Fact = 'tool') > 0, countIf(Fact = 'tool' AND Outcome = 'error'),
        countIf(Fact = 'hook' AND Outcome = 'error')) AS ToolErrors,
    countIf(Fact = 'model') AS ModelCalls,
    countIf(Fact = 'model' AND Outcome = 'error') AS ModelErrors,
    sum(Input) AS InputTokens,
    sum(Output) AS OutputTokens,
    sum(CacheRead) AS CacheReadTokens,
    sum(CacheCreation) AS CacheCreationTokens,
    sum(Cost) AS CostUsd,
    max(Prices) AS PricesDate,
    countIf(Fact = 'prompt') AS Prompts
FROM
(
    SELECT SessionId, ServiceName, StartTimeUnixNano AS StartedAt,
        StartTimeUnixNano + toIntervalNanosecond(greatest(DurationNs, 0)) AS EndedAt,
        toString(AgentName) AS AgentName, toString(ServiceVersion) AS ServiceVersion,
        if(Signal = 'hook', 'hook', 'tool') AS Fact, toString(Outcome) AS Outcome,
        toInt64(0) AS Input, toInt64(0) AS Output, toInt64(0) AS CacheRead, toInt64(0) AS CacheCreation,
        toFloat64(0) AS Cost, '' AS Prices
    FROM tool_calls FINAL
    UNION ALL
    SELECT SessionId, ServiceName, StartTimeUnixNano,
        StartTimeUnixNano + toIntervalNanosecond(greatest(DurationNs, 0)),
        toString(AgentName), toString(ServiceVersion),
        'model', toString(Outcome),
        greatest(InputTokens, 0), greatest(OutputTokens, 0),
        greatest(CacheReadTokens, 0), greatest(CacheCreationTokens, 0),
        if(isFinite(CostUsd), CostUsd, 0), toString(PricesDate)
    FROM model_calls FINAL
    UNION ALL
    SELECT SessionId, ServiceName, StartTimeUnixNano, StartTimeUnixNano,
        toString(AgentName), toString(ServiceVersion),
        toString(Kind), '', 0, 0, 0, 0, 0, ''
    FROM markers FINAL
)
WHERE SessionId != ''
GROUP BY SessionId, ServiceName""",
)
