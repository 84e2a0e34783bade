"""Open findings to Alertmanager: told again while they are open, ended when they are not.

Alertmanager keeps no place for us: it is told what is so, again and again. An alert says how long it holds without
being told again, so that alerts of a Telltale that is gone end by themselves.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from typing import Any, Final

import orjson

from query.feed.decisions import with_states
from query.feed.feed import Feed
from query.feed.revisions import heads
from query.notify.configuration import Outcome
from schemas.errors import QueryError, SinkError
from schemas.finding import SEVERITIES
from sinks.alertmanager import Alert, Alertmanager, AlertmanagerSink, as_json, firing

NAME: Final = "alertmanager"
"""Among those who are told, in metrics."""
MISSED: Final = 4
"""Tellings that may be missed before an alert ends by itself."""
MAX_ALERTS: Final = 500
"""Open findings that are told, the latest ones."""

# Those resolved lately are told as ended once after a start, when it is not known what was told before it.
OPEN: Final = """\
SELECT Document FROM findings
WHERE Severity IN {severities:Array(String)} AND (Status != 'resolved' OR StoredAt >= now() - {lately_s:UInt32})
ORDER BY LastSeenUnixNano DESC LIMIT {limit:UInt32}"""

Alerts = dict[tuple[tuple[str, str], ...], Alert]
"""Labels -> the alert under them."""

_log = logging.getLogger(__name__)


class AlertsOfFindings:
    """Tells Alertmanager until it is cancelled."""

    def __init__(self, target: Alertmanager, feed: Feed, outcome: Outcome) -> None:
        self._target = target
        self._outcome = outcome
        self._feed = feed
        self._sink = AlertmanagerSink(target)
        self._severities = list(SEVERITIES[SEVERITIES.index(target.min_severity) :])
        self._told: Alerts = {}
        self._first = True

    async def run(self) -> None:
        """Tell at once what is new, and all of it again every `resend_s`."""
        failing = False
        try:
            while not self._feed.closed:
                try:
                    _, place = await heads(self._feed.reader)
                    await self._tell()
                    failing = False
                    await self._feed.wait(place, self._target.resend_s)
                except (QueryError, SinkError) as error:
                    self._outcome(NAME, "failed")
                    if not failing:
                        _log.warning("alerts are not told: %s", error)
                    failing = True
                    await asyncio.sleep(min(5.0, self._target.resend_s))
        finally:
            await self._sink.close()

    async def _tell(self) -> None:
        now = dt.datetime.now(dt.UTC)
        until = now + dt.timedelta(seconds=MISSED * self._target.resend_s)
        fires, over = await self._alerts()
        over |= {labels: alert for labels, alert in self._told.items() if labels not in fires}
        alerts = [
            *(as_json(alert, until) for alert in fires.values()),
            *(as_json(alert, now) for alert in over.values()),
        ]
        if alerts:
            await self._sink.write(alerts)
            self._outcome(NAME, "delivered")
        self._told, self._first = fires, False

    async def _alerts(self) -> tuple[Alerts, Alerts]:
        """Those that fire, and those that are over."""
        lately_s = int(MISSED * self._target.resend_s) if self._first else 0
        parameters = {"severities": self._severities, "lately_s": lately_s, "limit": MAX_ALERTS}
        found = await self._feed.reader.query(OPEN, parameters)
        documents: list[dict[str, Any]] = [orjson.loads(document) for (document,) in found.rows]
        findings = [document for document in documents if not document.get("shadow")]  # a rule on trial alerts nobody
        fires: Alerts = {}
        over: Alerts = {}
        for finding in await with_states(self._feed.reader, findings):
            alert = firing(finding)
            (over if finding["state"] == "resolved" else fires)[tuple(sorted(alert.labels.items()))] = alert
        return fires, over
