"""Settings files on disk: read, shown as a difference, backed up and replaced whole or not at all."""

from __future__ import annotations

import difflib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

from cli.configure.agents import File
from cli.configure.documents import UnfitError, changed

MAX_BYTES: Final = 64 * 1024 * 1024


class Edit(NamedTuple):
    """One file before and after."""

    where: Path
    """The file itself, where a link leads."""
    before: str | None
    """None = there is no file yet."""
    after: str

    @property
    def needed(self) -> bool:
        """Whether there is anything to do."""
        return self.after != (self.before or "")

    def difference(self) -> list[str]:
        """Lines of a unified difference."""
        before = (self.before or "").splitlines()
        old = str(self.where) if self.before is not None else "/dev/null"
        return list(difflib.unified_diff(before, self.after.splitlines(), old, str(self.where), lineterm="", n=2))


def edit(file: File, *, replace: bool) -> Edit:
    """What is to be done to a file; nothing is written.

    Raises:
        UnfitError: It cannot be read, or cannot be changed as it is.
    """
    where = file.where.resolve()
    before = _text(where)
    return Edit(where, before, changed(file.form, before or "", file.changes, replace=replace))


def write(one: Edit) -> Path | None:
    """Replace the file; returns the backup of what was there.

    Raises:
        UnfitError: It cannot be written, or somebody changed it meanwhile.
    """
    try:
        one.where.parent.mkdir(parents=True, exist_ok=True)
        if _text(one.where) != one.before:
            raise UnfitError("it was changed meanwhile; run this again")
        backup = _backed_up(one.where) if one.before is not None else None
        mode = one.where.stat().st_mode & 0o777 if one.before is not None else 0o600
        handle, name = tempfile.mkstemp(dir=one.where.parent, prefix=f".{one.where.name}.")
        unfinished = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
                out.write(one.after)
                out.flush()
                os.fsync(out.fileno())
            unfinished.chmod(mode)
            unfinished.replace(one.where)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise UnfitError(f"it cannot be written: {error.strerror or error}") from error
    return backup


def _backed_up(where: Path) -> Path:
    backup = where.with_name(f"{where.name}.{time.strftime('%Y%m%d-%H%M%S')}.bak")
    shutil.copy2(where, backup)
    return backup


def _text(where: Path) -> str | None:
    try:
        if where.stat().st_size > MAX_BYTES:
            raise UnfitError(f"it is larger than {MAX_BYTES} bytes")
        with where.open(encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise UnfitError("it is not UTF-8 text") from error
    except OSError as error:
        raise UnfitError(f"it cannot be read: {error.strerror or error}") from error
