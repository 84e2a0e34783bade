"""Tool calls out of the messages of model calls, for SDKs that send no tool spans.

A call stands as a request in an assistant message and as a response in a message after it, and every later request
repeats both. It is taken where its result is new: in the messages after the last assistant message of a request.
Its identity is its call id, so that the same history sent twice gives the same identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from xxhash import xxh3_64_hexdigest

from pipeline.sessions.transforms import load, to_text

MAX_MESSAGES: Final = 4_096
MAX_CALLS: Final = 64
"""Calls taken from one request: what one model turn asks for in parallel is far less."""

_SPOKEN: Final = frozenset({"text", "blob", "file", "uri"})
_RESPONSE_KEYS: Final = ("response", "result", "content")


class Exchange(NamedTuple):
    """One tool call with its result, as the messages tell it."""

    call_id: str
    round_id: str
    name: str
    arguments: str | None
    result: str | None


class _Request(NamedTuple):
    call_id: str
    name: str
    arguments: str | None


class _Response(NamedTuple):
    call_id: str
    name: str
    result: str | None


class Message(NamedTuple):
    """One message of a history, whatever form it was sent in."""

    role: str
    requests: tuple[_Request, ...] = ()
    responses: tuple[_Response, ...] = ()
    spoken: bool = False
    """It is text of the user and nothing else: no result of a tool, no word of another agent under its name."""


def user_spoke(history: Sequence[Message]) -> bool:
    """Whether a request is the answer to a new prompt of the user.

    It is where the assistant had answered without asking for a tool, and only words of the user came after that, in
    a conversation whose messages tell of tools at all: agents that write their calls as text get results as words. A
    request without an answer before it begins a conversation, or goes on with a summary of one: no prompt is told of
    it, since a loop goes on after its context was compacted. Nor is one of what stands beside results of tools, which
    may be the harness's reminder.
    """
    at = len(history) - 1
    while at >= 0 and history[at].spoken:
        at -= 1
    if not 0 <= at < len(history) - 1 or history[at].role != "assistant" or history[at].requests:
        return False
    return any(message.requests for message in history)


def exchanges(history: Sequence[Message]) -> list[Exchange]:
    """The calls whose results are new in this request, in order."""
    last = max((at for at, message in enumerate(history) if message.role == "assistant"), default=-1)
    responses = [one for message in history[last + 1 :] for one in message.responses][:MAX_CALLS]
    if not responses:
        return []
    asked = _last_requests(history, last)
    by_id = {one.call_id: one for one in asked if one.call_id}
    unmatched = [one for one in asked if one.call_id not in {response.call_id for response in responses}]
    round_id = asked[0].call_id if asked else ""
    found = []
    for response in responses:
        request = by_id.get(response.call_id) if response.call_id else None
        if request is None and unmatched:  # ids of items and calls differ, or none were sent: go by order
            request = unmatched.pop(0)
        name = (request.name if request else "") or response.name
        arguments = request.arguments if request else None
        call_id = response.call_id or (request.call_id if request else "")
        found.append(Exchange(call_id, round_id, name, arguments, response.result))
    return found


def _last_requests(history: Sequence[Message], last: int) -> list[_Request]:
    """What the assistant asked for in its last message, or in the run of messages that ends with it."""
    asked: list[_Request] = []
    while last >= 0 and history[last].role == "assistant":
        asked[:0] = history[last].requests
        last -= 1
    return asked


def conversation(service: str, history: Sequence[Message], reply: Sequence[Message]) -> str:
    """A name for a conversation that has none: each of its requests repeats the first tool call that was asked for.

    "" where no tool call has been asked for yet. Ids of tool calls are random, so two conversations differ.
    """
    for message in (*history, *reply):
        if message.requests:
            first = message.requests[0]
            told = "\0".join((service, first.call_id, first.name, first.arguments or ""))
            return f"history-{xxh3_64_hexdigest(told.encode('utf-8', 'replace'))}" if first.call_id else ""
    return ""


def from_parts(text: str) -> list[Message]:
    """A history in the form of the GenAI conventions: a JSON array of `{"role", "parts": [...]}`."""
    if '"tool_call' not in text:
        return []
    value = load(text)
    return [_of_parts(one) for one in value[-MAX_MESSAGES:] if isinstance(one, dict)] if isinstance(value, list) else []


def _of_parts(message: dict[str, Any]) -> Message:
    parts = message.get("parts")
    requests, responses = [], []
    for part in parts if isinstance(parts, list) else ():
        if not isinstance(part, dict):
            continue
        kind, call_id, name = part.get("type"), _str(part.get("id")), _str(part.get("name"))
        if kind == "tool_call":
            requests.append(_Request(call_id, name, to_text(part.get("arguments"))))
        elif kind == "tool_call_response":
            result = next((part[key] for key in _RESPONSE_KEYS if part.get(key) is not None), None)
            responses.append(_Response(call_id, name, to_text(result)))
    role = _str(message.get("role"))
    return Message(
        role, tuple(requests), tuple(responses), role == "user" and not message.get("name") and _is_text(parts)
    )


def _is_text(parts: Any) -> bool:
    """Whether parts of a message are text and what may be attached to it; results of tools have many names."""
    kinds = [part.get("type") if isinstance(part, dict) else "" for part in parts] if isinstance(parts, list) else []
    return "text" in kinds and _SPOKEN.issuperset(kinds)


def from_numbered(attributes: dict[str, str], prefix: str = "gen_ai.prompt.") -> list[Message]:
    """A history in numbered attributes: `gen_ai.prompt.3.role`, `.content`, `.tool_calls.0.name`, ..."""
    found: list[Message] = []
    for at in range(MAX_MESSAGES):
        base = f"{prefix}{at}."
        role = attributes.get(base + "role")
        if role is None:
            break
        requests = []
        for number in range(MAX_CALLS):
            name = attributes.get(f"{base}tool_calls.{number}.name")
            if name is None:
                break
            tool = f"{base}tool_calls.{number}."
            requests.append(_Request(attributes.get(tool + "id", ""), name, attributes.get(tool + "arguments")))
        responses: tuple[_Response, ...] = ()
        if role == "tool":
            responses = (_Response(attributes.get(base + "tool_call_id", ""), "", attributes.get(base + "content")),)
        spoken = role == "user" and _is_words(attributes.get(base + "content", ""))
        found.append(Message(role, tuple(requests), responses, spoken))
    return found


def _is_words(content: str) -> bool:
    """Whether the content of a user's message is words, and not parts as JSON, which may hold results of tools."""
    return bool(content) and content.lstrip()[:1] not in ("[", "{")


def from_event(event: str, body: str) -> Message:
    """A history's message sent as a log event of its own (`gen_ai.assistant.message`, `gen_ai.tool.message`)."""
    value = load(body)
    value = value if isinstance(value, dict) else {}
    if event == "gen_ai.tool.message":
        return Message("tool", (), (_Response(_str(value.get("id")), "", to_text(value.get("content"))),))
    calls = value.get("tool_calls")
    requests = []
    for one in calls if isinstance(calls, list) else ():
        function = one.get("function") if isinstance(one, dict) else None
        if isinstance(function, dict):
            arguments = to_text(function.get("arguments"))
            requests.append(_Request(_str(one.get("id")), _str(function.get("name")), arguments))
    return Message("assistant", tuple(requests))


def _str(value: Any) -> str:
    return value if isinstance(value, str) else ""
