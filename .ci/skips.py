"""Print every skipped test of some JUnit reports; exit 1 when one is not on the list of allowed skips, or none ran.

Usage: skips.py ALLOWED.txt REPORT.xml...
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple


class Skip(NamedTuple):
    """One skipped test."""

    test_id: str
    reason: str


def read_report(report: Path) -> tuple[int, list[Skip]]:
    """The number of tests that ran and those that were skipped; an expected failure has run."""
    ran, skips = 0, []
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote the file a moment ago
        skipped = case.find("skipped")
        if skipped is None or skipped.get("type") == "pytest.xfail":
            ran += 1
        else:
            skips.append(Skip(f"{case.get('classname')}::{case.get('name')}", skipped.get("message") or ""))
    return ran, skips


def read_allowed(path: Path) -> list[str]:
    """Prefixes of test ids; a line without a reason is refused."""
    prefixes = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        prefix, _, reason = line.partition(" # ")
        if not reason.strip():
            raise SystemExit(f"{path}:{number}: write `tests.area.test_module::test_name # why it may be skipped`")
        prefixes.append(prefix.strip())
    return prefixes


def main(allowed: Path, reports: list[Path]) -> int:
    """Print the skips and judge them; a report in which nothing ran is refused too."""
    prefixes = read_allowed(allowed)
    read = [read_report(report) for report in reports]
    skips = [skip for _, some in read for skip in some]
    refused = [skip for skip in skips if not skip.test_id.startswith(tuple(prefixes))]
    for skip in skips:
        print(f"skipped {'(NOT ALLOWED) ' if skip in refused else ''}{skip.test_id}: {skip.reason}")
    print(f"{sum(ran for ran, _ in read)} tests ran, {len(skips)} skipped, {len(refused)} of them without leave")
    return 1 if refused or not read or not all(ran for ran, _ in read) else 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]))
