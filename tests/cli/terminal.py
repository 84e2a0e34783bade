"""The installed command on a pseudo-terminal, as a person sees it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

PROGRAM = Path(sys.executable).with_name("telltale")
PATIENCE_S = 120.0
CTRL_C = b"\x03"
STYLE = re.compile(r"\x1b\[[0-9;]*m")


class Shown(NamedTuple):
    """What came of it."""

    status: int
    text: str


def on_terminal(*words: str, environment: Mapping[str, str], press: bytes = b"", once: str = "") -> Shown:
    """Run a command until it ends; `press` is typed when `once` is on the screen."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("TELLTALE_")}
    process, screen = pty.fork()
    if process == 0:
        os.execve(str(PROGRAM), [str(PROGRAM), *words], own | {"TERM": "xterm-256color", **environment})  # noqa: S606
    shown, deadline = b"", time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if not select.select([screen], [], [], 0.5)[0]:
            continue
        try:
            part = os.read(screen, 65_536)
        except OSError:  # the other end is closed
            break
        shown += part
        if press and once.encode() in shown:
            os.write(screen, press)
            press = b""
        if not part:
            break
    os.close(screen)
    _, status = os.waitpid(process, 0)
    return Shown(os.waitstatus_to_exitcode(status), shown.decode().replace("\r\n", "\n"))


def in_pipe(*words: str, environment: Mapping[str, str]) -> Shown:
    """The same with both outputs in one pipe."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("TELLTALE_")}
    done = subprocess.run(
        [str(PROGRAM), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**own, **environment}, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    return Shown(done.returncode, done.stdout.decode())
