"""What a few calls that repeat are like: questions, paced, flaky, or hidden and still telling."""

from __future__ import annotations

from itertools import pairwise

from detectors.loops.calls import ARGUMENTS, BRIEF, MUTATING, SIZE_RANK, SIZED, STABLE, Call
from detectors.loops.ladder import LONG, READS
from detectors.loops.loop import Step


def are_questions(steps: list[Step]) -> bool:
    """Whether calls with one and the same short answer ask, by and large, for something else each time."""
    return bool(steps[-1].call.flags & BRIEF) and 2 * len({s.call.arguments_key for s in steps}) > len(steps)


def is_paced(steps: list[Step], passes: int, pause_ns: int) -> bool:
    """Whether so much time lies between the passes of a cycle that something waits for the next one."""
    return sum(b.call.start - a.call.end > pause_ns for a, b in pairwise(steps)) >= passes - 1


def is_flaky(calls: list[Step]) -> bool:
    """Whether a pass of a cycle holds one call with several results and nothing that could have changed them."""
    keys = {(s.call.arguments_key, s.call.result_key) for s in calls}
    return len(keys) > len({arguments for arguments, _ in keys}) and not any(s.call.flags & MUTATING for s in calls)


def hidden_alone(call: Call) -> str:
    """Of one call whose results are hidden: `LONG`, `READS`, or "" where they say nothing."""
    if call.flags & SIZED:
        return LONG
    told = call.level == ARGUMENTS or call.confidence <= SIZE_RANK
    return READS if call.flags & STABLE and told else ""
