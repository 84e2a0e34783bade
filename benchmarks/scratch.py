"""The folder that a benchmark works in: gone when all went well, kept and named when something failed."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from testbed.spawning import all_ended


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder, and the end of every process started meanwhile; after an exception the logs in it are kept."""
    folder = Path(tempfile.mkdtemp(prefix="telltale-bench-"))
    try:
        with all_ended():
            yield folder
    except Exception:
        keep_logs(folder)
        raise
    finally:
        shutil.rmtree(folder)


def keep_logs(folder: Path) -> None:
    """Copy every `*.log` to a folder beside this one, and say where."""
    kept = folder.with_name(f"{folder.name}-logs")
    for log in folder.rglob("*.log"):
        if "data" not in log.relative_to(folder).parts:  # the broker's own files are called so too
            copy = kept / log.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(log, copy)
    print(f"the logs are kept in {kept}", flush=True)
