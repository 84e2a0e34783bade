"""Telling others: webhooks for machines, Alertmanager for people on call."""
