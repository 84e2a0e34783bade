"""Sessions, not calls, are what evidence comes from."""

from __future__ import annotations

import math

from detectors.series.state import SeriesState
from detectors.series.totals import Totals, distinct


def phi_of(state: SeriesState, seen: Totals) -> float:
    """Over-dispersion, given how many calls of a session are among these, and how its errors crowd in few sessions."""
    sessions, minutes = seen.sessions(), max(1, seen.minutes)
    if not sessions:
        return state.dispersion.factor(minutes=minutes)
    phi = state.dispersion.factor(seen.count / sessions, minutes)
    failed = distinct(seen.failed_hashes)
    if not failed or not seen.errors:
        return phi
    share = min(0.999, seen.errors / seen.count)
    spread_evenly = sessions * -math.expm1(max(1.0, seen.count / sessions) * math.log1p(-share))
    return phi * max(1.0, spread_evenly / failed)


def sure(state: SeriesState, seen: Totals, evidence: float, phi: float) -> float:
    """What evidence that counts calls is worth.

    Divided by phi; and as in Student's test (here its log-likelihood) few sessions prove less than many, as far as it
    is sessions that differ. Of errors only the sessions in which they happened count.
    """
    least = evidence / phi
    sessions = seen.sessions()
    if not sessions:
        return least
    part = state.dispersion.from_sessions(seen.count / sessions)
    if part <= 0:
        return least
    if seen.errors and seen.failed_hashes:
        sessions = min(sessions, distinct(seen.failed_hashes))
    freedom = sessions / part**2
    return freedom / 2 * math.log1p(2 * least / freedom)
