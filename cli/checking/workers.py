"""The part of workers and APIs that are asked for what they tell at `/metrics`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from cli.checking.exposed import NotExposedError, twice
from cli.checking.report import Report

PART: Final = "workers"


async def look(addresses: Sequence[str], sample_s: float, answer_s: float, version: str) -> Report:
    """Ask each HOST:PORT; `version`: ours."""
    report = Report(PART)
    told = await asyncio.gather(*(_told(report, address, sample_s, answer_s) for address in addresses))
    report.facts["processes"] = [one for one in told if one is not None]
    for one in report.facts["processes"]:
        if one["version"] != version:
            report.notes.append(f"{one['address']} runs Telltale {one['version'][:40]}, this is {version}")
    report.reached = bool(report.facts["processes"]) or not addresses
    return report


async def _told(report: Report, address: str, sample_s: float, answer_s: float) -> dict[str, Any] | None:
    try:
        return await twice(address, sample_s, answer_s)
    except NotExposedError as error:
        report.wrong(
            f"{address} tells nothing: {error}", "start the worker with --metrics HOST:PORT, or correct --worker"
        )
        return None
