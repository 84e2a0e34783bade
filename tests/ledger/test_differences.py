"""In what way the findings after a disturbance are not those of a calm run."""

from __future__ import annotations

from benchmarks.campaign import differences
from benchmarks.ledger import Conclusions

CALM: Conclusions = {"a": ("loop", "s1", "warning", "open", "3"), "b": ("loop", "s2", "warning", "open", "4")}
SAME = {
    "missing": 0, "more, open": 0, "more, resolved": 0, "other severity or session": 0,
    "other status, count or evidence": 0,
}  # fmt: skip


def test_the_same_findings_differ_in_nothing() -> None:
    assert differences(dict(CALM), CALM) == SAME


def test_each_way_to_differ_is_counted_apart() -> None:
    here: Conclusions = {
        "a": ("loop", "s1", "warning", "open", "5"),
        "c": ("loop", "s3", "warning", "open", "3"),
        "d": ("loop", "s3", "warning", "resolved", "3"),
    }
    assert differences(here, CALM) == SAME | {
        "missing": 1, "more, open": 1, "more, resolved": 1, "other status, count or evidence": 1,
    }  # fmt: skip
    assert differences(CALM | {"a": ("loop", "s9", "warning", "open", "3")}, CALM)["other severity or session"] == 1
