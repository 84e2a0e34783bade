"""One cell end to end: recordings through what `telltale replay` runs, from OTLP/JSON to findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evals.series.recording import REQUEST_S, START_S, Recording
from pipeline.assembly import detectors, normalizer
from pipeline.replay import Replay
from pipeline.settings import Settings
from schemas.finding import Finding

PAST_MINUTES = 180
MINUTES = 220
RATE = 60.0
CASES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "latency x1.5": {"slower": 1.5},
    "latency x3": {"slower": 3.0},
    "errors 2 % to 20 %": {"error_share_after": 0.2},
}


@dataclass(frozen=True, slots=True)
class Replayed:
    """One recording of 60 calls a minute."""

    case: str
    seed: int

    def run(self) -> dict[str, Any]:
        """Alerts before the change, minutes until the first after it (None: none), and the version it names."""
        found: list[Finding] = []
        settings = Settings()
        run = Replay(normalizer(settings), detectors(), settings, on_finding=found.append)
        recording = Recording(RATE, MINUTES, PAST_MINUTES, seed=self.seed, **CASES[self.case])
        for line in recording.lines():
            run.feed(line)
        run.finish()
        run.findings.close()
        begins = START_S + PAST_MINUTES * 60
        told = [f for f in found if f.change is not None and f.status == "open" and f.severity != "suspect"]
        after = [f for f in told if f.detected_at_unix_nano >= (begins + REQUEST_S) * 10**9]
        minutes = (after[0].detected_at_unix_nano / 1e9 - begins) / 60 if after else None
        return {
            "case": self.case, "seed": self.seed, "early": len(told) - len(after), "minutes": minutes,
            "version": after[0].version if after else "",
        }  # fmt: skip
