"""One run of the guard: read what the agent hands over, report the call or ask about it, answer. It fails open."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from cli.hook.agents import AGENTS, API_URL, BEFORE, OTLP_URL, PATIENCE_MS, agent_of
from cli.hook.answer import SEVERITIES, output, sentence, worst
from cli.hook.exchange import Address, address, ask
from cli.hook.payload import Call, call_of
from cli.hook.report import log_request

MAX_INPUT_BYTES: Final = 16_777_216


class Options(NamedTuple):
    """How the guard was called."""

    agent: str = ""
    """"" = it is told from the event."""
    block: bool = False
    content: bool = False
    severity: str = "warning"
    url: str = API_URL
    otlp: str = OTLP_URL
    token: str = ""
    patience_ms: int = PATIENCE_MS


def options(arguments: Sequence[str], environment: Mapping[str, str]) -> Options | None:
    """The options of a command line; None where it is none of ours, so that the full command may say so."""
    found: dict[str, Any] = {
        name: environment[variable]
        for name, variable in (("url", "TELLTALE_URL"), ("otlp", "TELLTALE_OTLP_URL"), ("token", "TELLTALE_TOKEN"))
        if environment.get(variable)
    }
    words = list(arguments)
    while words:
        word = words.pop(0)
        if word in ("--block", "--content"):
            found[word[2:]] = True
        elif word in ("--url", "--otlp", "--severity") and words:
            found[word[2:]] = words.pop(0)
        elif word == "--otlp-http" and words:
            found["otlp"] = words.pop(0)
        elif word == "--patience-ms" and words and words[0].isdecimal():
            found["patience_ms"] = int(words.pop(0))
        elif word in AGENTS and "agent" not in found:
            found["agent"] = word
        else:
            return None
    given = Options(**found)
    fine = given.severity in SEVERITIES and address(given.url) and address(given.otlp)
    return given if fine else None


def run(given: Options) -> int:
    """Read standard input, print at most one JSON object. Always 0: whatever goes wrong, the agent goes on."""
    started = time.monotonic()
    said = None
    try:
        said = answer(given, sys.stdin.buffer.read(MAX_INPUT_BYTES + 1), started + given.patience_ms / 1000)
    except Exception as error:  # an agent must never stop because its guard has a fault
        print(f"telltale guard: {type(error).__name__}: {error}", file=sys.stderr)
    if said is None and given.agent == "cursor":
        said = {}  # Cursor reads JSON on every path
    if said is not None:
        sys.stdout.buffer.write(orjson.dumps(said) + b"\n")
        sys.stdout.buffer.flush()
    return 0


def answer(given: Options, text: bytes, deadline: float) -> dict[str, Any] | None:
    """What to print, None = nothing."""
    api, otlp = address(given.url), address(given.otlp)
    payload = _payload(text)
    agent = agent_of(payload, given.agent)
    event = payload.get("hook_event_name")
    when = agent.events.get(event) if agent is not None and isinstance(event, str) else None
    if agent is None or when is None or api is None or otlp is None:
        return None
    call = call_of(agent, payload, when)
    if call is None:
        return None
    loop = None
    if (when == BEFORE and (agent.says_before or given.block)) or (when != BEFORE and not agent.says_before):
        loop = _asked(api, call, given, deadline)
    if when != BEFORE:
        body = log_request(agent, call, time.time_ns(), content=given.content)
        ask(otlp, "/v1/logs", max(deadline, time.monotonic() + given.patience_ms / 3000), body, given.token)
    return output(agent, str(event), sentence(loop), block=given.block and when == BEFORE) if loop else None


def _payload(text: bytes) -> dict[str, Any]:
    if len(text) > MAX_INPUT_BYTES:
        return {}
    try:
        payload = orjson.loads(text)
    except ValueError:
        return {}
    return payload if isinstance(payload, dict) else {}


def _asked(api: Address, call: Call, given: Options, deadline: float) -> Mapping[str, Any] | None:
    session = "".join(f"%{byte:02X}" for byte in call.session_id.encode())  # urllib takes longer to import than this
    path = f"/v1/guard?session={session}&arguments={call.arguments_signature.value}"
    found = ask(api, path, deadline, token=given.token)
    return worst(found, given.severity) if found else None
