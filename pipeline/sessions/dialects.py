"""Dialects: how each producer spells the facts, read from the TOML files in `schemas/dialects/`.

A file has rules, tried in order; the first rule whose conditions hold decides what a record is. Dialects are
tried in the order of `DIALECTS`: those of one producer before the conventions that many share. The form of a file
is described in `schemas/dialects/README.md`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Final, NamedTuple

from pipeline.sessions.transforms import Transform, transform
from schemas.errors import DialectError

DIALECTS: Final = (
    "claude_code", "codex", "gemini_cli", "openclaw", "pydantic_ai", "google_adk", "langsmith", "traceai",
    "vercel_ai", "langfuse", "openllmetry", "openinference", "genai", "telltale_guard",
)  # fmt: skip
"""Every dialect, in the order in which they are tried."""

COMMON_FIELDS: Final = (
    "session_id", "turn_id", "agent_name", "round_id", "call_id", "time_iso", "duration_ms", "service_version",
    "prompt_name", "prompt_version", "event_sequence", "success", "denied", "error", "error_type",
    "agent_version",
)  # fmt: skip
FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "tool_call": (
        *COMMON_FIELDS, "tool_name", "arguments", "arguments_size", "result", "result_size", "exit_code",
        "arguments_signature", "result_signature",
    ),
    "model_call": (
        *COMMON_FIELDS, "provider_name", "request_model", "response_model", "input_tokens", "output_tokens",
        "cache_read_tokens", "cache_creation_tokens", "cost_usd", "temperature", "finish_reasons",
        "input_messages", "output_messages",
    ),
    "marker": (*COMMON_FIELDS, "detail", "count"),
    "link": COMMON_FIELDS,
    "message": (*COMMON_FIELDS, "content"),
    "ignore": COMMON_FIELDS,
}  # fmt: skip
"""Fields that a rule may fill, by what it makes."""

_SHARED: Final[Mapping[str, Any]] = {
    "service_version": {"resource": "service.version"},
    "agent_version": ["gen_ai.agent.version", "agent.version", {"resource": "agent.version"}],
}
"""Where fields stand that hardly any producer spells in its own way."""

SIGNALS: Final = {"span": "traces", "log": "logs"}
OUTCOMES: Final = ("ok", "error", "denied", "unset")
MARKERS: Final = ("prompt", "end", "verdict")
MESSAGES: Final = ("", "parts", "numbered")
_RULE_KEYS: Final = frozenset(
    {"name", "signal", "fact", "scope", "event", "where", "has", "lacks", "span", "span_prefix", "fields", "kind",
     "time", "unset", "success", "empty_result", "messages", "wrapper", "noise", "own_turn", "hook"}
)  # fmt: skip


class Source(NamedTuple):
    """One place to read a field from, with the transforms to apply, in order."""

    kind: str
    """`attribute`, `resource`, `event` (a span event's attribute), `column`, `value` or `join`."""
    key: str
    """For `join`: two attributes' names, separated by \\n; their values are joined by `__`."""
    event: str
    transforms: tuple[Transform, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """When a record is this fact, and where each field of it stands."""

    dialect: str
    name: str
    signal: str
    fact: str
    scope: tuple[str, ...]
    event: frozenset[str]
    where: Mapping[str, frozenset[str]]
    has: tuple[str, ...]
    lacks: tuple[str, ...]
    span: frozenset[str]
    span_prefix: tuple[str, ...]
    fields: Mapping[str, tuple[Source, ...]]
    kind: str = ""
    time: str = "start"
    """Whether the record's own time is the call's `start` or its `end`."""
    unset: str = "unset"
    """The outcome where neither status, success, error nor exit code says anything."""
    success: str = "ok"
    """The outcome where the producer says success; `unset` where its word is not to be trusted."""
    empty_result: bool = False
    """An empty result was sent as such (else it counts as missing)."""
    messages: str = ""
    """How tool calls stand in a model call's messages: "", `parts`, `numbered`."""
    wrapper: str = ""
    """A text in the arguments that shows the call to be a wrapper of calls that are reported themselves."""
    noise: bool = False
    own_turn: bool = False
    """A link that begins a turn: its own span id names the turn."""
    hook: bool = False
    """Told by a hook beside the agent's own telemetry: the same call may come from there too."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One producer family."""

    name: str
    title: str
    rules: tuple[Rule, ...]
    examples: tuple[Mapping[str, Any], ...] = field(default=())


def load_all(names: Iterable[str] = DIALECTS) -> tuple[Dialect, ...]:
    """The dialects of these names, from package data. Raises DialectError where a file is wrong."""
    folder = resources.files("schemas") / "dialects"
    return tuple(parse(f"{name}.toml", (folder / f"{name}.toml").read_text(encoding="utf-8")) for name in names)


def parse(file: str, text: str) -> Dialect:
    """One dialect out of the text of its file. Raises DialectError with file, key and reason."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DialectError(f"{file}: not TOML: {error}") from None
    name = _text(document, "name", file)
    shared = {**_SHARED, **document.get("fields", {})}
    rules = document.get("rules")
    if not isinstance(rules, list) or not rules:
        raise DialectError(f"{file}: rules: at least one [[rules]] is needed")
    unknown = document.keys() - {"name", "title", "fields", "rules", "examples"}
    if unknown:
        raise DialectError(f"{file}: {min(unknown)}: no such key")
    return Dialect(
        name=name,
        title=_text(document, "title", file),
        rules=tuple(_rule(name, one, shared, f"{file}: rules[{at}]") for at, one in enumerate(rules)),
        examples=tuple(document.get("examples", [])),
    )


def _rule(dialect: str, one: Mapping[str, Any], shared: Mapping[str, Any], at: str) -> Rule:
    unknown = one.keys() - _RULE_KEYS
    if unknown:
        raise DialectError(f"{at}.{min(unknown)}: no such key")
    fact = _choice(one, "fact", tuple(FIELDS), at)
    allowed = FIELDS[fact]
    fields = {**{key: value for key, value in shared.items() if key in allowed}, **one.get("fields", {})}
    for key in fields:
        if key not in allowed:
            raise DialectError(f"{at}.fields.{key}: a {fact} has no such field; known: {', '.join(allowed)}")
    where = one.get("where", {})
    if not isinstance(where, dict):
        raise DialectError(f"{at}.where: must be a table of attribute = [values]")
    rule = Rule(
        dialect=dialect,
        name=_text(one, "name", at),
        signal=SIGNALS[_choice(one, "signal", tuple(SIGNALS), at)],
        fact=fact,
        scope=_texts(one, "scope", at),
        event=frozenset(_texts(one, "event", at)),
        where={key: frozenset(_texts(where, key, f"{at}.where")) for key in where},
        has=_texts(one, "has", at),
        lacks=_texts(one, "lacks", at),
        span=frozenset(_texts(one, "span", at)),
        span_prefix=_texts(one, "span_prefix", at),
        fields={key: _sources(value, f"{at}.fields.{key}") for key, value in fields.items()},
        kind=_choice(one, "kind", MARKERS, at) if fact == "marker" else "",
        time=_choice(one, "time", ("start", "end"), at, "start"),
        unset=_choice(one, "unset", OUTCOMES, at, "unset"),
        success=_choice(one, "success", OUTCOMES, at, "ok"),
        empty_result=_flag(one, "empty_result", at),
        messages=_choice(one, "messages", MESSAGES, at, ""),
        wrapper=_text(one, "wrapper", at, ""),
        noise=_flag(one, "noise", at),
        own_turn=_flag(one, "own_turn", at),
        hook=_flag(one, "hook", at),
    )
    if not (rule.scope or rule.event or rule.where or rule.has or rule.span or rule.span_prefix):
        raise DialectError(f"{at}: a rule without a condition would claim every record")
    return rule


def _sources(value: Any, at: str) -> tuple[Source, ...]:
    return tuple(_source(one, at) for one in (value if isinstance(value, list) else [value]))


def _source(one: Any, at: str) -> Source:
    if isinstance(one, str):
        return Source("attribute", one, "", ())
    if not isinstance(one, dict):
        raise DialectError(f"{at}: a source is an attribute's name or a table, not {type(one).__name__}")
    unknown = one.keys() - {"attribute", "resource", "event", "column", "value", "join", "do"}
    if unknown:
        raise DialectError(f"{at}.{min(unknown)}: no such key")
    try:
        transforms = tuple(transform(spec) for spec in _texts(one, "do", at))
    except ValueError as error:
        raise DialectError(f"{at}.do: {error}") from None
    if "join" in one:
        pair = _texts(one, "join", at)
        if len(pair) != 2:
            raise DialectError(f"{at}.join: two attributes are needed")
        return Source("join", "\n".join(pair), "", transforms)
    kinds = [kind for kind in ("event", "attribute", "resource", "column", "value") if kind in one]
    if kinds not in (["attribute"], ["resource"], ["column"], ["value"], ["event", "attribute"]):
        raise DialectError(f"{at}: needs one of attribute, resource, column, value, or event and attribute")
    kind = kinds[0]
    key = _text(one, "attribute" if kind == "event" else kind, at)
    if kind == "column" and key not in ("span_name", "span_id", "trace_id", "status_message", "body"):
        raise DialectError(f"{at}.column: no column {key!r}")
    return Source(kind, key, _text(one, "event", at, ""), transforms)


def _text(table: Mapping[str, Any], key: str, at: str, default: str | None = None) -> str:
    value = table.get(key, default)
    if not isinstance(value, str) or (default is None and not value):
        raise DialectError(f"{at}.{key}: a text is needed")
    return value


def _texts(table: Mapping[str, Any], key: str, at: str) -> tuple[str, ...]:
    value = table.get(key, [])
    value = [value] if isinstance(value, str) else value
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise DialectError(f"{at}.{key}: must be a text or a list of texts")
    return tuple(value)


def _choice(table: Mapping[str, Any], key: str, allowed: tuple[str, ...], at: str, default: str | None = None) -> str:
    value = table.get(key, default)
    if value not in allowed or not isinstance(value, str):
        raise DialectError(f"{at}.{key}: {value!r} is none of {', '.join(repr(one) for one in allowed)}")
    return value


def _flag(table: Mapping[str, Any], key: str, at: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise DialectError(f"{at}.{key}: must be true or false")
    return value
