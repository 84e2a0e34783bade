"""CI lets no skip pass unseen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SKIPS = Path(__file__).parents[2] / ".ci" / "skips.py"
PASSED = '<testcase classname="tests.a.test_b" name="test_c"/>'
SKIPPED = '<testcase classname="tests.a.test_b" name="test_d[x]"><skipped message="no kafka"/></testcase>'
XFAILED = '<testcase classname="tests.a.test_b" name="test_e"><skipped type="pytest.xfail" message=""/></testcase>'


def judge(tmp_path: Path, reports: list[str], allowed: str) -> tuple[int, str]:
    """Exit status and output."""
    listed = tmp_path / "allowed.txt"
    listed.write_text(allowed)
    files = [tmp_path / f"{number}.xml" for number in range(len(reports))]
    for file, cases in zip(files, reports, strict=True):
        file.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    command = [sys.executable, str(SKIPS), str(listed), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("reports", "allowed", "status"),
    [
        pytest.param([PASSED], "", 0, id="no skip is fine"),
        pytest.param([PASSED + SKIPPED], "", 1, id="a skip without leave fails"),
        pytest.param([PASSED + SKIPPED], "tests.a.test_b::test_d # needs a broker\n", 0, id="a listed skip passes"),
        pytest.param([PASSED + SKIPPED], "tests.a.test_b::test_d\n", 1, id="a leave needs its reason"),
        pytest.param([SKIPPED], "tests.a # all\n", 1, id="a run in which nothing ran fails"),
        pytest.param([PASSED + XFAILED], "", 0, id="an expected failure has run"),
        pytest.param([PASSED, PASSED], "", 0, id="halves that ran are fine"),
        pytest.param([PASSED, PASSED + SKIPPED], "", 1, id="a skip in either half counts"),
        pytest.param([PASSED, SKIPPED], "tests.a # all\n", 1, id="a half in which nothing ran fails"),
        pytest.param([], "", 1, id="no half is no run"),
    ],
)
def test_skips_are_judged(tmp_path: Path, reports: list[str], allowed: str, status: int) -> None:
    assert judge(tmp_path, reports, allowed)[0] == status


def test_each_skip_is_printed_with_its_reason(tmp_path: Path) -> None:
    _, printed = judge(tmp_path, [PASSED + SKIPPED], "")
    assert "(NOT ALLOWED) tests.a.test_b::test_d[x]: no kafka" in printed
