"""Faults on demand: what a store that is ill answers, or does not.

`POST /faults` takes a JSON list of them; they hold until the next one. The first that strikes decides.
"""

from __future__ import annotations

import random
import threading
from dataclasses import asdict, dataclass
from typing import Final, Literal

from testbed.clickhouse.engine import EngineError

Kind = Literal["error", "slow", "cut", "refuse"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to be ill."""

    kind: Kind
    """`error`: answers `code`; `slow`: waits `delay_s` first; `cut`: ends the connection without an answer; `refuse`:
    closes the port and every connection for `delay_s`."""
    share: float = 1.0
    """Of the requests concerned, chosen by a seeded generator."""
    on: Literal["insert", "any"] = "insert"
    when: Literal["before", "after"] = "before"
    """Whether the engine has run the statement by then; after it, the client cannot know."""
    code: int = 0
    message: str = ""
    delay_s: float = 0.0
    times: int = 0
    """Strikes so often, then no more; 0 = for ever."""

    def as_error(self) -> EngineError:
        """What ClickHouse would answer."""
        return EngineError(self.code, f"Code: {self.code}. DB::Exception: {self.message} (version 26.9.2.1)")

    def as_dict(self) -> dict[str, object]:
        """For `POST /faults`."""
        return asdict(self)


TOO_MANY_PARTS: Final = Fault(
    "error",
    code=252,
    message="Too many parts (3003 with average size of 1.00 MiB) in table 'default.otel_traces'. Merges are "
    "processing significantly slower than inserts. (TOO_MANY_PARTS)",
)
DISK_FULL: Final = Fault("error", code=243, message="Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)")
OUT_OF_MEMORY: Final = Fault(
    "error", code=241, message="(total) memory limit exceeded: would use 14.2 GiB. (MEMORY_LIMIT_EXCEEDED)"
)
READ_ONLY: Final = Fault("error", code=242, message="Table is in readonly mode (TABLE_IS_READ_ONLY)")
SEVEN_OF_TEN: Final = Fault("error", share=0.7, code=159, message="Timeout exceeded: elapsed 30 s (TIMEOUT_EXCEEDED)")


class Faults:
    """The faults in force. Shared by all threads of the server."""

    def __init__(self, seed: int = 1) -> None:
        self._lock = threading.Lock()
        self._random = random.Random(seed)  # noqa: S311 - which request fails is no secret
        self._faults: list[Fault] = []
        self._struck: list[int] = []

    def set(self, faults: list[Fault]) -> None:
        """Replace the faults in force."""
        with self._lock:
            self._faults, self._struck = faults, [0] * len(faults)

    def strike(self, *, insert: bool) -> Fault | None:
        """The fault that this request meets."""
        with self._lock:
            for at, fault in enumerate(self._faults):
                if fault.on == "insert" and not insert:
                    continue
                if fault.times and self._struck[at] >= fault.times:
                    continue
                if self._random.random() < fault.share:
                    self._struck[at] += 1
                    return fault
        return None
