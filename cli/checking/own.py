"""The part of this program itself: versions, rules, and the files that settings name."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Final

from cli.access import access
from cli.checking.report import Report
from cli.notified import notified
from pipeline.assembly import rule_set
from pipeline.settings import Settings
from schemas.errors import TelltaleError

PART: Final = "telltale"


async def look(settings: Settings) -> Report:
    """What can be told without asking anybody."""
    report = Report(PART, {"version": version("telltale"), "python": platform.python_version(), "cpus": os.cpu_count()})
    try:
        report.facts["rules"] = len(rule_set(Path(settings.rules_dir) if settings.rules_dir else None).rules)
    except TelltaleError as error:
        report.wrong(str(error), "telltale rules test --rules DIR says what is wrong with rules")
    for judge in (access, notified):
        try:
            judge(settings)
        except TelltaleError as error:
            report.wrong(str(error))
    return report
