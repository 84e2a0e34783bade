"""One agent of a session: its last calls, and the counters that tell a cycle, a streak and a changed result.

A call costs a few comparisons: cycles are counted by how long the last rounds have equalled those one to five rounds
before, so nothing is searched unless the call has been seen before.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final, NamedTuple

from detectors.loops.calls import (
    ABSENT,
    ACKNOWLEDGED,
    ARGUMENTS,
    BY_HAND,
    FAILED,
    MAY_EDIT,
    MUTATING,
    NO_EVIDENCE,
    NOTE,
    OBSERVING,
    SIZE,
    SIZE_RANK,
    SIZED,
    WAITING,
    Call,
)
from detectors.loops.columns import steps_as_columns, steps_of_columns
from detectors.loops.ladder import ALONE, LONG, WATCHES, Basis, row_of, severity
from detectors.loops.loop import CYCLE, ERROR, FAILING, NOTHING_SPENT, RESULT, Cost, Step
from detectors.loops.parameters import LoopParameters
from detectors.loops.repeats import are_questions, hidden_alone, is_flaky, is_paced
from detectors.loops.rounds import Answers, together

MAX_PERIOD: Final = 5
MAX_STEPS: Final = 40
MAX_EDITS: Final = 20

NO_RUNS: Final = [0] * MAX_PERIOD
"""Never changed in place."""

CHANGED: Final = "changed result"


class Candidate(NamedTuple):
    """What the last call shows: calls that repeat, often enough to be told."""

    pattern: str
    steps: tuple[Step, ...]
    """The calls that count, oldest first, all passes."""
    period: int
    passes: int
    severity: int
    basis: Basis


class Lane:
    """The calls of one agent, at most 40 kept."""

    __slots__ = (
        "answers", "barrier", "before", "edits", "failing", "ordinal", "round_keys", "rounds", "runs", "same_error",
        "same_result", "seen", "spent", "steps", "unit",
    )  # fmt: skip

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.seen: dict[str, int] = {}
        """Arguments key -> how many of `steps` have it."""
        self.ordinal = 0
        self.unit = 0
        """Number of the present round."""
        self.barrier = 0
        """Calls before this ordinal count no more: the world changed."""
        self.rounds: list[str] = []
        """The key of each of the last six rounds, the present one last."""
        self.round_keys: list[str] = []
        self.before: list[int] = [0] * MAX_PERIOD
        """`runs` as they stood before the present round."""
        self.runs: list[int] = [0] * MAX_PERIOD
        """[p - 1] -> how many rounds in a row equal the round p before."""
        self.edits: list[str] = []
        """Edits made lately: the same one again changes nothing."""
        self.same_error = self.same_result = self.failing = 0
        """Streaks of calls in a row; their steps are the last ones."""
        self.spent = NOTHING_SPENT
        """By the model since the last tool call."""
        self.answers = Answers()

    def pay(self, call: Call) -> None:
        """A model call: what it cost belongs to the tool call that it asks for."""
        self.spent = self.spent.plus(call.tokens, call.cost_usd, call.seconds, call.result_key)
        self.answers.heard(call)

    def forget(self) -> None:
        """The user spoke: everything begins anew."""
        self.barrier = self.ordinal
        self.rounds.clear()
        self.round_keys.clear()
        self.before = [0] * MAX_PERIOD
        self.runs = [0] * MAX_PERIOD
        self.same_error = self.same_result = self.failing = 0

    def is_new_edit(self, call: Call) -> bool:
        """Whether a call that changes the world does so in a way not done lately; remembers it."""
        key = call.arguments_key
        if key in self.edits and not call.flags & NO_EVIDENCE:
            return False
        self.edits.append(key)
        if len(self.edits) > MAX_EDITS:
            del self.edits[0]
        return True

    def append(self, call: Call) -> Step | None:
        """Take one call in; None when it only repeats a call of its own round."""
        key = call.arguments_key
        joins = self._joins(call)
        self.answers.note(call, joins)
        if joins and key in self.round_keys:
            return None
        step = Step(call, self.ordinal, self.unit if joins else self.unit + 1, self.spent)
        self.ordinal += 1
        self.spent = NOTHING_SPENT
        self._streaks(call)
        self._rounds(call, joins)
        self.unit = step.unit
        self.steps.append(step)
        self.seen[key] = self.seen.get(key, 0) + 1
        if len(self.steps) > MAX_STEPS:
            oldest = self.steps.pop(0).call.arguments_key
            left = self.seen[oldest] - 1
            if left:
                self.seen[oldest] = left
            else:
                del self.seen[oldest]
        return step

    def _joins(self, call: Call) -> bool:
        """Whether a call belongs to the round of the call before it."""
        if not self.steps or not self.rounds:
            return False
        told = together(call, self.steps[-1].call)
        return self.answers.silent(call) if told is None else told

    def _streaks(self, call: Call) -> None:
        if call.flags & NOTE:
            return  # a thought between two errors does not part them
        last = next((s.call for s in reversed(self.steps) if not s.call.flags & NOTE), None) if self.rounds else None
        if last is None or last.tool != call.tool:
            self.same_error = self.same_result = self.failing = 1
            return
        failed = call.flags & FAILED
        same = call.result_key == last.result_key and call.confidence < 2 and last.confidence < 2
        both_failed = failed and last.flags & FAILED
        same = same and not call.flags & ACKNOWLEDGED
        self.same_error = self.same_error + 1 if same and both_failed else 1
        self.same_result = self.same_result + 1 if same and not failed else 1
        alike = both_failed and call.arguments_key == last.arguments_key and call.level <= ARGUMENTS
        self.failing = self.failing + 1 if alike else 1

    def _rounds(self, call: Call, joins: bool) -> None:
        if not joins:
            self.before = self.runs
            self.round_keys = []
            self.rounds.append("")
            if len(self.rounds) > MAX_PERIOD + 1:
                del self.rounds[0]
        # A call that may have changed what nobody saw equals nothing, not even itself.
        key = call.key
        if call.flags & NO_EVIDENCE:
            key = f"{key}\x02{self.ordinal}"
        self.round_keys.append(call.arguments_key)
        if joins:
            parts = [*self.rounds[-1].split("\x03"), key]
            self.rounds[-1] = "\x03".join(sorted(parts)[:MAX_STEPS])
        else:
            self.rounds[-1] = key
        now, count = self.rounds[-1], len(self.rounds)
        if self.rounds.count(now) == 1:
            self.runs = NO_RUNS
            return
        self.runs = [
            self.before[p] + 1 if count > p + 1 and self.rounds[count - 2 - p] == now else 0 for p in range(MAX_PERIOD)
        ]

    # What the last call shows.

    def candidate(self, parameters: LoopParameters) -> Candidate | None:
        """The strongest thing that the last call shows, None in the common case."""
        call = self.steps[-1].call
        best: Candidate | None = None
        if self.seen[call.arguments_key] >= 3 and not call.flags & NO_EVIDENCE:
            best = _stronger(self._scattered(parameters), self._cycle(parameters))
        if best is None and max(self.same_error, self.same_result, self.failing) >= 3:
            best = self._streak(parameters)
        return best

    def changed(self) -> str:
        """The arguments key of the last call if its result differs from the one before it, else ""."""
        call = self.steps[-1].call
        if self.seen[call.arguments_key] < 2:
            return ""
        for step in reversed(self.steps[:-1]):
            if step.call.arguments_key == call.arguments_key:
                return "" if step.call.result_key == call.result_key else call.arguments_key
        return ""

    def _scattered(self, parameters: LoopParameters) -> Candidate | None:
        """Equal calls with equal results within the window, other calls between them or not."""
        step = self.steps[-1]
        call = step.call
        hidden = self._hidden([step], 1) if call.level in {ARGUMENTS, SIZE} and not call.flags & FAILED else ""
        failed, waiting = bool(call.flags & FAILED), bool(call.flags & WAITING)
        if failed and call.level == ARGUMENTS and call.confidence <= SIZE_RANK:
            hidden = LONG  # an error of one size from one and the same call is hardly ever another one
        basis = Basis(call.level, failed, waiting, hidden=hidden)
        if not basis.scattered:
            return None
        # of results of which not even a size is known those in a row are counted
        found, waited = self._equal_calls(parameters, call.level == ARGUMENTS and call.confidence > SIZE_RANK)
        basis = basis._replace(waiting=waiting or waited)
        row = row_of(parameters, basis)
        if not row[1] or len(found) < row[1]:  # scattered repeats are told from `warning` on
            return None
        if hidden and 2 * sum(self.may_have_edited(b.ordinal, a.ordinal) for a, b in pairwise(found)) >= len(found) - 1:
            return None
        found.reverse()
        return Candidate(CYCLE, tuple(found), 1, len(found), severity(row, len(found)), basis)

    def may_have_edited(self, after: int, before: int) -> bool:
        """Whether between two calls, by ordinal, something hidden that came this once may have changed the world."""
        hidden = [s.call.key for s in self.steps if s.call.flags & MAY_EDIT]
        between = [s.call.key for s in self.steps if after < s.ordinal < before and s.call.flags & MAY_EDIT]
        return any(hidden.count(key) == 1 for key in between)

    def _equal_calls(self, parameters: LoopParameters, in_a_row: bool) -> tuple[list[Step], bool]:
        """The calls that equal the last one, newest first, and whether something waited before each repeat of it.

        None from before news: another result of the same call, or, where the call succeeds, another result of one
        that is asked beside it.
        """
        call = self.steps[-1].call
        oldest = max(self.barrier, self.ordinal - parameters.window_calls)
        found: list[Step] = []
        beside: dict[str, str] = {}
        unit, waits, waited = self.unit + 1, True, True
        later = call.start
        for step in reversed(self.steps):
            other = step.call
            if step.ordinal < oldest or (in_a_row and unit - step.unit > 1):
                break
            if other.arguments_key != call.arguments_key:
                waits = waits or other.flags & (WAITING | BY_HAND) == WAITING
                if (call.flags | other.flags) & FAILED:
                    continue
                if beside.setdefault(other.arguments_key, other.result_key) != other.result_key:
                    break
            elif other.result_key != call.result_key:
                break
            elif step.unit != unit:  # a fan-out counts once
                found.append(step)
                waits = waits or later - other.end > parameters.quiet_ns  # something waited, whatever it was
                unit, waits, waited, later = step.unit, False, waited and waits, other.start
        return found, waited

    def _cycle(self, parameters: LoopParameters) -> Candidate | None:
        """Rounds that repeat in turn without anything between."""
        for p in range(1, MAX_PERIOD + 1):
            run = self.runs[p - 1]
            if run < 2 * p:
                continue
            passes = 1 + run // p
            wanted = {self.unit - n for n in range(passes * p)}
            steps = [s for s in self.steps if s.unit in wanted and s.ordinal >= self.barrier]
            last_round = [s for s in steps if s.unit > self.unit - p]
            if any(s.call.flags & NO_EVIDENCE for s in last_round):
                return None
            if is_flaky(last_round):
                continue
            level = max(s.call.level for s in last_round)
            failed = all(s.call.flags & FAILED for s in last_round)
            waiting = any(s.call.flags & WAITING for s in last_round) or is_paced(steps, passes, parameters.quiet_ns)
            several = len({s.call.arguments_key for s in last_round}) > 1
            hidden = self._hidden(last_round, p) if level >= ARGUMENTS and not failed else ""
            basis = Basis(level, failed, waiting, several, hidden)
            row = row_of(parameters, basis)
            told = severity(row, passes, parameters.cycle_discount if several and not waiting else 0)
            if told < 0:
                return None
            return Candidate(CYCLE, tuple(steps), p, passes, told, basis)
        return None

    def _hidden(self, calls: list[Step], period: int) -> str:
        """What kind of calls repeat whose results nobody sees; `calls`: one pass of the cycle."""
        keys = {s.call.arguments_key: s.call for s in calls}
        watching = [c for c in keys.values() if c.flags & OBSERVING or self._has_varied(c)]
        if len(watching) == len(keys):
            return WATCHES
        if len(keys) == 1:
            return hidden_alone(calls[-1].call)
        if all(c.flags & SIZED for c in keys.values()):
            return LONG
        firm = sum(1 for c in keys.values() if not c.flags & MUTATING) - len(watching)
        return "" if firm > 1 or (firm and period > 1) else ALONE

    def _has_varied(self, call: Call) -> bool:
        """Whether the same call has lately had a result of another size."""
        if self.seen[call.arguments_key] < 2:
            return False
        return any(
            s.call.result_key != call.result_key and s.call.arguments_key == call.arguments_key
            for s in self.steps
            if s.ordinal >= self.barrier
        )

    def _streak(self, parameters: LoopParameters) -> Candidate | None:
        last = self.steps[-1].call
        if last.flags & (NO_EVIDENCE | NOTE):
            return None
        work = [s for s in self.steps if not s.call.flags & NOTE]
        for pattern, length, row in (
            (ERROR, self.same_error, parameters.same_error),
            (RESULT, self.same_result, parameters.same_result),
            (FAILING, self.failing, parameters.failed_differently),
        ):
            steps = work[-length:] if length > 1 else []
            if len({s.unit for s in steps}) < 3 or (pattern == RESULT and last.flags & (WAITING | MUTATING)):
                continue
            if pattern != FAILING and len({s.call.arguments_key for s in steps}) == 1:
                continue
            waiting = bool(last.flags & WAITING)
            spared = pattern != FAILING and (last.flags & ABSENT or (pattern == RESULT and are_questions(steps)))
            ladder = parameters.waiting if waiting else parameters.absent if spared else row
            told = severity(ladder, min(length, len({s.unit for s in steps})))
            if told >= 0:
                level = max(s.call.level for s in steps)
                return Candidate(pattern, tuple(steps), 1, len(steps), told, Basis(level, pattern != RESULT, waiting))
        return None

    def copy(self) -> Lane:
        """A lane to be folded on by itself; steps, `runs` and `before` are never changed in place."""
        twin = Lane.__new__(Lane)
        twin.steps, twin.seen = self.steps.copy(), self.seen.copy()
        twin.rounds, twin.round_keys, twin.edits = self.rounds.copy(), self.round_keys.copy(), self.edits.copy()
        twin.before, twin.runs, twin.spent = self.before, self.runs, self.spent
        twin.answers = self.answers.copy()
        twin.ordinal, twin.unit, twin.barrier = self.ordinal, self.unit, self.barrier
        twin.same_error, twin.same_result, twin.failing = self.same_error, self.same_result, self.failing
        return twin

    def as_list(self) -> list[Any]:
        """Fit for JSON; `seen` follows from `steps`."""
        return [
            steps_as_columns(self.steps), self.ordinal, self.unit, self.barrier, self.rounds, self.round_keys,
            self.before, self.runs, self.edits, self.same_error, self.same_result, self.failing,
            list(self.spent), *self.answers.as_list(),
        ]  # fmt: skip

    @staticmethod
    def of_list(fields: list[Any]) -> Lane:
        """The inverse of `as_list`."""
        lane = Lane()
        (
            steps, lane.ordinal, lane.unit, lane.barrier, rounds, round_keys, before, runs, edits, lane.same_error,
            lane.same_result, lane.failing, spent, *answers,
        ) = fields  # fmt: skip
        lane.steps = steps_of_columns(steps)
        lane.rounds, lane.round_keys, lane.edits = list(rounds), list(round_keys), list(edits)
        lane.before, lane.runs = list(before), list(runs)
        lane.spent = Cost.of_list(spent)
        lane.answers = Answers(*answers)
        for step in lane.steps:
            lane.seen[step.call.arguments_key] = lane.seen.get(step.call.arguments_key, 0) + 1
        return lane


def _stronger(one: Candidate | None, other: Candidate | None) -> Candidate | None:
    if one is None or (other is not None and (other.severity, other.period) > (one.severity, 1)):
        return other
    return one
