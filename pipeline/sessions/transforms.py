"""Named transforms: how a dialect turns what its producer sent into what a fact needs.

A transform takes the text of one value and gives a text, or None for "missing" (the next fallback is then tried).
It never raises, whatever the text. In a dialect file it is a name, or `name:argument`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import orjson

from pipeline.sessions import literals

Transform = Callable[[str], str | None]

MAX_JSON_CHARS: Final = 4_000_000

_EXIT: Final = re.compile(r"(?:process )?exit(?:ed)?(?: with)?(?: code| status)?[: ]+(-?\d{1,10})(?!\S)", re.IGNORECASE)
_VOLATILE_LINE: Final = re.compile(r"Chunk ID: |Wall time:? ")
_HEADER_LINE: Final = re.compile(
    r"Chunk ID: |Wall time:? |Exit code: |Process exited with |Original token count: |Script (?:completed|failed)"
)
_CALL_ID: Final = re.compile(r"tool_call_id\\?[\"']?\s*[:=]\s*\\?[\"']([^\"'\\]{1,256})")
_HTTP_STATUS: Final = re.compile(r"(?<!\d)([45]\d\d)(?!\d)")
_REJECTED: Final = re.compile(r"\brejected(?::| by )")
_EXIT_FIRST: Final = frozenset("eEpPCWOS")
_EXIT_TAG: Final = re.compile(r"<returncode>(-?\d{1,10})</returncode>")
_EXIT_LAST: Final = re.compile(r"\[(?:The command completed|Command finished) with exit code (-?\d{1,10})\.?\]\Z")
MAX_LAST_LINE: Final = 80
_EXIT_KEYS: Final = ("exitCode", "exit_code", "returncode", "returnCode")


def to_text(value: Any) -> str | None:
    """A JSON value as text: a string is itself, null is missing, the rest is compact JSON with sorted keys."""
    if value is None:
        return None
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, ValueError, RecursionError):  # deeper or larger than JSON goes
        return None


def load(text: str) -> Any:
    """The JSON object or array in `text`, else None."""
    if text[:1] not in ("{", "[") or len(text) > MAX_JSON_CHARS:
        return None
    try:
        return orjson.loads(text)
    except ValueError:
        return None


def json_path(path: str) -> Transform:
    """The value at a path of keys in a JSON object, as text."""
    steps = path.split(".")

    def at_path(text: str) -> str | None:
        value = load(text)
        for step in steps:
            if not isinstance(value, dict):
                return None
            value = value.get(step)
        return to_text(value)

    return at_path


def unwrap(key: str) -> Transform:
    """The value of `key` where that is the object's only key; other text is left as it is."""

    def only(text: str) -> str | None:
        value = load(text)
        if isinstance(value, dict) and len(value) == 1 and key in value:
            return to_text(value[key])
        return text

    return only


def equals(wanted: str) -> Transform:
    """The text itself where it is one of `wanted` (separated by |), else missing."""
    allowed = frozenset(wanted.split("|"))
    return lambda text: text if text in allowed else None


def contains(wanted: str) -> Transform:
    """The text itself where it contains `wanted`, else missing."""
    return lambda text: text if wanted in text else None


def without(unwanted: str) -> Transform:
    """Missing where the text is exactly `unwanted`: a text that every failure shares says nothing."""
    return lambda text: None if text == unwanted else text


def prefixed(prefix: str) -> Transform:
    """The rest of the text after `prefix`, else missing."""
    return lambda text: text[len(prefix) :] if text.startswith(prefix) and len(text) > len(prefix) else None


def starts(prefix: str) -> Transform:
    """The text itself where it begins with `prefix`, else missing."""
    return lambda text: text if text.startswith(prefix) else None


def constant(value: str) -> Transform:
    """`value`, whatever the text."""
    return lambda _: value


def exit_code(text: str) -> str | None:
    """The exit code of a command: first line, header or last line of its output, or a key of its JSON result."""
    match = _EXIT_LAST.search(text[-MAX_LAST_LINE:]) if text[-1:] == "]" else None
    if match is None and text[:1] == "<":
        match = _EXIT_TAG.match(text)
    if match is not None:
        return match.group(1)
    if text[:1] == "{":
        return _exit_key(text) if "xit" in text or "eturn" in text else None
    return _exit_line(text) if text[:1] in _EXIT_FIRST else None


def _exit_key(text: str) -> str | None:
    value = load(text)
    found: dict[str, Any] = value if isinstance(value, dict) else {}
    about = found.get("metadata")
    for key in _EXIT_KEYS:
        code = found.get(key, about.get(key) if isinstance(about, dict) else None)
        if isinstance(code, int) and not isinstance(code, bool):
            return str(code)
    return None


def _exit_line(text: str) -> str | None:
    for number, line in enumerate(text[:512].split("\n", 8)):
        match = _EXIT.match(line)
        if match:
            return match.group(1)
        if number >= 6 or not _HEADER_LINE.match(line):
            return None
    return None


def without_volatile_header(text: str) -> str:
    """A Codex output without its chunk id and wall time, which differ from call to call."""
    if not _HEADER_LINE.match(text):
        return text
    lines = text.split("\n", 8)
    kept = []
    for number, line in enumerate(lines):
        if line == "Output:" or not _HEADER_LINE.match(line):
            kept += lines[number:]
            break
        if not _VOLATILE_LINE.match(line):
            kept.append(line)
    return "\n".join(kept)


def input_str(text: str) -> str | None:
    """The arguments of a LangChain callback: JSON beside `input_str`, else the Python literal inside it.

    What stands around them (run ids, checkpoint ids, step numbers) is new in each call.
    """
    value = load(text)
    if not isinstance(value, dict) or "input_str" not in value:
        return text
    inputs, printed = value.get("inputs"), value.get("input_str")
    if isinstance(inputs, dict) and inputs:
        return to_text(inputs)
    if not isinstance(printed, str):
        return to_text(printed)
    try:
        return to_text(literals.parse(printed)) or printed
    except ValueError:
        return printed


def langchain_content(text: str) -> str | None:
    """What a tool returned, out of the message that LangChain wrapped it in (JSON or printed Python)."""
    value = load(text)
    if isinstance(value, dict):
        for key in ("output", "kwargs", "data"):
            inner = value.get(key)
            if isinstance(inner, dict):
                value = inner
            elif isinstance(inner, str) and key == "output":
                return printed_content(inner)
        return to_text(value["content"]) if "content" in value else text
    return printed_content(text)


def printed_content(text: str) -> str:
    """The `content` of a message printed as `content='...' name='...' tool_call_id='...'`; other text is itself."""
    if not text.startswith("content="):
        return text
    try:
        return literals.string_at(text, len("content="))
    except ValueError:
        return text


def langchain_status(text: str) -> str | None:
    """`error` where a LangChain tool message says so."""
    return "error" if any(f'"status"{gap}"error"' in text[-400:] for gap in (":", ": ")) else None


def call_id(text: str) -> str | None:
    """The tool call id that stands last in a text."""
    at = text.rfind("tool_call_id")
    match = _CALL_ID.match(text, at) if at >= 0 else None
    return match.group(1) if match else None


def kwargs_only(text: str) -> str | None:
    """smolagents: the keyword arguments out of `{"args": [], "sanitize_inputs_outputs": true, "kwargs": {...}}`."""
    value = load(text)
    if isinstance(value, dict) and "kwargs" in value and "args" in value:
        return to_text([value["args"], value["kwargs"]] if value["args"] else value["kwargs"])
    return text


def mcp_tool(text: str) -> str | None:
    """Claude Code: `mcp__SERVER__TOOL` out of the parameters of an MCP call."""
    if "mcp_tool_name" not in text:
        return None
    value = load(text)
    if not isinstance(value, dict):
        return None
    server, tool = value.get("mcp_server_name"), value.get("mcp_tool_name")
    return f"mcp__{server}__{tool}" if isinstance(server, str) and isinstance(tool, str) else None


def agent_path(text: str) -> str | None:
    """Codex: `/root` is the main agent, `/root/NAME` another."""
    return text.removeprefix("/root").strip("/") or None


def rejected(text: str) -> str | None:
    """The text itself where its beginning says that a person or a policy refused the call."""
    return text if _REJECTED.search(text[:300]) else None


def class_name(text: str) -> str | None:
    """`RateLimitError` out of `<class 'openai.RateLimitError'>` or `openai.RateLimitError`."""
    return text.removeprefix("<class '").removesuffix("'>").rsplit(".", 1)[-1] or None


def http_status(text: str) -> str | None:
    """The first HTTP error status (400 to 599) that a text names."""
    match = _HTTP_STATUS.search(text[:512])
    return match.group(1) if match else None


def failed_status(text: str) -> str | None:
    """An HTTP status that is an error, else missing."""
    return text if len(text) == 3 and text[0] in "45" and text.isdigit() else None


def not_empty(text: str) -> str | None:
    """Missing where a producer sends an empty object for hidden content."""
    return None if text.strip() in ("{}", "[]", "") else text


def json_string(text: str) -> str | None:
    """The text that a JSON string quotes; other text is itself."""
    if text[:1] != '"' or len(text) > MAX_JSON_CHARS:
        return text
    try:
        value = orjson.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else text


def provider(text: str) -> str | None:
    """`openai` out of `openai.chat`."""
    return text.split(".", 1)[0] or None


def model_name(text: str) -> str | None:
    """`gpt-4o` out of `openai/gpt-4o`."""
    return text.rsplit("/", 1)[-1] or None


PLAIN: Final[dict[str, Transform]] = {
    "agent_path": agent_path,
    "call_id": call_id,
    "class_name": class_name,
    "exit_code": exit_code,
    "failed_status": failed_status,
    "http_status": http_status,
    "input_str": input_str,
    "kwargs_only": kwargs_only,
    "langchain_content": langchain_content,
    "langchain_status": langchain_status,
    "mcp_tool": mcp_tool,
    "json_text": json_string,
    "model_name": model_name,
    "not_empty": not_empty,
    "printed_content": printed_content,
    "provider": provider,
    "rejected": rejected,
    "without_volatile_header": without_volatile_header,
}
WITH_ARGUMENT: Final[dict[str, Callable[[str], Transform]]] = {
    "constant": constant,
    "contains": contains,
    "equals": equals,
    "json": json_path,
    "prefixed": prefixed,
    "starts": starts,
    "unwrap": unwrap,
    "without": without,
}


def transform(spec: str) -> Transform:
    """The transform that a dialect file names. Raises ValueError where there is none of that name."""
    name, colon, argument = spec.partition(":")
    if colon and name in WITH_ARGUMENT:
        return WITH_ARGUMENT[name](argument)
    if not colon and name in PLAIN:
        return PLAIN[name]
    known = sorted(PLAIN) + [f"{one}:ARGUMENT" for one in sorted(WITH_ARGUMENT)]
    raise ValueError(f"no transform {spec!r}; known: {', '.join(known)}")
