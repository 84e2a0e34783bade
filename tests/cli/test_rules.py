"""`telltale rules` through the installed command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SHIPPED = Path(__file__).parents[2] / "detectors" / "rules" / "error_spike.toml"


def test_every_rule_is_listed_and_explained(run: Any) -> None:
    listed = run("rules", "list")
    assert listed.returncode == 0
    assert {line.split()[0] for line in listed.stdout.splitlines() if " tests  " in line} >= {
        "error_spike", "latency_regression", "tool_call_loop",
    }  # fmt: skip
    told = run("rules", "list", "error_spike").stdout
    assert "min_increase" in told
    assert "known false positives" in told
    assert "two percent become ten" in told


def test_an_unknown_rule_names_those_there_are(run: Any) -> None:
    done = run("rules", "list", "nothing")
    assert (done.returncode, done.stdout) == (1, "")
    assert "error_spike" in done.stderr


def test_a_failing_test_is_named_and_the_status_says_so(run: Any, tmp_path: Path) -> None:
    text = SHIPPED.read_text(encoding="utf-8").replace('severity = "none"', 'severity = "critical"', 1)
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    done = run("rules", "test", "--rules", str(tmp_path))
    assert done.returncode == 1
    assert "FAIL  steady is quiet" in done.stdout
    assert "severity: expected critical, came none" in done.stdout
    assert done.stdout.splitlines()[-1].endswith(", 1 failed")


def test_a_bad_file_is_refused_with_file_key_and_reason(run: Any, tmp_path: Path) -> None:
    text = SHIPPED.read_text(encoding="utf-8").replace("min_ratio = 1.5", "ratio = 1.5", 1)
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    done = run("rules", "test", "--rules", str(tmp_path))
    assert done.returncode == 64
    assert done.stderr.startswith("telltale: mine.toml: parameters.ratio: not a parameter")
