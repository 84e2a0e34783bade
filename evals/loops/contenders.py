"""Who is scored: Telltale, a null detector, an oracle, and published rules as we understand them.

The published rules are restated over the same facts that Telltale's detector is given, so that all of them see what a
dialect tells and no more. A call whose arguments are not told equals no other one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from schemas.facts import ToolCall

Rule = Callable[[Sequence[ToolCall]], int]
"""Given the calls of a session in order: the number of the call at which it speaks up, -1 = never."""


def null(calls: Sequence[ToolCall]) -> int:
    """Never says anything."""
    del calls
    return -1


def openlit(calls: Sequence[ToolCall]) -> int:
    """OpenLIT: the same tool with the same arguments three times in one session (its pull request 1494)."""
    seen: Counter[tuple[str, str]] = Counter()
    for number, call in enumerate(calls):
        if call.arguments_signature:
            seen[call.tool_name, call.arguments_signature] += 1
            if seen[call.tool_name, call.arguments_signature] >= 3:
                return number
    return -1


def gemini_cli(calls: Sequence[ToolCall]) -> int:
    """Gemini CLI: five calls in a row with the same name and arguments."""
    length = 0
    for number, call in enumerate(calls):
        length = length + 1 if number and _asks(call) and _asks(call) == _asks(calls[number - 1]) else 1
        if length >= 5:
            return number
    return -1


def openhands(calls: Sequence[ToolCall]) -> int:
    """OpenHands: four equal calls with equal results, three that fail, or two kinds that alternate for six calls."""
    for number in range(len(calls)):
        last = calls[max(0, number - 5) : number + 1]
        if len(last) >= 4 and _all_equal([_pair(c) for c in last[-4:]]):
            return number
        if len(last) >= 3 and _all_equal([_asks(c) for c in last[-3:]]) and all(_failed(c) for c in last[-3:]):
            return number
        pairs = [_pair(c) for c in last]
        if len(pairs) == 6 and _all_equal(pairs[::2]) and _all_equal(pairs[1::2]):
            return number
    return -1


def _asks(call: ToolCall) -> tuple[str, ...]:
    return (call.tool_name, call.arguments_signature) if call.arguments_signature else ()


def _pair(call: ToolCall) -> tuple[str, ...]:
    return (*_asks(call), call.result_signature) if call.arguments_signature and call.result_signature else ()


def _failed(call: ToolCall) -> bool:
    return call.outcome in {"error", "denied"}


def _all_equal(asked: Sequence[tuple[str, ...]]) -> bool:
    return bool(asked[0]) and len(set(asked)) == 1


PUBLISHED: Final[dict[str, Rule]] = {
    "null": null,
    "OpenLIT's count": openlit,
    "Gemini CLI's rule": gemini_cli,
    "OpenHands' rules": openhands,
}
