"""Alertmanager: open findings as alerts that fire, for people who are on call."""

from __future__ import annotations

from sinks.alertmanager.alerts import Alert, as_json, firing
from sinks.alertmanager.sink import Alertmanager, AlertmanagerSink

__all__ = ["Alert", "Alertmanager", "AlertmanagerSink", "as_json", "firing"]
