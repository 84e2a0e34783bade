"""The outline of a session: its calls in order, by turn, repeats folded."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Final

MAX_PERIOD: Final = 6
MAX_TEXT: Final = 200
IDLE_FROM_NS: Final = 60_000_000_000
"""Silence between two steps that is worth telling."""


def outline(steps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Turns of a session.

    Args:
        steps: Rows of `query.session`, in order of time, each with `Fact`, `TurnId`, `start_ns`, `end_ns`.
    """
    turns: list[dict[str, Any]] = []
    belonging: list[dict[str, Any]] = []
    for step in steps:
        # Calls without a turn belong to the turn before them.
        new = bool(step["TurnId"]) and (not turns or step["TurnId"] != turns[-1]["turn_id"])
        if not turns or (new and belonging):
            if turns:
                turns[-1]["steps"] = fold(belonging)
            belonging = []
            turns.append({"turn_id": step["TurnId"], "start": step["StartTimeUnixNano"], "steps": []})
        elif new:
            turns[-1]["turn_id"] = step["TurnId"]
        belonging.append(step)
    if turns:
        turns[-1]["steps"] = fold(belonging)
    return turns


def fold(steps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Steps as shown, a cycle of up to six that comes again at once folded into one with `times`."""
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
    out: dict[str, Any] = {"kind": step["Fact"], "name": step["name"], "start": step["StartTimeUnixNano"]}
    if step["end_ns"] > step["start_ns"]:
        out["duration_s"] = round((step["end_ns"] - step["start_ns"]) / 1e9, 3)
    if before is not None and step["start_ns"] - before["end_ns"] > IDLE_FROM_NS:
        out["idle_before_s"] = round((step["start_ns"] - before["end_ns"]) / 1e9, 1)
    for field, column in (
        ("agent", "AgentName"),
        ("outcome", "Outcome"),
        ("error_type", "ErrorType"),
        ("call_id", "CallId"),
        ("trace_id", "TraceId"),
        ("span_id", "SpanId"),
    ):
        if step[column]:
            out[field] = step[column]
    if step["Fact"] == "tool":
        out["arguments_known"] = step["ArgumentsStrength"]
        out["untrusted"] = {"arguments": _cut(step["Arguments"]), "result": _cut(step["Result"])}
    elif step["Fact"] == "model":
        out["tokens"] = {"input": _known(step["InputTokens"]), "output": _known(step["OutputTokens"])}
        out["cost_usd"] = step["CostUsd"]
    return out


def _repeated(steps: Sequence[dict[str, Any]], before: dict[str, Any] | None) -> dict[str, Any]:
    """The first of equal steps, with what the others add."""
    out = _single(steps[0], before)
    if len(steps) == 1:
        return out
    out["times"] = len(steps)
    out["last"] = steps[-1]["StartTimeUnixNano"]
    out["duration_s"] = round(sum(step["end_ns"] - step["start_ns"] for step in steps) / 1e9, 3)
    if steps[0]["Fact"] == "tool":
        results = {step["ResultSignature"] for step in steps if step["ResultStrength"] not in ("", "name")}
        out["distinct_results"] = len(results) or None
    elif steps[0]["Fact"] == "model":
        out["tokens"] = {
            "input": sum(max(step["InputTokens"], 0) for step in steps),
            "output": sum(max(step["OutputTokens"], 0) for step in steps),
        }
        costs = [step["CostUsd"] for step in steps if step["CostUsd"] is not None]
        out["cost_usd"] = round(sum(costs), 6) if costs else None
    return out


def _known(number: int) -> int | None:
    return None if number < 0 else number


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
