"""A change of a series as a finding."""

from __future__ import annotations

import math
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from detectors.loops.calls import quoted
from detectors.series.baseline import Baseline
from detectors.series.measures import Effect
from detectors.series.state import Alert, SeriesState
from detectors.series.totals import PRICES, VERSION, distinct
from schemas.finding import SEVERITIES, Change, Evidence, Finding, Kind, Status, rfc3339

SECOND_NS: Final = 1_000_000_000
_CLOCK: Final = slice(11, 16)
_NOUNS: Final[dict[str, str]] = {"token_surge": "tokens a call of ", "cost_surge": "cost a call of "}


def fingerprint(rule: str, series: list[str], since: int) -> str:
    """Of the rule, the series and the time at which the change began."""
    text = "\x00".join((rule, *series, str(since)))
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


class Rule(NamedTuple):
    """Who tells it."""

    name: str
    kind: Kind


def finding(rule: Rule, state: SeriesState, alert: Alert, effect: Effect, change: tuple[Status, str]) -> Finding:
    """One revision of a change's finding; `change` is status and reason."""
    service, operation, name = state.series
    is_tool = operation == "execute_tool"
    return Finding(
        id=alert.mark[:16],
        fingerprint=alert.mark,
        revision=alert.revision,
        rule=rule.name,
        kind=rule.kind,
        severity=SEVERITIES[alert.severity],
        status=change[0],
        confidence=f"{1 - math.exp(-min(alert.confidence, 13.8)):.6f}",
        session_id="",
        service_name=service,
        operation=operation,
        tool=name if is_tool else "",
        model="" if is_tool else name,
        version=alert.version,
        first_seen_unix_nano=alert.since * SECOND_NS,
        last_seen_unix_nano=alert.last * SECOND_NS,
        detected_at_unix_nano=alert.detected * SECOND_NS,
        observed=effect.after,
        baseline=effect.before,
        unit=effect.unit,
        count=alert.after.count,
        wasted_tokens=-1,
        wasted_cost_usd=math.nan,
        wasted_duration_s=math.nan,
        evidence=_evidence(state.baseline, alert, rule.kind),
        why=why(state, alert, effect, rule.kind),
        reason=change[1],
        change=_change(alert, effect, rule.kind),
        prices_date=_prices_date(state, alert) if rule.kind == "cost_surge" else "",
    )


def _prices_date(state: SeriesState, alert: Alert) -> str:
    """Latest date of the prices by which cost before or after was estimated; "" = none was."""
    marks = (*state.baseline.marks, *alert.after.marks)
    return max((mark.removeprefix(PRICES) for mark in marks if mark.startswith(PRICES)), default="")


def _change(alert: Alert, effect: Effect, kind: Kind) -> Change:
    after = alert.after
    failed = kind == "error_spike" and bool(after.failed_hashes)
    sessions = distinct(after.failed_hashes if failed else after.hashes)  # an estimate: there are no more than calls
    return Change(
        *effect.size, effect.of, min(round(sessions), after.errors if failed else after.count),
        tuple(quoted(m) for m in alert.coincides), alert.before_version,
    )  # fmt: skip


def _evidence(baseline: Baseline, alert: Alert, kind: Kind) -> tuple[Evidence, ...]:
    after = alert.after.failed if kind == "error_spike" else alert.after.slowest
    rows = [*((e, "before") for e in baseline.slowest[:3]), *((e, "after") for e in after[:3])]
    return tuple(Evidence(e[0], e[1], e[2], note=note) for e, note in rows)


def why(state: SeriesState, alert: Alert, effect: Effect, kind: Kind) -> str:
    """One sentence; names of telemetry stand in backquotes."""
    service, operation, name = (quoted(part) for part in state.series)
    subject = f"`{operation} {name}`".replace(" `", "`") if name else f"`{operation}`"
    since = rfc3339(alert.since * SECOND_NS)[_CLOCK]
    size, low, high = effect.size
    if kind == "error_spike":
        told = (
            f"{subject} in `{service}` failed in {effect.after:.1%} of {alert.after.count} calls since {since} UTC,"
            f" before in {effect.before:.1%} ({low * 100:+.0f} to {high * 100:+.0f} points)"
            f"{_kinds(state.baseline, alert)}"
        )
    else:
        told = (
            f"{effect.what} of {_NOUNS.get(kind, '')}{subject} in `{service}` went from {_shown(effect.before, effect)}"
            f" to {_shown(effect.after, effect)} ({size:.1f}x, {low:.2g} to {high:.2g}) since {since} UTC"
        )
    date = _prices_date(state, alert) if kind == "cost_surge" else ""
    estimated = f"; cost estimated from list prices of {quoted(date)}" if date else ""
    return told + _with(alert) + estimated + "."


def _shown(value: float, effect: Effect) -> str:
    text = f"{value:,.0f}" if effect.unit == "tokens" else f"{value:.3g}"
    return f"{text} {effect.unit}"


def _with(alert: Alert) -> str:
    """What it came with, or what else may explain it."""
    told = ""
    version = VERSION + alert.version
    if version in alert.coincides and alert.before_version != alert.version:
        before = f" (before: `{quoted(alert.before_version)}`)" if alert.before_version else ""
        told += f", with version `{quoted(alert.version)}`{before}"
    others = [mark.split("=", 1) for mark in alert.coincides if mark != version]
    if others:
        told += ", with " + " and ".join(f"{what} `{quoted(which)}`" for what, which in others)
    if alert.doubt:
        told += f"; another mix by {alert.doubt} explains most of it"
    return told


def _kinds(baseline: Baseline, alert: Alert) -> str:
    """Which errors grew most, by their share of all calls."""
    after = alert.after
    if not after.count:
        return ""
    grown: list[tuple[float, str]] = []
    for kind, number in after.error_types.items():
        old = baseline.error_types.get(kind, 0.0) / baseline.count if baseline.count else 0.0
        rise = number / after.count - old
        if rise > 0:
            grown.append((-rise, kind))
    named: list[Any] = [kind for _, kind in sorted(grown)[:2]]
    return "; most of the growth is " + " and ".join(f"`{quoted(k) or '?'}`" for k in named) if named else ""
