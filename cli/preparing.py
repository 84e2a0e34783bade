"""What a process of ours does before anything of it starts: its data folder, and whether the ready file can be made."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from schemas.errors import SettingsError

if TYPE_CHECKING:
    from cli.daemon import Role

OURS: Final = frozenset({"faust", "log", "store"})
"""Folders that we make in the data folder."""

_log = logging.getLogger(__name__)


def make_data_folder(folder: Path, roles: frozenset[Role]) -> None:
    """Make the data folder for its owner only, and tighten one that is there; parents stay as they are.

    It holds prompts and raw requests, and what the embedded store makes in it follows the umask.

    Raises:
        SettingsError: It cannot be made or written.
    """
    if "worker" not in roles:
        return  # a receiver or API of its own keeps nothing
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _tighten(folder)
    except OSError as error:
        raise _unusable(folder, error.strerror) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _unusable(folder, "Permission denied")


def check_ready_file(ready_file: Path | None) -> None:
    """Raise SettingsError where the ready file could not be written once all of it works."""
    if ready_file is None:
        return
    try:
        trial = unfinished(ready_file)
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise unwritable(ready_file, error) from error


def unfinished(ready_file: Path) -> Path:
    """What the ready file is called until it is whole."""
    return ready_file.with_name(f".{ready_file.name}.{os.getpid()}")


def unwritable(ready_file: Path, error: OSError) -> SettingsError:
    """The ready file cannot be made."""
    return SettingsError(
        f"ready file {ready_file} cannot be written ({error.strerror}): "
        "make its folder first, or give another one with --ready-file"
    )


def _tighten(folder: Path) -> None:
    """Take the folder from everybody else, or warn where that is not ours to do."""
    held = folder.stat()
    if not held.st_mode & 0o077:
        return
    why = _not_ours(folder, held)
    if not why:
        try:
            folder.chmod(0o700)
        except OSError as error:
            why = str(error.strerror)
        else:
            return
    _log.warning(
        "others may read the prompts and tool output in data folder %s, which was left as it is (%s): "
        "chmod 700 it, or give another one with --data",
        folder,
        why,
    )


def _not_ours(folder: Path, held: os.stat_result) -> str:
    """Why its permissions are not ours to change: those of `/`, `/tmp` or a home folder serve others too."""
    if held.st_uid != os.geteuid():
        return "it belongs to another user"
    if held.st_mode & stat.S_ISVTX:
        return "it is shared on purpose"
    foreign = sorted(one.name for one in folder.iterdir() if one.name not in OURS and one.is_dir())
    return f"it also holds {foreign[0]}" if foreign else ""


def _unusable(folder: Path, why: str | None) -> SettingsError:
    return SettingsError(f"data folder {folder} cannot be written ({why}): give another one with --data")
