"""What a look at one part of an installation says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from cli.exits import FAILED, FINE, UNKNOWN

Verdict = Literal["fine", "wrong", "unknown"]
STATUSES: Final[dict[Verdict, int]] = {"fine": FINE, "wrong": FAILED, "unknown": UNKNOWN}


class Problem(NamedTuple):
    """Something that is wrong."""

    what: str
    repair: str = ""
    """What mends it; "" = `what` says it."""


@dataclass(slots=True)
class Report:
    """One part: what was found there, and what is wrong with it."""

    part: str
    facts: dict[str, Any] = field(default_factory=dict)
    """As JSON."""
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Worth knowing, not wrong."""
    reached: bool = True
    """False: it could not be looked at; `problems` says why."""

    def wrong(self, what: str, repair: str = "") -> None:
        """Add a problem."""
        self.problems.append(Problem(what, repair))

    @property
    def verdict(self) -> Verdict:
        """Of this part alone."""
        if not self.reached:
            return "unknown"
        return "wrong" if self.problems else "fine"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "part": self.part,
            "verdict": self.verdict,
            "facts": self.facts,
            "problems": [one._asdict() for one in self.problems],
            "notes": self.notes,
        }


def unreached(part: str, what: str, repair: str = "") -> Report:
    """A part that could not be looked at."""
    return Report(part, problems=[Problem(what, repair)], reached=False)


def verdict(reports: Sequence[Report]) -> Verdict:
    """Of all parts: not to know weighs most, since what is wrong there is not known either."""
    found = {one.verdict for one in reports}
    return "unknown" if "unknown" in found else "wrong" if "wrong" in found else "fine"
