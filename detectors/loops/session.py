"""The loops of one session: a fold over its calls in order of time, one lane for each agent."""

from __future__ import annotations

from typing import Any, Final

from detectors.loops.calls import ABSENT, BRIEF, IGNORED, MUTATING, SIZE_RANK, TRUNCATED, WRAPPER, Call
from detectors.loops.ladder import LONG, READS, Basis, row_of, severity
from detectors.loops.lane import CHANGED, Candidate, Lane
from detectors.loops.loop import AGENT, CYCLE, ERROR, FAILING, RESULT, Loop, Step
from detectors.loops.parameters import LoopParameters, Row
from schemas.finding import MOVED_ON

MAX_LANES: Final = 8
MAX_LOOPS: Final = 8
WARNING: Final = 1
EDITED: Final = "edited"
PROMPT: Final = "prompt"
ENDED: Final = "ended"


class Session:
    """Lanes and loops. At most 8 of each, whichever agents a session names."""

    __slots__ = ("lanes", "loops", "parameters", "strong_loops")

    def __init__(self, parameters: LoopParameters) -> None:
        self.parameters = parameters
        self.lanes: dict[str, Lane] = {}
        self.loops: list[Loop] = []
        self.strong_loops = 0
        """Loops told so far on strong evidence: the next one is one step more severe."""

    def step(self, call: Call) -> None:
        """Fold the next call or marker in order of time."""
        kind = call.kind
        if kind == "tool":
            if not call.flags & (IGNORED | WRAPPER):
                self._tool(call)
        elif kind == "model":
            self._lane(call.agent).pay(call)
        elif kind == "verdict":
            self._verdict(call)
        elif kind == "prompt":
            self._over(PROMPT, "")
        elif kind == "end":
            self._over(ENDED, call.agent)

    def _lane(self, agent: str) -> Lane:
        lane = self.lanes.get(agent)
        if lane is None:
            if len(self.lanes) >= MAX_LANES:
                del self.lanes[next(iter(self.lanes))]
            lane = self.lanes[agent] = Lane()
        elif len(self.lanes) > 1:
            self.lanes[agent] = self.lanes.pop(agent)  # the one used longest ago is the first to go
        return lane

    def _over(self, reason: str, agent: str) -> None:
        for name, lane in self.lanes.items():
            if not agent or name == agent:
                lane.forget()
        for loop in self.loops:
            if not loop.reason and (not agent or loop.agent == agent):
                loop.reason = reason

    def _tool(self, call: Call) -> None:
        lane = self._lane(call.agent)
        new_edit = call.flags & MUTATING and lane.is_new_edit(call)
        step = lane.append(call)
        if step is None:
            return
        if self.loops:
            self._prune()
            self._age(lane, step)
        on = self._continued(lane, step) if self.loops else None
        if on is None or on.severity < WARNING:
            candidate = lane.candidate(self.parameters)
            if candidate is not None and (on is None or candidate.severity >= WARNING):
                self._tell(lane, candidate)
        if new_edit:
            self._world_changed(lane, step)

    def _world_changed(self, lane: Lane, step: Step) -> None:
        for other in self.lanes.values():
            if other is lane:
                lane.barrier = step.ordinal
            else:
                other.forget()
        for loop in self.loops:
            if not loop.reason and step.call.key not in loop.counts and loop.pattern != AGENT:
                loop.reason = EDITED

    def _age(self, lane: Lane, step: Step) -> None:
        """What the loops of this lane lose by the last call: its result changed, or it is one of many others."""
        changed = lane.changed()
        for loop in self.loops:
            if loop.reason or loop.agent != step.call.agent:
                continue
            if changed and any(key.startswith(f"{changed}\x01") for key in loop.counts):
                loop.reason = CHANGED
            elif step.ordinal - loop.last_ordinal >= self.parameters.move_on_calls and step.call.key not in loop.counts:
                loop.reason = MOVED_ON

    def _continued(self, lane: Lane, step: Step) -> Loop | None:
        """The loop that the call is one more of."""
        for loop in self.loops:
            if not loop.reason and loop.agent == step.call.agent and self._repeats(loop, lane, step):
                loop.add(_key(loop.pattern, step.call), step, repeat=True)
                self._rise(loop)
                return loop
        return None

    def _repeats(self, loop: Loop, lane: Lane, step: Step) -> bool:
        if _key(loop.pattern, step.call) not in loop.counts:
            return False
        if loop.pattern == CYCLE:
            if _basis(loop).scattered:
                if loop.hidden and lane.may_have_edited(loop.last_ordinal, step.ordinal):
                    return False
                return step.ordinal - loop.last_ordinal <= self.parameters.window_calls
            return lane.runs[loop.period - 1] >= loop.period
        if loop.pattern == RESULT and step.call.flags & BRIEF:
            return False  # how many questions it was the answer to is for the lane to say
        streaks = {ERROR: lane.same_error, RESULT: lane.same_result, FAILING: lane.failing}
        return streaks.get(loop.pattern, 0) >= 2

    def _rise(self, loop: Loop) -> None:
        """The step of the ladder that the loop's count has reached; it never falls while the loop lives."""
        discount = self.parameters.cycle_discount if loop.several and not loop.waiting else 0
        reached = severity(_ladder(loop, self.parameters), loop.count, discount)
        if loop.raised and reached >= 0:
            reached = min(2, reached + 1)
        self._reach(loop, reached)

    def _reach(self, loop: Loop, reached: int) -> None:
        if reached > loop.severity:
            if loop.severity < 0 and _strong(loop):
                self.strong_loops += 1
            loop.severity = reached
            loop.detected_at = loop.last_call.end

    def _tell(self, lane: Lane, candidate: Candidate) -> None:
        loop = self._known(lane, candidate)
        if loop is None:
            self._open(candidate)
            return
        loop.reason = ""
        last = candidate.steps[-1]
        if loop.pattern == AGENT:
            loop.pattern = candidate.pattern
        loop.period = max(loop.period, candidate.period)
        for step in candidate.steps:
            key = _key(loop.pattern, step.call)
            if key not in loop.counts:
                repeats = sum(1 for s in candidate.steps if _key(loop.pattern, s.call) == key)
                loop.add(key, last if key == _key(loop.pattern, last.call) else step, repeat=False)
                if key in loop.counts:
                    loop.counts[key] = repeats
        if loop.last_ordinal != last.ordinal:
            loop.add(_key(loop.pattern, last.call), last, repeat=True)
        loop.waiting = loop.waiting and candidate.basis.waiting
        loop.hidden = candidate.basis.hidden
        self._rise(loop)
        self._reach(loop, candidate.severity)

    def _known(self, lane: Lane, candidate: Candidate) -> Loop | None:
        """The loop that a candidate belongs to: it shares a call with it, or runs interleaved with it."""
        last = candidate.steps[-1]
        keys = {s.call.key for s in candidate.steps}
        for loop in reversed(self.loops):
            if loop.agent != last.call.agent or loop.pattern not in {candidate.pattern, AGENT}:
                continue
            if loop.last_ordinal < lane.barrier or last.ordinal - loop.last_ordinal > self.parameters.window_calls:
                continue
            shared = not keys.isdisjoint(loop.counts)
            woven = not loop.reason and candidate.pattern == CYCLE and candidate.steps[-2].ordinal <= loop.last_ordinal
            if shared or woven:
                return loop
        return None

    def _open(self, candidate: Candidate) -> None:
        loop = Loop(candidate.steps[0].call, candidate.pattern, candidate.steps[-1].call.agent)
        loop.level, loop.failed, loop.waiting, _, loop.hidden = candidate.basis
        loop.period = candidate.period
        seen: set[str] = set()
        for step in candidate.steps:
            loop.add(_key(loop.pattern, step.call), step, repeat=step.call.key in seen or loop.pattern != CYCLE)
            seen.add(step.call.key)
        loop.raised = self.strong_loops > 0 and _strong(loop)
        reached = candidate.severity
        if loop.raised:
            reached = min(2, reached + 1)
        self.loops.append(loop)
        self._reach(loop, reached)

    def _prune(self) -> None:
        """Forget the oldest loop that is over, before this step ends another: what ends must be told first."""
        if len(self.loops) > MAX_LOOPS:
            over = [known for known in self.loops if known.reason]
            if over:
                self.loops.remove(over[0])
            else:
                self.loops[0].reason = MOVED_ON

    def _verdict(self, marker: Call) -> None:
        """The agent's own guard spoke: it joins the loop we see, or is a finding of its own."""
        mine = [loop for loop in self.loops if not loop.reason and loop.agent == marker.agent]
        if mine:
            loop = mine[-1]
        else:
            lane = self.lanes.get(marker.agent)
            run = lane.runs[0] + 1 if lane and lane.steps and lane.rounds else 0
            steps = lane.steps[-run:] if lane and run else []
            loop = Loop(steps[0].call if steps else marker, AGENT, marker.agent)
            for index, step in enumerate(steps):
                loop.add(step.call.key, step, repeat=index > 0)
            loop.last_call = marker if not steps else loop.last_call
            self.loops.append(loop)
        loop.verdict = marker.result_key or "loop"
        loop.verdict_count = max(loop.verdict_count, marker.tokens)
        reached = 2 if marker.tokens >= 2 else 1
        if reached > loop.severity:
            loop.severity, loop.detected_at = reached, marker.start

    def copy(self) -> Session:
        """A session to be folded on by itself."""
        twin = Session(self.parameters)
        twin.lanes = {name: lane.copy() for name, lane in self.lanes.items()}
        twin.loops = [loop.copy() for loop in self.loops]
        twin.strong_loops = self.strong_loops
        return twin

    def as_list(self) -> list[Any]:
        """Fit for JSON."""
        lanes = [[name, lane.as_list()] for name, lane in self.lanes.items()]
        return [lanes, [loop.as_list() for loop in self.loops], self.strong_loops]

    @staticmethod
    def of_list(parameters: LoopParameters, fields: list[Any]) -> Session:
        """The inverse of `as_list`."""
        session = Session(parameters)
        session.lanes = {name: Lane.of_list(lane) for name, lane in fields[0]}
        session.loops = [Loop.of_list(loop) for loop in fields[1]]
        session.strong_loops = fields[2]
        return session


def _key(pattern: str, call: Call) -> str:
    """What a loop counts: the call, or for a streak the tool and its result."""
    return (
        f"{call.tool}\x01{call.result_key}"
        if pattern in {ERROR, RESULT}
        else (call.arguments_key if pattern == FAILING else call.key)
    )


def _ladder(loop: Loop, parameters: LoopParameters) -> Row:
    if loop.pattern != CYCLE and loop.waiting:
        return parameters.waiting
    if loop.pattern in {ERROR, RESULT} and loop.last_call.flags & (ABSENT | BRIEF):
        return parameters.absent
    streaks = {ERROR: parameters.same_error, RESULT: parameters.same_result, FAILING: parameters.failed_differently}
    return streaks.get(loop.pattern) or row_of(parameters, _basis(loop))


def _basis(loop: Loop) -> Basis:
    return Basis(loop.level, loop.failed, loop.waiting, loop.several, loop.hidden)


def _strong(loop: Loop) -> bool:
    same = loop.level <= TRUNCATED or (loop.hidden in {READS, LONG} and loop.confidence <= SIZE_RANK)
    return loop.pattern == CYCLE and same and not loop.waiting
