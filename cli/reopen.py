"""`telltale reopen`."""

from __future__ import annotations

from cli.deciding import deciding
from query.feed.tasks import REOPEN

reopen = deciding(REOPEN)
