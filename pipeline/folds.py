"""Which fold stands behind which topic: the live stream and replay are made of the same ones."""

from __future__ import annotations

from typing import Final, NamedTuple

from detectors.catalog import Detectors
from pipeline.detect import DetectorFold
from pipeline.minutes import SeriesFold
from pipeline.resolver import Resolver
from pipeline.settings import Settings
from pipeline.stages.states import Limits

SERIES_EXPIRE_S: Final = 691_200.0
"""A series that has been silent for more than a week has no past to be compared with."""

SERVICE_EXPIRE_S: Final = 691_200.0
"""More than the longest window that a rule over services may set (a week)."""

MAX_TRACES: Final = 10_000
"""Traces of one partition that the resolver remembers: each can hold hundreds of calls."""


class Folds(NamedTuple):
    """One fold for each topic between stages."""

    links: Resolver
    calls: DetectorFold
    attempts: DetectorFold
    slices: SeriesFold

    def use(self, detectors: Detectors) -> None:
        """Fold with these detectors from now on."""
        self.calls.use(detectors.session)
        self.attempts.use(detectors.service)
        self.slices.use(detectors.slices)


def folds(detectors: Detectors, settings: Settings) -> Folds:
    """The folds for these detectors, with the settings' waits and expiries."""
    return Folds(
        Resolver(_ns(settings.resolver_wait_s), _ns(settings.trace_expire_s)),
        DetectorFold(detectors.session, _ns(settings.session_expire_s)),
        DetectorFold(detectors.service, _ns(SERVICE_EXPIRE_S)),
        SeriesFold(DetectorFold(detectors.slices, _ns(SERIES_EXPIRE_S))),
    )


class Bounds(NamedTuple):
    """Bounds of one partition's states, for each fold: a silent key is asked whether it is over when it can be."""

    links: Limits
    calls: Limits
    attempts: Limits
    slices: Limits


def bounds(settings: Settings) -> Bounds:
    """The folds' bounds."""
    keys = settings.max_keys
    return Bounds(
        Limits(max_keys=min(keys, MAX_TRACES), recheck_ns=_ns(settings.trace_expire_s)),
        Limits(max_keys=keys, recheck_ns=_ns(settings.session_expire_s)),
        Limits(max_keys=keys, recheck_ns=_ns(SERVICE_EXPIRE_S)),
        Limits(max_keys=keys, recheck_ns=_ns(SERIES_EXPIRE_S)),
    )


def _ns(seconds: float) -> int:
    return int(seconds * 1_000_000_000)
