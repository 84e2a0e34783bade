"""Webhooks: signed posts of findings to a URL that somebody configured."""

from __future__ import annotations

from sinks.webhook.sink import Delivery, Webhook, WebhookSink

__all__ = ["Delivery", "Webhook", "WebhookSink"]
