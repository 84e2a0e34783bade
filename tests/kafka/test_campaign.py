"""A short crash campaign: whatever dies, nothing is lost, nothing is stored twice, every finding of a calm run is made.

A fleet may make more of them than one machine does: loops that seemed to begin later until calls from another partition
came. Those have to be over.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.campaign import differences, run
from testbed.kafka import NoBrokerError, libraries

KILLING = ("worker kills itself where it hurts", "receiver killed")
OTHERS = ("poison messages among others", "offsets without a record")


@pytest.mark.parametrize("disturbance", [*KILLING, *OTHERS])
def test_what_was_acknowledged_is_stored_once_and_every_loop_is_found(folder: Path, disturbance: str) -> None:
    try:
        libraries()
    except NoBrokerError as reason:
        pytest.skip(str(reason))
    outcome = run(folder, disturbance, kills=3)
    assert outcome.deaths or disturbance in OTHERS
    assert outcome.acknowledged > 0
    assert outcome.lost == []
    assert outcome.wrong == {}
    assert outcome.problems == []
    assert outcome.calm_findings
    found = differences(outcome.findings, outcome.calm_findings)
    assert (found["missing"], found["more, open"], found["other severity or session"]) == (0, 0, 0)
