"""Set-up: the lock file, the Makefile and what the documents say about it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LOCK = (ROOT / "requirements.lock").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_make_commands_in_the_documents_exist(page: Path) -> None:
    named = set(re.findall(r"(?:^ {4}|`)make ([a-z]+)", page.read_text(), re.MULTILINE))
    assert named <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_telltale_commands_in_the_readme_exist() -> None:
    named = set(re.findall(r"`(?:\.venv/bin/)?telltale ([a-z]+)", (ROOT / "README.md").read_text()))
    told = subprocess.run(
        [str(Path(sys.executable).with_name("telltale")), "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert named
    assert {name for name in named if not re.search(rf"^\s+{name}\b", told, re.MULTILINE)} == set()


def test_the_readme_has_no_placeholder() -> None:
    assert "TODO" not in (ROOT / "README.md").read_text()


def test_every_dependency_is_locked_with_hashes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {
        re.split(r"[^A-Za-z0-9_.-]", requirement)[0].lower()
        for requirement in (*project["project"]["dependencies"], *project["dependency-groups"]["dev"])
    }
    locked = set(re.findall(r"^([a-z0-9-]+)==", LOCK, re.MULTILINE))
    assert wanted - locked == set()
    entries = re.split(r"\n(?=[a-z0-9])", LOCK[LOCK.index("\n", LOCK.index("# ")) :])
    assert [entry.split("==")[0].strip() for entry in entries if "==" in entry and "--hash=sha256:" not in entry] == []


def test_the_lock_names_no_place_to_fetch_from() -> None:
    assert re.findall(r"https?://|--(?:extra-)?index-url|--find-links", LOCK) == []


def test_make_says_the_repair_where_python_is_missing(tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "PYTHON=", f"VENV={tmp_path}/venv", "setup"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "3.11 or newer" in done.stderr
    assert "apt-get install" in done.stderr


def test_ci_is_executable_and_stops_at_the_first_failure() -> None:
    ci = ROOT / ".ci" / "run"
    assert os.access(ci, os.X_OK)
    assert "set -euo pipefail" in ci.read_text()


def test_the_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
