"""What the guard says to the agent, and in which form each agent takes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from cli.hook.agents import Agent

SEVERITIES: Final = ("suspect", "warning", "critical")
MAX_NAME: Final = 60
_UNFIT: Final = re.compile(r"[^\w.:/()@-]+")


def worst(answer: Mapping[str, Any], severity: str) -> Mapping[str, Any] | None:
    """The loop to tell of: the worst one of at least `severity` that repeats the call in question, else None."""
    loops = answer.get("loops")
    least = SEVERITIES.index(severity)
    told = [
        loop
        for loop in (loops if isinstance(loops, list) else ())
        if isinstance(loop, dict) and loop.get("severity") in SEVERITIES[least:] and loop.get("this_call") is True
    ]
    return max(told, key=lambda loop: SEVERITIES.index(loop["severity"]), default=None)


def sentence(loop: Mapping[str, Any]) -> str:
    """What was repeated, with what result, since when: our own words, names and numbers alone.

    No text of a result stands in it: what a tool printed must not speak to the agent with the guard's voice.
    """
    count, tool = loop.get("count"), _plain(loop.get("tool"))
    since = str(loop.get("first_seen") or "")[11:19]
    head = f"Telltale: this repeats a call that has been made {count if isinstance(count, int) else 'several'} times"
    head += f" (`{tool}`, same arguments)" if tool else ""
    ended = _ended(loop)
    when = f" since {since} UTC" if re.fullmatch(r"\d\d:\d\d:\d\d", since) else ""
    return f"{head}{ended}{when}. It will not end differently unchanged: change the arguments or the approach, or ask."


def _ended(loop: Mapping[str, Any]) -> str:
    error = _plain(loop.get("error_type"))
    if loop.get("outcome") == "error":
        return f" and failed the same way each time{f' ({error})' if error else ''}"
    return " with the same result each time" if loop.get("same_result") is True else ""


def _plain(value: object) -> str:
    return _UNFIT.sub(" ", value)[:MAX_NAME].strip() if isinstance(value, str) else ""


def output(agent: Agent, event: str, text: str, *, block: bool) -> dict[str, Any]:
    """The JSON that the agent takes: `text` for the model and, where `block` is set, the call refused."""
    if agent.name in ("claude-code", "codex"):
        said: dict[str, Any] = {"hookEventName": event}
        if block:
            said |= {"permissionDecision": "deny", "permissionDecisionReason": text}
        else:
            said["additionalContext"] = text
        return {"hookSpecificOutput": said}
    if agent.name == "gemini":
        if block:
            return {"decision": "deny", "reason": text}
        return {"hookSpecificOutput": {"hookEventName": event, "additionalContext": text}}
    return (
        {"permission": "deny", "agent_message": text, "user_message": text} if block else {"additional_context": text}
    )
