"""Who is told of findings, from the settings of a process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from pipeline.settings import Settings
from query.notify.configuration import Notified, from_file, joined
from schemas.errors import SettingsError
from sinks.alertmanager import Alertmanager
from sinks.webhook import Webhook

DEFAULT_NAME: Final = "default"


def notified(settings: Settings) -> Notified:
    """What the settings and the file that they name say together; raises SettingsError."""
    severity = settings.notify_min_severity
    if settings.webhook_secret and not settings.webhook_url:
        raise SettingsError("webhook_secret is set, but webhook_url is not")
    webhooks = (
        (Webhook(DEFAULT_NAME, settings.webhook_url, settings.webhook_secret, severity),)
        if settings.webhook_url
        else ()
    )
    alertmanager = Alertmanager(settings.alertmanager_url, severity) if settings.alertmanager_url else None
    own = Notified(webhooks, alertmanager)
    if not settings.notify_file:
        return own
    return joined(from_file(Path(settings.notify_file).expanduser(), os.environ), own)
