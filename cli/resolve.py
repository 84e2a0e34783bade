"""`telltale resolve`."""

from __future__ import annotations

from cli.deciding import deciding
from query.feed.tasks import RESOLVE

resolve = deciding(RESOLVE)
