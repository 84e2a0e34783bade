"""Looks that run side by side and end in time, whatever they wait for."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from cli.checking.report import Report, unreached
from schemas.errors import TelltaleError

Look = Callable[[], Coroutine[Any, Any, Report]]


def look_at(parts: Mapping[str, Look], within_s: float) -> tuple[list[Report], bool]:
    """The report of every part, in order, and whether a look had to be given up.

    Each runs in a daemon thread with an event loop of its own, because resolving a name or opening a folder can block
    for longer than anything allows; one that was given up still runs, so the process has to be ended without it.
    """
    found: dict[str, Report] = {}

    def look(part: str, work: Look) -> None:
        try:
            found[part] = asyncio.run(work())
        except TelltaleError as error:
            found[part] = unreached(part, str(error))
        except Exception as error:  # a look that breaks must not hide the others
            found[part] = unreached(part, f"this look broke, which is an error in Telltale: {error!r}"[:500])

    threads = [threading.Thread(target=look, args=item, daemon=True) for item in parts.items()]
    for thread in threads:
        thread.start()
    until = time.monotonic() + within_s
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    late = f"no answer within {within_s:g} s"
    repair = "try again, or wait longer with --timeout; a firewall that drops packets looks like this"
    reports = [found.get(part) or unreached(part, late, repair) for part in parts]
    return reports, any(thread.is_alive() for thread in threads)
