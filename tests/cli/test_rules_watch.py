"""Rules that change while a process runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cli import rules_watch
from cli.rules_watch import RulesWatch
from detectors.catalog import Detectors
from schemas.errors import RuleError

TEXT = (Path(__file__).parents[2] / "detectors" / "rules" / "error_spike.toml").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.toml").write_text(TEXT, encoding="utf-8")
    return tmp_path


def write(folder: Path, old: str, new: str) -> None:
    changed = TEXT.replace(old, new, 1)
    assert changed != TEXT
    (folder / "mine.toml").write_text(changed, encoding="utf-8")


async def test_a_changed_file_is_taken_without_being_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules_watch, "LOOK_S", 0.01)
    said: list[str] = []
    used: list[Detectors] = []
    watch = RulesWatch(str(folder), said.append)
    watch.start(used.append)
    write(folder, "min_sessions = 5", "min_sessions = 6 # more")
    async with asyncio.timeout(20):
        while not used:
            await asyncio.sleep(0.01)
    watch.stop()
    assert [d.name for d in used[0].slices] == ["error_spike"]
    assert said == ["rules taken: error_spike (enabled)"]


async def test_asked_it_looks_at_once(folder: Path) -> None:
    used: list[Detectors] = []
    watch = RulesWatch(str(folder), lambda text: None)
    watch.start(used.append)
    watch.look()
    async with asyncio.timeout(20):
        while not used:
            await asyncio.sleep(0.01)
    watch.stop()


def test_a_bad_file_is_refused_with_file_key_and_reason_and_the_last_good_set_goes_on(folder: Path) -> None:
    said: list[str] = []
    watch = RulesWatch(str(folder), said.append)
    good = watch.detectors
    write(folder, "min_sessions = 5", "min_sessions = 0")
    assert not watch.take()
    assert watch.detectors is good
    assert said == [
        "rules not taken, the last good ones go on: mine.toml: parameters.min_sessions: must be between 1 and 16"
    ]
    (folder / "mine.toml").write_text(TEXT, encoding="utf-8")
    assert watch.take()


def test_a_rule_keeps_its_detector_while_it_runs(folder: Path) -> None:
    said: list[str] = []
    watch = RulesWatch(str(folder), said.append)
    other = TEXT.replace(
        'kind = "error_spike"\ndetector = "error_spike"', 'kind = "token_surge"\ndetector = "token_surge"'
    )
    head = other[: other.index("[parameters]")]
    (folder / "mine.toml").write_text(head, encoding="utf-8")
    assert not watch.take()
    assert "mine.toml: detector: rule 'error_spike' used 'error_spike', and now names 'token_surge'" in said[0]


def test_a_folder_without_rules_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="holds no rule"):
        RulesWatch(str(tmp_path))


def test_a_daemon_refuses_bad_rules_with_file_key_and_reason(run: Any, folder: Path, tmp_path: Path) -> None:
    write(folder, "min_sessions = 5", 'min_sessions = "5"')
    done = run("up", "--data", str(tmp_path / "data"), TELLTALE_RULES_DIR=str(folder))
    assert done.returncode not in {0, -9}
    assert "mine.toml: parameters.min_sessions: must be a whole number" in done.stderr
