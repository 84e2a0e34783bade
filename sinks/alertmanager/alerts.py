"""Findings as alerts of Alertmanager's API v2.

Its labels are an alert's identity: another severity is another alert there, and the earlier one has to be ended.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Final, NamedTuple

MAX_LABEL: Final = 100
MAX_ANNOTATION: Final = 500

SERIES: Final = {
    "service.name": "service_name",
    "operation": "operation",
    "tool": "tool",
    "model": "model",
}
"""Field of a finding's series -> label. The version is none: an alert would end and begin with each."""


class Alert(NamedTuple):
    """One alert as it is sent, but for its end."""

    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: str
    """RFC 3339."""


def firing(finding: dict[str, Any]) -> Alert:
    """The alert of an open finding (`telltale.finding/v1`, with its `state`)."""
    labels = {
        "alertname": finding["rule"],
        "severity": finding["severity"],
        "kind": finding["kind"],
        "finding_id": finding["id"],
        **{label: finding["series"][name] for name, label in SERIES.items()},
    }
    decision = finding.get("decision") or {}
    by = f"{decision['action']} by {decision['who']}: {decision['reason']}" if decision.get("holds") else ""
    annotations = {
        "summary": finding["why"],
        "session_id": finding["session_id"],
        "version": finding["series"]["version"],
        "decision": by,
        "command": f"telltale findings {finding['id']}",
    }
    return Alert(_bounded(labels, MAX_LABEL), _bounded(annotations, MAX_ANNOTATION), finding["detected_at"])


def as_json(alert: Alert, ends_at: dt.datetime) -> dict[str, Any]:
    """The alert as `postableAlert`. It fires until `ends_at`; in the past, it has ended."""
    return {
        "labels": alert.labels,
        "annotations": alert.annotations,
        # An end before the beginning is refused; telemetry may come with times of any year.
        "startsAt": min(alert.starts_at, _text(ends_at)),
        "endsAt": _text(ends_at),
    }


def _bounded(texts: dict[str, str], longest: int) -> dict[str, str]:
    """Those that are not empty, printable and cut: names and sentences hold what telemetry says."""
    return {name: _cut(text, longest) for name, text in texts.items() if text}


def _cut(text: str, longest: int) -> str:
    shown = "".join(character if character.isprintable() else "?" for character in text[: longest + 1])
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def _text(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
