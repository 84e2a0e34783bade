"""Fuzz each target for some time: `python -m fuzz.run --seconds 30`; exit 1 when an input broke a law.

Inputs that led anywhere new are kept under `build/fuzz/TARGET` and are where the next run begins. Needs atheris
(CPython 3.11 to 3.14 on Linux or macOS), which is in the dependency group `fuzz` and which nothing else needs.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from fuzz.seeds import seeds

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "build" / "fuzz"
NAMES: Final = ("protobuf", "json", "dialects", "pipeline")
MISSING: Final = (
    "fuzzing needs atheris, which has packages for CPython 3.11 to 3.14 on Linux and macOS. "
    "Repair: .venv/bin/python -m pip install --group fuzz"
)
SLOWEST_S: Final = 20
"""An input that takes longer is a finding too."""


def fuzz(name: str, seconds: int, folder: Path = FOLDER) -> bool:
    """Fuzz one target; prints what came of it. True: nothing was found."""
    corpus, known = folder / name, folder / f"{name}.seeds"
    for made in (corpus, known):
        made.mkdir(parents=True, exist_ok=True)
    for seed in seeds(name):
        (known / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    flags = [
        f"-max_total_time={seconds}", f"-timeout={SLOWEST_S}", "-max_len=16384", "-rss_limit_mb=2048",
        f"-artifact_prefix={folder / name}-", "-print_final_stats=1",
    ]  # fmt: skip
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        done = subprocess.run(
            [sys.executable, "-m", "fuzz.harness", name, str(corpus), str(known), *flags],
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            check=False,
        )
    told = log.read_text(errors="replace")
    inputs = re.findall(r"number_of_executed_units: (\d+)", told)
    coverage = re.findall(r"cov: (\d+)", told)
    verdict = "nothing found" if done.returncode == 0 else f"FOUND SOMETHING (exit {done.returncode}), see {log}"
    print(f"{name:9} {inputs[-1] if inputs else '?'} inputs, coverage {coverage[-1] if coverage else '?'}: {verdict}")
    for crash in re.findall(r"Test unit written to (\S+)", told):
        print(f"          again: {sys.executable} -m fuzz.harness {name} {crash}")
    return done.returncode == 0


def main() -> int:
    """Fuzz the targets named, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(NAMES)}  [default: all]")
    parser.add_argument("--seconds", type=int, default=30, help="for each target  [default: 30]")
    asked = parser.parse_args()
    if unknown := set(asked.targets) - set(NAMES):
        parser.error(f"there is no target {sorted(unknown)[0]!r}")
    if importlib.util.find_spec("atheris") is None:
        print(MISSING, file=sys.stderr)
        return 2
    sound = [fuzz(name, asked.seconds) for name in asked.targets or NAMES]
    return 0 if all(sound) else 1


if __name__ == "__main__":
    raise SystemExit(main())
