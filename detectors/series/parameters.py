"""What rules may set of the rules over series."""

from __future__ import annotations

from dataclasses import dataclass

from detectors.parameters import bounded


@dataclass(frozen=True, slots=True)
class SeriesParameters:
    """What all share. Evidence is in nats: the log of how much likelier the change is than chance."""

    evidence: float = bounded(11.0, 3, 100)
    """How much opens a finding. Chance reaches it less than once in e**evidence minutes (Lorden's bound for CUSUM).
    The budget of false alerts is one series'; for a hundred series that share it add ln 100 = 4.6."""
    min_baseline: int = bounded(100, 10, 1_000_000)
    """Observations before there is anything to compare with; until then the verdict is `insufficient data`."""
    min_baseline_minutes: int = bounded(8, 1, 10_000)
    """Minutes with observations that they must come from."""
    min_baseline_sessions: int = bounded(10, 1, 16)
    """Distinct sessions that they must come from; not asked where they are not known."""
    min_observed: int = bounded(20, 2, 1_000_000)
    """Observations since the change before it is told."""
    min_observed_minutes: int = bounded(2, 1, 1000)
    """Minutes with observations since the change before it is told; half of them where the evidence is twice what it
    must be. One that is not over counts where half a minute of it has brought enough, and its last slot agrees."""
    min_sessions: int = bounded(5, 1, 16)
    """Fewer distinct sessions since the change and the finding stays `suspect`; not asked where they are not known."""
    baseline_cap: int = bounded(6000, 100, 10_000_000)
    """Observations that the past weighs at most; what is older fades."""
    season_slope: float = bounded(0.12, 0, 10)
    """While no earlier day is known, a season may move the level by so much an hour (0.12 = 12 %), less where the
    hours before show it: what is no more than that is not told."""
    season_most: float = bounded(0.5, 0, 10)
    """And by so much at most."""
    mix_share: float = bounded(0.6, 0.1, 1)
    """A change that a changed mix of versions, prompts, models or agents explains to this part stays `suspect`."""
    recovery_evidence: float = bounded(11.0, 1, 100)
    """How much closes it again, on observations alone: chance does after e to this power minutes."""
    recovery_minutes: int = bounded(3, 1, 1000)
    """Minutes in a row that look like the past, before it is closed."""
    reopen_minutes: int = bounded(60, 0, 10_000)
    """Coming back within this is the same finding, reopened."""
    quiet_minutes: int = bounded(120, 5, 100_000)
    """Without an observation for so long an open finding is closed."""
    accept_hours: int = bounded(24, 1, 10_000)
    """An open finding that lasted so long is the new normal: closed, and compared with from then on."""
    grace_s: int = bounded(20, 0, 3600)
    """A minute, or a slot of it, is judged when it has been over for so long."""


@dataclass(frozen=True, slots=True)
class LatencyParameters(SeriesParameters):
    """`latency_regression`."""

    min_ratio: float = bounded(1.12, 1.01, 100)
    """The deciles must have grown by this factor on average (or the 95th percentile by 1.3)."""
    min_increase_ms: float = bounded(5.0, 0, 1_000_000)
    """And the median (or the 95th percentile) by so many milliseconds."""
    critical_ratio: float = bounded(2.0, 1.0, 1000)
    """From this factor on it is `critical`."""


@dataclass(frozen=True, slots=True)
class TokenParameters(SeriesParameters):
    """`token_surge`."""

    evidence: float = bounded(14.0, 3, 100)
    """As above; more, because the work that agents are given changes with the hour."""
    min_ratio: float = bounded(1.3, 1.01, 100)
    """The deciles of a call's tokens must have grown by this factor on average."""
    min_increase_tokens: float = bounded(200.0, 0, 1e9)
    """And the median by so many tokens."""
    critical_ratio: float = bounded(3.0, 1.0, 1000)
    """From this factor on it is `critical`."""


@dataclass(frozen=True, slots=True)
class CostParameters(SeriesParameters):
    """`cost_surge`."""

    evidence: float = bounded(14.0, 3, 100)
    """As above; more, because the work that agents are given changes with the hour."""
    min_ratio: float = bounded(1.3, 1.01, 100)
    """The deciles of a call's cost must have grown by this factor on average."""
    min_increase_usd: float = bounded(0.0005, 0, 1e6)
    """And the median by so many US dollars."""
    critical_ratio: float = bounded(3.0, 1.0, 1000)
    """From this factor on it is `critical`."""


@dataclass(frozen=True, slots=True)
class ErrorParameters(SeriesParameters):
    """`error_spike`."""

    min_increase: float = bounded(0.05, 0, 1)
    """The share of failed calls must have grown by this much (0.05 = five points)."""
    min_ratio: float = bounded(1.5, 1.0, 1000)
    """And by this factor."""
    critical_share: float = bounded(0.25, 0, 1)
    """From this share of failed calls on it is `critical`."""
