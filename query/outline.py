"""The outline of a session: its calls in order, by turn, repeats folded."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Final, NamedTuple

from query.budget import UNTRUSTED
from query.fencing import name
from schemas.finding import ESTIMATED

MAX_PERIOD: Final = 6
IDLE_FROM_NS: Final = 60_000_000_000
"""Silence between two steps that is worth telling."""


class Turn(NamedTuple):
    """What follows one user prompt."""

    turn_id: str
    """"" where no step tells one."""
    steps: list[dict[str, Any]]
    """Rows of `query.session`."""


def turns(steps: Sequence[dict[str, Any]]) -> list[Turn]:
    """Turns of a session.

    Args:
        steps: Rows of `query.session`, in order of time, each with `Fact`, `TurnId`, `start_ns`, `end_ns`.
    """
    found: list[Turn] = []
    for step in steps:
        # Calls without a turn belong to the turn before them.
        new = bool(step["TurnId"]) and (not found or step["TurnId"] != found[-1].turn_id)
        if not found or new:
            found.append(Turn(step["TurnId"], []))
        found[-1].steps.append(step)
    return found


def fold(steps: Sequence[dict[str, Any]], alone: bool = False) -> list[dict[str, Any]]:
    """Steps as shown, a cycle of up to six that comes again at once folded into one with `times`.

    Args:
        steps: Rows of `query.session`.
        alone: Whether one agent did all of them, who then need not be named at each.
    """
    if alone:
        steps = [{**step, "AgentName": ""} for step in steps]
    keys = [_key(step) for step in steps]
    shown: list[dict[str, Any]] = []
    at = 0
    while at < len(steps):
        period, times = _best_cycle(keys, at)
        length = period * times
        if times == 1:
            shown.append(_single(steps[at], steps[at - 1] if at else None))
        elif period == 1:
            shown.append(_repeated(steps[at : at + times], steps[at - 1] if at else None))
        else:
            cycle = [_repeated(steps[at + place : at + length : period], None) for place in range(period)]
            shown.append({"kind": "cycle", "times": times, "steps": cycle})
        at += length
    return shown


def _best_cycle(keys: Sequence[Hashable], at: int) -> tuple[int, int]:
    """(period, times) that covers the most steps from here; the shorter period where equal."""
    best = (1, 1)
    for period in range(1, min(MAX_PERIOD, (len(keys) - at) // 2) + 1):
        end = at + period
        while end < len(keys) and keys[end] == keys[end - period]:
            end += 1
        times = (end - at) // period
        if times > 1 and period * times > best[0] * best[1]:
            best = (period, times)
    return best


def _key(step: dict[str, Any]) -> Hashable:
    what = step["name"], step["AgentName"], step["Outcome"]
    if step["Fact"] == "tool":
        return "tool", *what, step["ArgumentsSignature"], step["ArgumentsStrength"]
    if step["Fact"] == "model":
        return "model", *what
    return "marker", *what, step["start_ns"]  # a prompt or verdict is never folded


def _single(step: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    """One step, short: what is as usual (it went well, the main agent did it, all of it is known) is left out."""
    out: dict[str, Any] = {"kind": step["Fact"], "name": name(step["name"]), "at_s": step["at_s"]}
    if step["Id"] and (step["Fact"] == "tool" or step["Outcome"] == "error"):
        out["id"] = step["Id"]
    if step["end_ns"] > step["start_ns"]:
        out["duration_s"] = round((step["end_ns"] - step["start_ns"]) / 1e9, 3)
    if before is not None and step["start_ns"] - before["end_ns"] > IDLE_FROM_NS:
        out["idle_before_s"] = round((step["start_ns"] - before["end_ns"]) / 1e9, 1)
    if step["AgentName"]:
        out["agent"] = name(step["AgentName"])
    if step["Outcome"] not in ("", "ok", "unset"):
        out["outcome"] = step["Outcome"]
    if step["ErrorType"]:
        out["error_type"] = name(step["ErrorType"])
    if step["Fact"] == "tool":
        if step["ArgumentsStrength"] != "full":
            out["arguments_known"] = step["ArgumentsStrength"]
        texts = {"arguments": step["Arguments"], "result": step["Result"] if "outcome" in out else ""}
        out[UNTRUSTED] = {key: text for key, text in texts.items() if text}
    elif step["Fact"] == "model":
        out["tokens"] = {"input": _known(step["InputTokens"]), "output": _known(step["OutputTokens"])}
        if step["CostUsd"] is not None:
            out |= {"cost_usd": step["CostUsd"], **estimated([step])}
    return out


def _repeated(steps: Sequence[dict[str, Any]], before: dict[str, Any] | None) -> dict[str, Any]:
    """The first of equal steps, with what the others add."""
    out = _single(steps[0], before)
    if len(steps) == 1:
        return out
    out["times"] = len(steps)
    out["last_at_s"] = steps[-1]["at_s"]
    out["duration_s"] = round(sum(step["end_ns"] - step["start_ns"] for step in steps) / 1e9, 3)
    if steps[0]["Fact"] == "tool":
        results = {step["ResultSignature"] for step in steps if step["ResultStrength"] not in ("", "name")}
        out["distinct_results"] = len(results) or None
    elif steps[0]["Fact"] == "model":
        out["tokens"] = tokens(steps)
        if cost_usd(steps) is not None:
            out |= {"cost_usd": cost_usd(steps), **estimated(steps)}
    return out


def tokens(steps: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Tokens of model calls, as far as known."""
    return {
        "input": sum(max(step["InputTokens"], 0) for step in steps),
        "output": sum(max(step["OutputTokens"], 0) for step in steps),
    }


def cost_usd(steps: Sequence[dict[str, Any]]) -> float | None:
    """Cost of model calls, as far as told; None where none was."""
    costs = [step["CostUsd"] for step in steps if step["CostUsd"] is not None]
    return round(sum(costs), 6) if costs else None


def estimated(steps: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The latest date of the prices that some of the cost is estimated from; nothing where agents told all of it."""
    date = max((step["PricesDate"] for step in steps), default="")
    return {ESTIMATED: date} if date else {}


def _known(number: int) -> int | None:
    return None if number < 0 else number
