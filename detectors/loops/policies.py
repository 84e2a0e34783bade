"""What is known of tools: which change the world, poll, send, acknowledge or are to be ignored. Data in TOML."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import re2

from schemas.errors import RuleError

KIND: Final = "tool_policies"
_FLAGS: Final = (
    "mutating", "shell", "polling", "observes", "stable", "sends", "acknowledges", "ignored", "wrapper",
)  # fmt: skip
_LISTS: Final = ("volatile", "edits_by")
_WORD_FLAGS: Final = ("mutating", "rewrites", "shell", "polling", "by_hand", "observes", "stable", "sends", "ignored")
_WORD_LISTS: Final = ("reading", "edits_by", "shell_reads")
_TEXTS: Final = (
    "waiting",
    "acknowledgements",
    "absent",
    "refusals",
    "envelopes",
    "shell_mutations",
    "shell_waits",
    "shell_observes",
    "shell_ignored",
)
_RESULT_TEXTS: Final = ("waiting", "acknowledgements", "absent", "refusals")
NEVER: Final = "[^\\s\\S]"
_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_SHELL_TEXTS: Final = ("shell_mutations", "shell_waits", "shell_observes", "shell_ignored")
_COMMAND_WORDS: Final = re.compile(r"[a-z0-9_.+-]+")
_CACHE_LIMIT: Final = 4096
MAX_NAME: Final = 128


class ToolPolicy(NamedTuple):
    """How calls of one tool are to be read."""

    mutating: bool = False
    """A successful call changes the world: what is repeated afterwards is a new question."""
    shell: bool = False
    """Runs command lines: whether one changes the world stands in its text."""
    polling: bool = False
    """Asks how something is going: equal answers are no loop until they go on for long."""
    observes: bool = False
    """Reads what others change (a task board, an inbox, a log): where its answers are hidden, they may differ."""
    stable: bool = False
    """Reads what only an edit changes (a file): where its answers are hidden, they are the same until then."""
    sends: bool = False
    """Sends something to somebody: its answer is a new id each time and no sign of progress."""
    acknowledges: bool = False
    """Its result is the same sentence whatever it was given."""
    ignored: bool = False
    """Never part of a loop: the final answer, or Telltale itself."""
    wrapper: bool = False
    """Tells calls a second time that were told one by one before it (Codex code mode)."""
    volatile: tuple[str, ...] = ()
    """Fields of the result (JSON key or XML tag) that differ between equal results."""
    edits_by: tuple[str, ...] = ()
    """A tool of several commands changes the world where its `command`, `action` or `method` is one of these."""
    rewrites: bool = False
    """It edits text, and what it writes stands in its arguments: the same again is no progress, whatever it answers."""
    by_hand: bool = False
    """A click, a key or a turn of the wheel: repeated on purpose, and nothing waits for it."""
    guessed: bool = False
    """Nobody named it: what it is stands in the words of its name, and in its arguments."""


@dataclass(slots=True)
class ToolPolicies:
    """Policies by tool name, then by words of the name; and the texts that tell a kind of result."""

    tools: dict[str, ToolPolicy] = field(default_factory=dict)
    words: dict[str, frozenset[str]] = field(default_factory=dict)
    texts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _phrases: Any = None
    _cache: dict[str, ToolPolicy] = field(default_factory=dict)
    _commands: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    _volatile: dict[tuple[str, ...], re.Pattern[str]] = field(default_factory=dict)
    _edits: dict[tuple[str, ...], re.Pattern[str]] = field(default_factory=dict)

    def of(self, tool_name: str) -> ToolPolicy:
        """The policy of a tool: by its name, by its name without an MCP prefix, else by its name's words."""
        found = self._cache.get(tool_name)
        if found is None:
            if len(self._cache) >= _CACHE_LIMIT:  # names come from telemetry: the cache must not grow with them
                self._cache.clear()
            found = self._cache[tool_name] = self._look_up(tool_name[:MAX_NAME])
        return found

    def names(self, tool_name: str) -> ToolPolicy | None:
        """The policy of a tool that is named, with or without its MCP prefix; None: only its words tell."""
        lowered = tool_name[:MAX_NAME].lower()
        return self.tools.get(lowered) or self.tools.get(_bare(lowered))

    def _look_up(self, tool_name: str) -> ToolPolicy:
        named = self.names(tool_name)
        if named is not None:
            return named
        words = {w.lower() for w in _WORDS.findall(tool_name)}
        own = _WORDS.findall(_bare(tool_name))
        server = {w.lower() for w in _WORDS.findall(tool_name.rsplit("__", 1)[0])}
        has = {flag: not words.isdisjoint(self.words.get(flag, frozenset())) for flag in _WORD_FLAGS}
        has["ignored"] |= not server.isdisjoint(self.words.get("ignored", frozenset()))
        has["polling"] |= has["by_hand"]
        has["observes"] |= has["polling"]
        if own and own[0].lower() in self.words.get("reading", frozenset()):
            has["mutating"] = has["sends"] = False  # `get_commit` commits nothing
        has["stable"] = has["stable"] and not (has["observes"] or has["mutating"] or has["shell"])
        return ToolPolicy(
            mutating=has["mutating"], shell=has["shell"], polling=has["polling"], observes=has["observes"],
            stable=has["stable"], sends=has["sends"], ignored=has["ignored"],
            rewrites=has["mutating"] and has["rewrites"], by_hand=has["by_hand"],
            edits_by=tuple(sorted(self.words.get("edits_by", ()))), guessed=True,
        )  # fmt: skip

    def says(self, kind: str, text: str) -> bool:
        """Whether a text contains one of the phrases of a kind; `text` in lower case."""
        return any(phrase in text for phrase in self.texts.get(kind, ()))

    def hints(self, text: str) -> bool:
        """Whether a result in lower case contains a phrase of any kind: most do not, and need no further look."""
        if self._phrases is None:
            self._phrases = re2.Set.SearchSet()  # half the time of a search for their alternation
            phrases = {phrase for kind in _RESULT_TEXTS for phrase in self.texts.get(kind, ())}
            for pattern in map(re2.escape, sorted(phrases)) if phrases else [NEVER]:
                self._phrases.Add(pattern)
            self._phrases.Compile()
        return self._phrases.Match(text.encode("utf-8", "replace")) is not None

    def commands(self, text: str) -> frozenset[str]:
        """Which kinds of command a command line in lower case is, of those whose name begins with `shell_`.

        A phrase that begins with a letter begins a word there: `rm ` is not in `perform x`.
        """
        index = self._commands or self._index_commands()
        words = set(_COMMAND_WORDS.findall(text))
        found = {kind for phrase, kind in index.get("", ()) if phrase in text}
        for word in words & index.keys():
            found.update(kind for phrase, kind in index[word] if _begins_word(phrase, text))
        return frozenset(found)

    def _index_commands(self) -> dict[str, list[tuple[str, str]]]:
        """First word of a phrase -> phrases with their kinds, so that most command lines need no search."""
        for kind in _SHELL_TEXTS:
            for phrase in self.texts.get(kind, ()):
                word = _COMMAND_WORDS.match(phrase)
                self._commands.setdefault(word.group() if word and phrase[0].isalnum() else "", []).append(
                    (phrase, kind)
                )
        return self._commands

    def edits(self, policy: ToolPolicy, arguments: str) -> bool:
        """Whether a call of a tool of several commands has one that changes the world."""
        pattern = self._edits.get(policy.edits_by)
        if pattern is None:
            names = "|".join(re.escape(name) for name in policy.edits_by)
            pattern = self._edits[policy.edits_by] = re.compile(
                rf"""["'](?:command|action|method|operation)["']\s*:\s*["'](?i:{names})["']"""
            )
        return pattern.search(arguments) is not None

    def without_volatile(self, policy: ToolPolicy, text: str) -> str:
        """The result without the fields that differ between equal results."""
        pattern = self._volatile.get(policy.volatile)
        if pattern is None:
            names = "|".join(re.escape(name) for name in policy.volatile)
            pattern = self._volatile[policy.volatile] = re.compile(
                rf'"(?:{names})"\s*:\s*(?:"[^"]*"|[-+.0-9eE]+|null|true|false)|<({names})>[^<]*</\1>'
            )
        return pattern.sub("", text)


def _begins_word(phrase: str, text: str) -> bool:
    at = text.find(phrase)
    while at >= 0:
        before = text[at - 1] if at else " "
        if not (before.isalnum() or before in "_-."):
            return True
        at = text.find(phrase, at + 1)
    return False


def parse(files: Mapping[str, str]) -> ToolPolicies:
    """Policies of several files; a later file (by name) overrides a tool and adds words and texts.

    Raises:
        RuleError: naming file, key and reason.
    """
    policies = ToolPolicies()
    for file in sorted(files):
        add_text(policies, file, files[file])
    return policies


def add_text(policies: ToolPolicies, file: str, text: str) -> None:
    """Add the text of one file to `policies`.

    Raises:
        RuleError: naming file, key and reason.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{file}: not TOML: {error}") from error
    add(policies, table, file)


def add(policies: ToolPolicies, table: Mapping[str, Any], file: str) -> None:
    """Add one parsed file to `policies`.

    Raises:
        RuleError: naming file, key and reason.
    """
    if table.get("kind", KIND) != KIND:
        raise RuleError(f"{file}: kind: must be {KIND!r}, or be left out")
    unknown = set(table) - {"kind", "tools", "words", "texts"}
    if unknown:
        raise RuleError(f"{file}: {min(unknown)}: not a key of tool policies")
    tools = table.get("tools", [])
    if not isinstance(tools, list):
        raise RuleError(f"{file}: tools: must be an array of tables")
    for index, entry in enumerate(tools):
        _add_tool(policies, entry, f"{file}: tools[{index}]")
    policies._cache.clear()
    policies._commands.clear()
    policies._phrases = None
    for flag, names in _section(table, "words", (*_WORD_FLAGS, *_WORD_LISTS), file):
        policies.words[flag] = policies.words.get(flag, frozenset()) | {n.lower() for n in names}
    for kind, phrases in _section(table, "texts", _TEXTS, file):
        merged = (*policies.texts.get(kind, ()), *(p.lower() for p in phrases))
        policies.texts[kind] = tuple(dict.fromkeys(merged))


def _add_tool(policies: ToolPolicies, entry: Any, where: str) -> None:
    if not isinstance(entry, Mapping):
        raise RuleError(f"{where}: must be a table")
    names = _strings(entry.get("names"), f"{where}.names")
    values: dict[str, Any] = {}
    for key, value in entry.items():
        if key in _FLAGS:
            if not isinstance(value, bool):
                raise RuleError(f"{where}.{key}: must be true or false")
            values[key] = value
        elif key in _LISTS:
            values[key] = _strings(value, f"{where}.{key}")
        elif key not in {"names", "agent"}:
            raise RuleError(f"{where}.{key}: not a key of a tool policy")
    policy = ToolPolicy(**values)
    rewrites = (policy.mutating and policy.acknowledges) or bool(policy.edits_by and not policy.observes)
    for name in names:
        policies.tools[name.lower()] = policy._replace(rewrites=rewrites)


def _section(table: Mapping[str, Any], name: str, keys: Iterable[str], file: str) -> Iterable[tuple[str, list[str]]]:
    section = table.get(name, {})
    if not isinstance(section, Mapping):
        raise RuleError(f"{file}: {name}: must be a table")
    known = tuple(keys)
    for key, value in section.items():
        if key not in known:
            raise RuleError(f"{file}: {name}.{key}: not known; known are {', '.join(known)}")
        yield key, list(_strings(value, f"{file}: {name}.{key}"))


def _strings(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(v, str) and v for v in value):
        raise RuleError(f"{where}: must be a list of words")
    return tuple(value)


def _bare(tool_name: str) -> str:
    """The name without what names its server: `mcp__server__tool`, `server.tool`, `MCP:tool`."""
    return tool_name.rsplit("__", 1)[-1].rsplit(".", 1)[-1].rsplit(":", 1)[-1]
