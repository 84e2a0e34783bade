"""What the loop detector keeps of a fact: a short, bounded record that orders by time and compares by keys."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from detectors.loops.commands import Command, command_of
from detectors.loops.policies import ToolPolicies, ToolPolicy
from detectors.loops.results import (
    NOTHING_TOLD,
    complaint_of,
    is_error,
    is_error_of_a_tool,
    is_named,
    is_silent,
    shows,
)
from schemas.facts import STRENGTHS, Marker, ModelCall, SessionFact, ToolCall, size_of

FULL, TRUNCATED, ARGUMENTS, SIZE, NAME = range(5)
"""How much two calls' equality says, strongest first: see `LoopParameters`."""

FAILED: Final = 1
MUTATING: Final = 2
"""It succeeded and may have changed the world."""
WAITING: Final = 4
ACKNOWLEDGED: Final = 8
"""Its result says the same whatever it was given, or too little to compare."""
IGNORED: Final = 16
WRAPPER: Final = 32
MESSAGE: Final = 256
"""Read from a model call's messages: void once the session tells its tool calls itself."""
HOOK: Final = 4096
"""Told by a hook beside the agent's own telemetry, which may tell it again."""
ABSENT: Final = 128
"""It says that what was asked for is not there."""
OBSERVING: Final = 512
"""It reads what others change: an answer that nobody sees may have been a new one."""
STABLE: Final = 1024
"""It reads what only an edit changes: asked again, it answers the same."""
SIZED: Final = 2048
"""Of its result only the size is known, and texts of that size are hardly ever equal in it by chance."""
NO_EVIDENCE: Final = 64
"""Never equal to another call: it changes something, and what is not known in enough detail."""
SPAN: Final = 8192
"""Told by a span."""
MERGED: Final = 16384
"""Told by a hook and by the agent: nothing says more."""
NOTE: Final = 65536
"""A note that the agent makes for itself, a thought or a plan: no step of its work."""
BRIEF: Final = 32768
"""It succeeded, and not with much: many questions, each of them another, may have this answer."""
MAY_EDIT: Final = 131072
"""It succeeded, and what it did is hidden: it may have changed the world."""
BY_HAND: Final = 262144
"""A click or a key, repeated on purpose: beside another call that repeats it is no wait."""

ASKED_FIRST: Final = -2
"""Sequence of a model call that tells none: before the tool call of the same time, which it may have asked for."""
MAX_TEXT: Final = 160
MAX_ID: Final = 64
MAX_SIGNATURE: Final = 20
"""Of a hash so many hex digits tell the calls of a session apart."""
MAX_TIME_NS: Final = 2**62
MAX_WAITING_TEXT: Final = 400
REWRITTEN: Final = "rewritten"
"""Result key of an edit whose answer shows the text that it wrote: how the file around it is now is no news."""
MAX_RECEIPT: Final = 200
"""What answers that something was sent is an id or a sentence; more is an answer of its own."""
_MAX_TOKENS: Final = 2**50
_MAX_COST_USD: Final = 1e9
_JSON_FIRST: Final = frozenset("{[")
MIN_SIZED_BYTES: Final = 256
"""Shorter results are often as long as another by chance (`state 1`, `state 2`)."""
SIZE_RANK: Final = 2
_CUT_LENGTHS: Final = frozenset({300, 4096})
"""A result text as long as this may have been cut on its way here: the signature is the better witness then."""
_SAVED_TO: Final = re.compile(r"saved to:?\s*[^\s\]]{1,400}", re.IGNORECASE)
_STATE: Final = re.compile(
    r""""(?:status|state|phase|progress)"\s*:\s*"\w{0,24}(?:ing|pending|queued|progress|scheduled)\w{0,12}\""""
    r"""|"(?:done|finished|completed?|ready)"\s*:\s*false""",
    re.IGNORECASE,
)
"""A field that says that something is not finished."""
_CLEAN: Final = {**dict.fromkeys(range(32), " "), ord("`"): "'"}
_RANKS: Final[dict[str, int]] = {strength: rank for rank, strength in enumerate(STRENGTHS)}
_SIGNAL_FLAGS: Final = {"message": MESSAGE, "hook": HOOK, "span": SPAN}
_LEVEL: Final = (
    (FULL, TRUNCATED, ARGUMENTS, ARGUMENTS),
    (TRUNCATED, TRUNCATED, ARGUMENTS, ARGUMENTS),
    (SIZE, SIZE, SIZE, SIZE),
    (NAME, NAME, NAME, NAME),
)
"""[strength of the arguments][strength of the result]."""


@lru_cache(maxsize=4_096)
def shared(text: str) -> str:
    """The text, as the object that other calls hold: windows hold many equal ones, and for long.

    A bounded table, because Python 3.12 keeps what `sys.intern` was given for ever.
    """
    return text


class Call(NamedTuple):
    """One entry of a session's window; the first three fields order it.

    Tool calls use all fields; model calls the numbers, ids and `result_key` (the date of the prices that their cost is
    estimated from); markers `kind` and `result_key` (the detail) alone.
    What a call looks like to people is no part of it: see `texts`.
    """

    start: int
    sequence: int
    ident: str
    """What makes it this call: call id, span id, or what else is known of it."""
    kind: str
    """`tool`, `model`, `prompt`, `end` or `verdict`."""
    agent: str
    end: int
    round_id: str
    tool: str
    arguments_key: str
    result_key: str
    level: int
    confidence: int
    """Index into `STRENGTHS` of the weaker of the two signatures."""
    flags: int
    trace_id: str
    span_id: str
    version: str
    tokens: int
    """Input and output tokens of a model call, -1 = not known; the count of a verdict."""
    cost_usd: float

    @property
    def key(self) -> str:
        """Arguments and result together."""
        return f"{self.arguments_key}\x01{self.result_key}"

    @property
    def call_id(self) -> str:
        """The call id that it was told with, or ""."""
        return self.ident[2:] if self.ident.startswith("c:") else ""

    @property
    def seconds(self) -> float:
        """How long it took, 0 where that is not known."""
        return (self.end - self.start) / 1e9

    @property
    def signal(self) -> str:
        """What told it: `hook`, `message`, `span` or `log`."""
        flags = self.flags
        return "hook" if flags & HOOK else "message" if flags & MESSAGE else "span" if flags & SPAN else "log"


def call_of(fields: list[Any]) -> Call:
    """A call as `list(call)` wrote it, through JSON."""
    if fields[-1] is None:
        fields[-1] = math.nan
    return Call(*fields)


def _digest(text: str, size: int = 10) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=size).hexdigest()


def whole(value: Any, default: int = -1) -> int:
    """A whole number within the bounds of JSON, whatever came."""
    if type(value) is int and -MAX_TIME_NS <= value <= MAX_TIME_NS:
        return value
    if isinstance(value, float) and math.isfinite(value):
        value = int(value)
    if not isinstance(value, int):
        return default
    return max(-MAX_TIME_NS, min(value, MAX_TIME_NS))


def _numbers(start: Any, duration: Any, sequence: Any) -> tuple[int, int, int]:
    """Start, duration (0 = not known) and sequence of a fact, as whole numbers within the bounds of JSON."""
    if (
        type(start) is type(duration) is type(sequence) is int
        and 0 <= start <= MAX_TIME_NS
        and 0 <= duration <= MAX_TIME_NS
        and -1 <= sequence <= MAX_TIME_NS
    ):
        return start, duration, sequence  # nearly always
    return whole(start, 0), max(0, whole(duration)), whole(sequence)


def identity(fact: SessionFact) -> str:
    """What a fact is told apart by: its call id, else its span, else all that stands in it; at most 100 characters."""
    call_id = "" if isinstance(fact, Marker) else fact.call_id
    if call_id:
        return "c:" + call_id[:MAX_ID]
    if fact.signal == "span" and fact.span_id:
        return "s:" + fact.span_id[:MAX_ID]
    if isinstance(fact, ToolCall):
        what = f"{fact.tool_name}\x00{fact.arguments_signature}\x00{fact.result_signature}"
    elif isinstance(fact, ModelCall):
        what = f"{fact.input_tokens}\x00{fact.output_tokens}"
    else:
        what = f"{fact.kind}\x00{fact.detail}\x00{fact.count}"
    text = (
        f"{type(fact).__name__}\x00{fact.start_time_unix_nano}\x00{fact.event_sequence}\x00{fact.agent_name}\x00{what}"
    )
    return f"h:{_digest(text, 8)}"


def from_model(fact: ModelCall, ident: str) -> Call:
    """A model call as an entry."""
    start, duration, sequence = _numbers(fact.start_time_unix_nano, fact.duration_ns, fact.event_sequence)
    sent, received = whole(fact.input_tokens), whole(fact.output_tokens)
    tokens = min(max(0, sent), _MAX_TOKENS) + min(max(0, received), _MAX_TOKENS) if sent >= 0 or received >= 0 else -1
    cost = float(fact.cost_usd) if isinstance(fact.cost_usd, int | float) else math.nan
    return tuple.__new__(Call, (
        start, sequence if sequence >= 0 else ASKED_FIRST, ident, "model", shared(fact.agent_name[:MAX_ID]),
        start + duration, "", "", "",
        shared(fact.prices_date[:MAX_ID]),
        NAME, 3, _SIGNAL_FLAGS.get(fact.signal, 0), "", fact.span_id[:MAX_ID], "", tokens,
        cost if -_MAX_COST_USD < cost < _MAX_COST_USD else math.nan,
    ))  # fmt: skip


def from_marker(fact: Marker, ident: str) -> Call:
    """A marker as an entry; one of an unknown kind is an `end` that ends nothing and is dropped by the session."""
    start = whole(fact.start_time_unix_nano, 0)
    return Call(
        start, whole(fact.event_sequence), ident, fact.kind[:16], fact.agent_name[:MAX_ID], start, "", "", "",
        quoted(fact.detail), NAME, 3, _SIGNAL_FLAGS.get(fact.signal, 0), fact.trace_id[:MAX_ID],
        fact.span_id[:MAX_ID], fact.service_version[:MAX_ID], whole(fact.count), math.nan,
    )  # fmt: skip


def from_tool(fact: ToolCall, ident: str, policies: ToolPolicies, least: tuple[int, int]) -> Call:
    """A tool call as an entry; `least`: characters below which a result says nothing, and a success little."""
    (
        _, _, agent, round_id, _, tool, signature, strength, result_signature, result_strength, arguments, result,
        outcome, _, start, duration, _, _, _, version, trace_id, span_id, _, _, _, sequence, _,
    ) = fact  # fmt: skip
    start, duration, sequence = _numbers(start, duration, sequence)
    policy = policies.of(tool)
    command = command_of(arguments, policy, policies)
    short = result.lower() if result and len(result) <= MAX_WAITING_TEXT else ""
    if short and not policies.hints(short):
        short = ""
    failed = outcome in {"error", "denied"} or (result != "" and _says_that_it_failed(result, short, command, policies))
    arguments_rank = _RANKS.get(strength, 3) if signature else 3
    result_rank = _RANKS.get(result_strength, 3) if result_signature else 3
    if result_rank == FULL and "saved to" in result and policies.says("envelopes", result.lower()):
        result_rank = TRUNCATED  # the harness kept the output elsewhere and sends how it begins
    level = _LEVEL[arguments_rank][result_rank]
    flags = _flags(fact, policy, policies, (command, failed, short), least)
    if arguments_rank >= SIZE_RANK and not failed and _may_edit(policy):
        flags |= MAY_EDIT
    if result_rank == SIZE_RANK and size_of(result_signature) >= MIN_SIZED_BYTES:
        flags |= SIZED
    if flags & (MUTATING | ACKNOWLEDGED) and level >= SIZE:
        flags |= NO_EVIDENCE
    tool = shared(tool[:MAX_ID])
    arguments_key = f"{tool}\x00{arguments_rank}{signature[:MAX_SIGNATURE] if arguments_rank < 3 else ''}"
    if policy.rewrites and command.edits and not (failed or arguments_rank) and shows(result, arguments):
        result_key = REWRITTEN
    else:
        result_key = _result_key(fact, policy, policies, failed, result_rank)
    return tuple.__new__(Call, (
        start, sequence, ident, "tool", shared(agent[:MAX_ID]), start + duration, round_id[:MAX_ID], tool,
        arguments_key, result_key, level, max(arguments_rank, result_rank), flags, shared(trace_id[:MAX_ID]),
        span_id[:MAX_ID], shared(version[:MAX_ID]), -1, math.nan,
    ))  # fmt: skip


def _says_that_it_failed(result: str, short: str, command: Command, policies: ToolPolicies) -> bool:
    """Whether the answer of what edits or runs a command line says that it did not, whatever its outcome."""
    if command.edits:
        beginning = short if len(result) <= MAX_WAITING_TEXT else result[:MAX_WAITING_TEXT].lower()
        return is_error_of_a_tool(result) or policies.says("refusals", beginning)
    if not command.runs:
        return False
    if "shell_mutations" in command.kinds and len(result) <= MAX_WAITING_TEXT and is_error(result):
        return True
    return complaint_of(result) != ""


def _may_edit(policy: ToolPolicy) -> bool:
    """Whether a tool of which nobody knows what it was told may have changed the world."""
    if policy.guessed:
        return not (policy.stable or policy.observes or policy.ignored)
    return policy.shell or bool(policy.edits_by)


def _result_key(fact: ToolCall, policy: ToolPolicy, policies: ToolPolicies, failed: bool, rank: int) -> str:
    kind = f"!{fact.error_type[:MAX_ID]}" if failed else ""
    if policy.sends and not failed and len(fact.result) <= MAX_RECEIPT:
        return f"{kind}sent"
    if rank == TRUNCATED and policies.says("envelopes", fact.result.lower()):
        return f"{kind}e{_digest(_SAVED_TO.sub('', fact.result))}"
    if failed and rank < SIZE_RANK and (complaint := complaint_of(fact.result)):
        return f"{kind}c{_digest(complaint)}"
    if policy.volatile and rank < 2 and fact.result and len(fact.result) not in _CUT_LENGTHS:
        text = policies.without_volatile(policy, fact.result)
        return f"{kind}v{_digest(text)}"
    return f"{kind}{rank}{fact.result_signature[:MAX_SIGNATURE] if rank < 3 else ''}"


def merged(one: Call, other: Call) -> Call:
    """One call that a hook and the agent's telemetry told: the telemetry's, compared by what the hook saw in full."""
    told, hook = (other, one) if one.flags & HOOK else (one, other)
    if hook.level > told.level:
        return told._replace(flags=told.flags | MERGED)
    flags = told.flags & ~NO_EVIDENCE if hook.level < SIZE else told.flags
    return told._replace(
        arguments_key=hook.arguments_key, result_key=hook.result_key, level=hook.level, confidence=hook.confidence,
        flags=flags | HOOK | MERGED,
    )  # fmt: skip


def _flags(
    fact: ToolCall, policy: ToolPolicy, policies: ToolPolicies, what: tuple[Command, bool, str], least: tuple[int, int]
) -> int:
    (edits, kinds, _), failed, short = what
    flags = (FAILED if failed else 0) | _SIGNAL_FLAGS.get(fact.signal, 0)
    flags |= NOTE if policy.acknowledges and not edits else 0
    flags |= BY_HAND if policy.by_hand else 0
    flags |= IGNORED if policy.ignored or "shell_ignored" in kinds else 0
    flags |= WAITING if "shell_waits" in kinds else 0  # waiting for what is not there yet fails, and is tried again
    flags |= OBSERVING if policy.observes or "shell_observes" in kinds else STABLE if policy.stable else 0
    if policy.wrapper and fact.dialect == "codex" and not failed and ("tools." in fact.arguments or not fact.arguments):
        flags |= WRAPPER
    result = fact.result
    if short and not edits and policies.says("absent", short) and not is_named(short, fact.arguments.lower()):
        flags |= ABSENT
    if result or fact.result_signature == NOTHING_TOLD:
        if is_silent(result, least[0], failed):
            flags |= ACKNOWLEDGED
        elif not failed and len(result) < least[1] and not is_error(result):
            flags |= BRIEF
    if failed:
        return flags
    mutating = edits or "shell_mutations" in kinds
    if mutating:
        flags |= MUTATING
    if policy.polling or (short and policies.says("waiting", short)) or _unfinished(result):
        flags |= WAITING
    if policy.acknowledges or policy.sends or mutating or (short and policies.says("acknowledgements", short)):
        flags |= ACKNOWLEDGED
    return flags


def _unfinished(result: str) -> bool:
    """Whether a field of a result in JSON, at its beginning or end, says that something still goes on."""
    if result[:1] not in _JSON_FIRST:
        return False
    ends = (
        result if len(result) <= 2 * MAX_WAITING_TEXT else f"{result[:MAX_WAITING_TEXT]} {result[-MAX_WAITING_TEXT:]}"
    )
    return _STATE.search(ends) is not None


def quoted(text: str) -> str:
    """Text of telemetry, fit to stand in backquotes: one line, no backquote, at most 160 characters."""
    if not text:
        return ""
    clean = text[: MAX_TEXT + 1]
    if "`" in clean or not clean.isprintable():
        clean = " ".join(clean.translate(_CLEAN).split())
    clean = clean.strip()
    if not clean.isprintable():
        clean = "".join(c if c.isprintable() else " " for c in clean)
    return clean if len(clean) <= MAX_TEXT else f"{clean[: MAX_TEXT - 1]}…"
