"""Where the CPU time of a process goes, by stage."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class StageClock:
    """Shares out CPU time (user and system, of this thread) among nested stages.

    A stage's time excludes the stages inside it, and what other threads do meanwhile, such as the database's merges.
    """

    def __init__(self, now_ns: Callable[[], int] = time.thread_time_ns) -> None:
        self._now_ns = now_ns
        self._running: list[str] = []
        self._since_ns = 0
        self.spent_ns: dict[str, int] = defaultdict(int)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Charge what happens inside to `name`."""
        self._charge()
        self._running.append(name)
        try:
            yield
        finally:
            self._charge()
            self._running.pop()

    def wrap(self, name: str, function: Callable[P, R]) -> Callable[P, R]:
        """The same function, charged to `name`."""

        def charged(*args: P.args, **kwargs: P.kwargs) -> R:
            with self.stage(name):
                return function(*args, **kwargs)

        return charged

    def _charge(self) -> None:
        now_ns = self._now_ns()
        if self._running:
            self.spent_ns[self._running[-1]] += now_ns - self._since_ns
        self._since_ns = now_ns
