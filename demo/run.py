"""`make demo`: start Telltale, let two agents and a service run, and see whether it finds exactly what went wrong."""

from __future__ import annotations

import argparse
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from demo import expect, traffic
from demo.server import Server, ServerFailedError
from demo.sessions import Sessions
from demo.show import finding_lines, quote, say

T = TypeVar("T")
ROOT = Path(__file__).parents[1]
FOUND_WITHIN_S = 30.0
"""How long to wait for a finding after its last span was sent."""


def main(argv: list[str] | None = None) -> int:
    """Run the demonstration; 0 = exactly the expected findings, 1 = not, 130 = interrupted."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the data folder and say where it is")
    keep = parser.parse_args(argv).keep
    # A shell that starts us in the background has interrupts ignored, and the server would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="telltale-demo-"))
    status = 1
    try:
        status = run(folder)
    except KeyboardInterrupt:
        status = 130
        say("interrupted")
    except (ServerFailedError, RuntimeError, OSError, subprocess.SubprocessError) as error:
        say(f"FAILED: {error}")
    if status == 1 or keep:
        say(f"the data folder is kept: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return status


def run(folder: Path) -> int:
    """The acts, in order."""
    say("starting `telltale up` in a fresh folder, on free ports")
    server = Server.start(folder / "data", on_line=Quoted())
    try:
        say(f"ready after {server.ready_s:.1f} s: OTLP/gRPC {server.otlp_grpc}, OTLP/HTTP {server.otlp_http}")
        sessions = Sessions.fresh()
        watch_agents(server, sessions, folder)
        send_traffic(server)
        wrong = wait_until_right(server, sessions)
        if not wrong:
            show_changes(server)
            show_commands(server, sessions)
            wrong = expect.differences(server.findings(), sessions)
    finally:
        status = server.stop()
    if status != 0:
        wrong.append(f"telltale up ended with status {status} after an interrupt, not 0")
    if wrong:
        say("FAILED: this is not what was expected")
        for sentence in wrong:
            print(f"  - {sentence}")
        print(f"the last lines of telltale up:\n{server.log_tail()}")
        return 1
    say("exactly what went wrong was found, and nothing else")
    return 0


class Quoted:
    """Shows what `telltale up` prints, but for the lines on how to set agents up: these agents are set up."""

    def __init__(self) -> None:
        self._setting_up = True

    def __call__(self, line: str) -> None:
        """Take one line."""
        if line.startswith("telltale") or not self._setting_up:
            quote(line)
        if line.startswith("Findings appear here"):
            self._setting_up = False


def watch_agents(server: Server, sessions: Sessions, folder: Path) -> None:
    """Run both agents in a process of their own and show the stuck one's finding as soon as it can be read."""
    say("two PydanticAI agents work on a bug: real tools, real telemetry over gRPC, a scripted model")
    command = [sys.executable, "-m", "demo.agents", server.otlp_grpc, str(folder), sessions.healthy, sessions.stuck]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as working:
        try:
            found = _wait(lambda: expect.alerted(expect.loops_of(server.findings(), sessions.stuck)), working)
            if found:
                still = "still runs" if working.poll() is None else "has just ended"
                say(f"found while session {sessions.stuck} {still}:")
                _print_finding(found[0])
            words, _ = working.communicate(timeout=60)
        finally:
            working.kill()
    if working.returncode != 0:
        raise RuntimeError(f"the agents ended with status {working.returncode}")
    for session, closing in zip((sessions.healthy, sessions.stuck), words.splitlines(), strict=True):
        say(f"{session} ended: {closing}")
    findings = steady_findings(server)
    for session in (sessions.stuck, sessions.healthy):
        loops = expect.loops_of(findings, session)
        say(f"findings for {session}: {len(loops) or 'none'}")
        for loop in loops:
            _print_finding(loop)


def send_traffic(server: Server) -> None:
    """Post the generated minutes, oldest first."""
    say(f"sending {traffic.span_count():,} GENERATED spans, 45 minutes of event time of two services, over OTLP/HTTP:")
    print(f"          {traffic.CHECKOUT}: 1.4.0 healthy, {traffic.SLOW_VERSION} 2.5 times slower, then")
    print(f"          {traffic.FAILING_VERSION} with 25 % errors instead of 2 %; {traffic.CATALOG}: healthy all along")
    for requests in traffic.requests_by_minute(time.time_ns()):
        for request in requests:
            traffic.post(request, server.otlp_http)


def wait_until_right(server: Server, sessions: Sessions) -> list[str]:
    """Ask until exactly the expected findings are there; what differs at the end of the wait."""
    _wait(lambda: not expect.differences(server.findings(), sessions))
    return expect.differences(steady_findings(server), sessions)


def steady_findings(server: Server) -> list[expect.Finding]:
    """The findings once they have not changed for a second: what was sent has been judged."""
    now, deadline = server.findings(), time.monotonic() + FOUND_WITHIN_S
    while time.monotonic() < deadline:
        time.sleep(1.0)
        before, now = now, server.findings()
        if before == now:
            break
    return now


def show_changes(server: Server) -> None:
    """Print the findings about releases."""
    say("found in the traffic:")
    for finding in server.findings():
        if finding["kind"] != "tool_call_loop":
            _print_finding(finding)


def show_commands(server: Server, sessions: Sessions) -> None:
    """Run the commands to try next, for real."""
    say("what to try next, run here and now:")
    for arguments in (("findings",), ("session", sessions.stuck), ("session", sessions.healthy)):
        print(f"\n$ {shlex.join(['telltale', *arguments, '--url', server.url])}", flush=True)
        done = server.telltale(*arguments)
        print(done.stdout.rstrip() or done.stderr.rstrip())
        if done.returncode not in (0, 1):
            raise RuntimeError(f"telltale {arguments[0]} ended with status {done.returncode}")
    print()


def _print_finding(finding: expect.Finding) -> None:
    print("\n".join(f"          {line}" for line in finding_lines(finding)), flush=True)


def _wait(ask: Callable[[], T], working: subprocess.Popen[str] | None = None) -> T:
    """Ask until the answer is true; give up FOUND_WITHIN_S after the work ended."""
    deadline = time.monotonic() + FOUND_WITHIN_S
    while True:
        answer = ask()
        if working is not None and working.poll() is None:
            deadline = time.monotonic() + FOUND_WITHIN_S
        if answer or time.monotonic() > deadline:
            return answer
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
