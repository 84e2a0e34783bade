"""`telltale ack`."""

from __future__ import annotations

from cli.deciding import deciding
from query.feed.tasks import ACK

ack = deciding(ACK)
