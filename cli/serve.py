"""Running a process of ours in the foreground: banner, ready file, a line for each finding, signals."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from importlib.metadata import version
from pathlib import Path

from cli.banner import banner
from cli.daemon import ALL_ROLES, Daemon, Role
from cli.preparing import unfinished, unwritable
from cli.render import finding_line
from pipeline.interpreter import tune
from pipeline.settings import Settings
from schemas.finding import Finding


def serve(settings: Settings, ready_file: Path | None, roles: frozenset[Role] = ALL_ROLES) -> None:
    """Run until SIGINT or SIGTERM; raises TelltaleError where it cannot start."""
    asyncio.run(_serve(settings, ready_file, roles))


async def _serve(settings: Settings, ready_file: Path | None, roles: frozenset[Role]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stopping, stop)
    daemon = Daemon(settings, version("telltale"), _tell, roles)
    loop.add_signal_handler(signal.SIGHUP, daemon.reload)
    addresses = await daemon.start()
    tune()
    try:
        _say(_greeting(settings, roles, addresses))
        if ready_file is not None:
            _write_ready(ready_file, addresses)
        await _until(stop, daemon)
    finally:
        await daemon.stop()


def _greeting(settings: Settings, roles: frozenset[Role], addresses: dict[str, str]) -> str:
    if roles == ALL_ROLES:
        named = (addresses["otlp_grpc"], addresses["otlp_http"], addresses["api"])
        return "\n".join(banner(*named, str(settings.data_dir)))
    listening = ", ".join(f"{name} {address}" for name, address in addresses.items())
    return f"telltale {' and '.join(sorted(roles))} is up: {listening}; Ctrl-C stops."


async def _until(stop: asyncio.Event, daemon: Daemon) -> None:
    """Wait for a signal; raise what ends the stream before one comes."""
    waiting = {asyncio.create_task(stop.wait()), asyncio.create_task(daemon.failed())}
    done, rest = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    for task in done:
        task.result()


def _stopping(stop: asyncio.Event) -> None:
    if stop.is_set():
        # Asked twice: what was acknowledged is in the log and will be processed after the next start.
        os._exit(130)
    stop.set()
    _say("stopping: what has arrived is finished; once more stops at once")


def _tell(finding: Finding) -> None:
    if not finding.shadow:
        _say(finding_line(finding.as_json()))


def _say(text: str) -> None:
    """Print; a terminal that is gone must not end the process."""
    try:
        print(text, flush=True)
    except OSError:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for the rest of the process


def _write_ready(ready_file: Path, addresses: dict[str, str]) -> None:
    """Whole or not at all."""
    content: dict[str, str | int] = {**addresses, "pid": os.getpid()}
    try:
        part = unfinished(ready_file)
        part.write_text(json.dumps(content) + "\n", encoding="utf-8")
        part.replace(ready_file)
    except OSError as error:
        raise unwritable(ready_file, error) from error
