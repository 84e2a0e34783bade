"""What a command line does: whether it changes the world, waits, reads what others change, or asks Telltale."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from detectors.loops.policies import ToolPolicies, ToolPolicy

MAX_COMMAND: Final = 1024
MAX_COMMAND_END: Final = 512
_WRITING: Final = frozenset({"shell_mutations"})
_WRITES: Final = re.compile(r"\s&?[12]?>{1,2}\s*(?!=|\d+(?:\.\d+)?\b)[\w./~$\\\"']|>>|(?<!<)<<-?\s?[\\\"']*[a-z_]{2}")
"""A redirection into a file, or a here-document: a script of its own, which most often edits something."""
_UPDATES: Final = re.compile(
    r"\b(?:sed|perl|ruby|yq)\b[^|;&\n]{0,80}?\s-[a-z0-9]{0,4}i\b|\bupdate\s+[\w.\\\"`]{1,64}\s+set\b"
)
"""Edits in place whose option stands behind others, and a statement of SQL."""
_OPTIONS: Final = re.compile(
    r"\b(git|apt|apt-get|pip3?(?:\.\d+)?|kubectl|helm|docker|npm|yarn|pnpm|conda|dnf|yum|apk)"
    r"(?:\s+-{1,2}[\w-]+(?:[= ][^\s-]\S{0,80})??){1,6}?\s+(add|am|apply|build|checkout|cherry-pick|clean|commit|create"
    r"|delete|edit|exec|init|install|merge|mv|patch|pull|push|rebase|remove|reset|restart|restore|revert|rm|rollout|run"
    r"|scale|set|stash|stop|switch|sync|uninstall|update|upgrade)\b"
)
"""Options between a program and what it is to do."""
_WITH_OPTIONS: Final = (
    "git -", "apt -", "get -", "pip", "kubectl -", "helm -", "docker -", "npm -", "yarn -", "conda -", "dnf -", "yum -",
    "apk -",
)  # fmt: skip
_IN_PLACE: Final = ("sed", "perl", "ruby", "yq", "update")
_KEY: Final = re.compile(
    r"""["'](?:command|cmd|code|script|sql|statement|keystrokes|action|method|operation)["']\s*:"""
)
"""What a tool that nobody named is told to do."""
_LINE: Final = re.compile(r'"(?:command|cmd)"\s*:\s*(?:\[\s*"(?:bash|sh|zsh)"\s*,\s*"-l?c"\s*,\s*)?"((?:[^"\\]|\\.)*)')
"""The command line in arguments that are JSON; a list holds a shell, its option and the line."""
_SEGMENT: Final = re.compile(r"&&|\|\||[|;]|\\n")
_ASSIGNMENT: Final = re.compile(r"\w+=\S*")
_PROGRAM: Final = re.compile(r"[a-z0-9_.+-]+")


class Command(NamedTuple):
    """What a call is told to do."""

    edits: bool = False
    """The tool changes the world, or the command that it is given does."""
    kinds: frozenset[str] = frozenset()
    """Kinds of the command line that it runs: names that begin with `shell_`."""
    runs: bool = False
    """Whether it is a command line."""


EDITS: Final = Command(edits=True)
NOTHING: Final = Command()


def command_of(arguments: str, policy: ToolPolicy, policies: ToolPolicies) -> Command:
    """What a call is told to do; of a long command line, a script, by how it begins and ends."""
    if not arguments:
        return EDITS if policy.mutating else Command(runs=policy.shell)
    runs = policy.shell
    if policy.guessed and not runs:
        runs = _may_have_key(arguments) and _KEY.search(arguments[:MAX_COMMAND]) is not None
        if not runs:  # nearly always
            return EDITS if policy.mutating else NOTHING
    edits = policy.mutating or bool(policy.edits_by and policies.edits(policy, arguments[:MAX_COMMAND]))
    return Command(edits, _kinds_of(arguments, policies), runs=True) if runs else Command(edits)


def _may_have_key(arguments: str) -> bool:
    """Whether a key begins as one of `_KEY` does: a look that costs less than the search."""
    return (
        '"c' in arguments or '"s' in arguments or '"a' in arguments or '"m' in arguments or '"o' in arguments
        or '"k' in arguments or "'" in arguments
    )  # fmt: skip


def _kinds_of(arguments: str, policies: ToolPolicies) -> frozenset[str]:
    if len(arguments) > MAX_COMMAND:
        arguments = f"{arguments[:MAX_COMMAND]} {arguments[-MAX_COMMAND_END:]}"
    command = arguments.lower()
    if ">" in command:
        command = command.replace("> /dev/null", "").replace(">/dev/null", "").replace("2>&1", "")
    if " -" in command and any(map(command.__contains__, _WITH_OPTIONS)):
        command = _OPTIONS.sub(r"\1 \2", command)
    kinds = policies.commands(command)
    if "shell_mutations" not in kinds and _writes(command, policies):
        kinds |= _WRITING
    return kinds


def _writes(command: str, policies: ToolPolicies) -> bool:
    """Whether a command line writes by its form, or runs a program of which nobody knows that it only reads."""
    if (">" in command or "<<" in command) and _WRITES.search(command):
        return True
    if any(map(command.__contains__, _IN_PLACE)) and _UPDATES.search(command):
        return True
    line = _LINE.search(command)
    reads = policies.words.get("shell_reads")
    if line is None or not reads:
        return False
    return any(_is_unknown(segment, reads) for segment in _SEGMENT.split(line.group(1)))


def _is_unknown(segment: str, reads: frozenset[str]) -> bool:
    words = segment.split()
    while words and _ASSIGNMENT.fullmatch(words[0]):
        del words[0]
    if not words:
        return False
    program = words[0].strip("'\"(){}\\").rsplit("/", 1)[-1]
    return bool(_PROGRAM.fullmatch(program)) and program not in reads
