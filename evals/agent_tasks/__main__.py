"""`python -m evals.agent_tasks`: a fresh process, the fleet, each task's calls and what they cost.

The output stands in README.md.
"""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from demo.server import Server
from evals.agent_tasks.fleet import LOOPING, send
from evals.agent_tasks.tasks import TASKS, AgentTask
from query.budget import cost

MAX_CALLS: Final = 5
MAX_TOKENS: Final = 6_000
PATIENCE_S: Final = 90.0


def main() -> int:
    """Print the table; 0 where every task is answered within its budget."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server.start(Path(folder) / "data")
        try:
            send(server.otlp_http, time.time_ns())
            _wait(server)
            rows = [(task, *_asked(server, task)) for task in TASKS]
        finally:
            server.stop()
    print("| task | calls | tokens | answered | |\n|---|---:|---:|---|---|")
    good = True
    for task, spent, missing in rows:
        tokens = sum(spent)
        fine = not missing and len(spent) <= MAX_CALLS and tokens <= MAX_TOKENS
        good = good and fine
        said = "yes" if not missing else f"no: {', '.join(missing)} is not in the answers"
        print(f"| {task.text} | {len(spent)} | {tokens:,} | {said} | {'' if fine else 'missed'} |")
    print("\nThe calls, and what each costs:\n")
    for task, spent, _ in rows:
        print(f"    # {task.text}")
        for call, tokens in zip(task.calls, spent, strict=True):
            print(f"    telltale {shlex.join(call)}    # {tokens:,} tokens")
    return 0 if good else 1


def _wait(server: Server) -> None:
    """Until what has to be found is found, or for a while."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        found = _answer(server, "findings", "--limit", "50", "--max-tokens", "100000")["findings"]
        kinds = {finding["kind"] for finding in found}
        if {"tool_call_loop", "latency_regression", "error_spike"} <= kinds and LOOPING in json.dumps(found):
            return
        time.sleep(0.5)


def _asked(server: Server, task: AgentTask) -> tuple[list[int], list[str]]:
    """(tokens of each call, what of the evidence is missing)."""
    told, spent, finding = [], [], ""
    for call in task.calls:
        answer = _answer(server, *(word.format(finding=finding) for word in call))
        spent.append(answer.get("tokens") or cost(answer))  # an error carries no count
        told.append(json.dumps(answer))
        if answer.get("findings"):
            finding = answer["findings"][0]["id"]
    return spent, [text for number, text in task.evidence if text not in told[number]]


def _answer(server: Server, *call: str) -> dict[str, Any]:
    done = server.telltale(*call, "--json")
    answer: dict[str, Any] = json.loads(done.stdout or "{}")
    if not answer:
        print(f"telltale {' '.join(call)}: {done.stdout or done.stderr}", file=sys.stderr)
    return answer


if __name__ == "__main__":
    sys.exit(main())
