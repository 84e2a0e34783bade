"""One process for each folder: the log, like the embedded store, has one owner."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from schemas.errors import SettingsError


class FolderLock:
    """An exclusive lock on a folder; the kernel lets go of it when its process ends, however it ends."""

    def __init__(self, directory: Path) -> None:
        """Take the lock.

        Raises:
            SettingsError: another process has it, or the folder cannot be written.
        """
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            raise SettingsError(
                f"data folder {directory} cannot be written ({exc.strerror}): give another one with --data"
            ) from exc
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            owner = os.pread(self._fd, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            raise SettingsError(
                f"data folder {directory} is in use by process {owner}: stop that one, "
                "or give this one another folder with --data"
            ) from exc
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def holder(directory: Path) -> str:
    """Which process has a folder, as it wrote itself down; "" = none has."""
    try:
        fd = os.open(directory / "lock", os.O_RDONLY)
    except OSError:
        return ""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
    else:
        return ""
    finally:
        os.close(fd)
