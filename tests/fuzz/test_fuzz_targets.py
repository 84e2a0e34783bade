"""The fuzzing harnesses work: seeds keep the laws, a broken law is seen, and a short run of each finds nothing."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz import run, targets
from fuzz.seeds import MAX_BYTES, seeds
from pipeline.decode import Decoded

needs_atheris = pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed")


def test_every_target_is_run() -> None:
    assert list(run.NAMES) == list(targets.TARGETS)


@pytest.mark.parametrize("name", run.NAMES)
def test_seeds_are_small_many_and_keep_the_laws(name: str) -> None:
    found = seeds(name)
    assert len(found) > 20
    assert max(map(len, found)) <= MAX_BYTES
    for seed in found[:40]:
        targets.TARGETS[name](seed)
        targets.TARGETS[name](seed[: len(seed) // 2])


def test_two_ways_that_disagree_are_a_broken_law(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "_by_way_of_protobuf", lambda value: Decoded())
    with pytest.raises(targets.BrokenLawError, match="same rows"):
        targets.json(seeds("json")[0])


@needs_atheris
@pytest.mark.parametrize("name", run.NAMES)
def test_a_short_run_finds_nothing(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.fuzz(name, 2, tmp_path), (tmp_path / f"{name}.log").read_text()[-3000:]
    told = capsys.readouterr().out
    assert told.startswith(name)
    assert "nothing found" in told


@needs_atheris
def test_an_input_that_breaks_a_law_is_kept_and_told(tmp_path: Path) -> None:
    broken = tmp_path / "harness.py"
    broken.write_text(
        "import sys, atheris\n"
        "from fuzz import targets\n"
        "targets._by_way_of_protobuf = lambda value: targets.Decoded()\n"
        "atheris.Setup(sys.argv, targets.json)\n"
        "atheris.Fuzz()\n"
    )
    seed = tmp_path / "seed"
    seed.write_bytes(seeds("json")[0])
    done = subprocess.run(
        [sys.executable, str(broken), str(seed)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(run.ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 77
    assert "BrokenLawError: both ways give the same rows" in done.stdout + done.stderr


def test_without_atheris_it_is_said_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["fuzz.run", "--seconds", "1"])
    assert run.main() == 2
    assert "pip install --group fuzz" in capsys.readouterr().err
