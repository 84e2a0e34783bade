"""What is remembered of a service: the calls that sessions failed on, and which sessions those were."""

from __future__ import annotations

from typing import Any, Final

import orjson

MAX_ITEMS: Final = 64
MAX_SESSIONS: Final = 20
"""Of one call: the first 4 and the last 16."""
KEPT_FIRST: Final = 4
MAX_TOLD: Final = 128


class Failing:
    """One session that failed on a call."""

    __slots__ = ("call_id", "first", "last", "moved", "session_id", "span_id", "trace_id", "version")

    def __init__(self, session_id: str, first: int, place: tuple[str, str, str], version: str) -> None:
        self.session_id = session_id
        self.first = first
        """End of its first failure; nanoseconds since 1970, as all times here."""
        self.last = first
        """The last that was seen of the session."""
        self.moved = 0
        """Successful calls since it failed last."""
        self.trace_id, self.span_id, self.call_id = place
        self.version = version

    def as_list(self) -> list[Any]:
        """Fit for JSON."""
        return [getattr(self, name) for name in self.__slots__]

    @staticmethod
    def of_list(fields: list[Any]) -> Failing:
        """The inverse of `as_list`."""
        one = Failing("", 0, ("", "", ""), "")
        for name, value in zip(Failing.__slots__, fields, strict=True):
            setattr(one, name, value)
        return one


class Item:
    """One call, by tool and arguments, that fails with one error."""

    __slots__ = (
        "arguments",
        "detected",
        "dropped",
        "error",
        "mark",
        "result",
        "sessions",
        "severity",
        "strength",
        "told_count",
        "tool",
    )  # fmt: skip

    def __init__(self, tool: str, error: str) -> None:
        self.tool = tool
        self.error = error
        self.arguments = ""
        self.result = ""
        self.strength = 0
        self.sessions: list[Failing] = []
        """In order of their first failure."""
        self.dropped = 0
        """Sessions between the first and the last ones that are no longer held."""
        self.mark = ""
        """Fingerprint of the finding that is open; "" = none is."""
        self.severity = -1
        self.detected = 0
        """The failure at which the present severity was reached."""
        self.told_count = 0

    @property
    def last(self) -> int:
        """When something was seen last of a session that failed on it."""
        return max((one.last for one in self.sessions), default=0)

    def as_list(self) -> list[Any]:
        """Fit for JSON."""
        fields = [getattr(self, name) for name in self.__slots__]
        fields[self.__slots__.index("sessions")] = [one.as_list() for one in self.sessions]
        return fields

    @staticmethod
    def of_list(fields: list[Any]) -> Item:
        """The inverse of `as_list`."""
        item = Item("", "")
        for name, value in zip(Item.__slots__, fields, strict=True):
            setattr(item, name, [Failing.of_list(one) for one in value] if name == "sessions" else value)
        return item


class RetryState:
    """One service.

    At most 64 calls of 20 sessions and two texts of 160 characters each: under 600 KB encoded, usually a few.
    """

    __slots__ = ("items", "service_name", "sessions", "told")

    def __init__(self) -> None:
        self.service_name = ""
        self.items: dict[str, Item] = {}
        """By tool and arguments, the one touched longest ago first."""
        self.sessions: dict[str, list[str]] = {}
        """Session -> the calls that it failed on: a function of `items`."""
        self.told: dict[str, int] = {}
        """Fingerprint -> revision of the last telling, for those that may come back."""

    def join(self, session_id: str, call: str) -> None:
        """The session failed on the call."""
        self.sessions.setdefault(session_id, []).append(call)

    def leave(self, session_id: str, call: str) -> None:
        """The session is no longer held for the call."""
        calls = self.sessions[session_id]
        calls.remove(call)
        if not calls:
            del self.sessions[session_id]

    def encode(self) -> bytes:
        """JSON without a newline."""
        items = [[call, item.as_list()] for call, item in self.items.items()]
        return orjson.dumps([self.service_name, items, list(self.told.items())])

    @staticmethod
    def decode(data: bytes) -> RetryState:
        """The inverse of `encode`."""
        state = RetryState()
        state.service_name, items, told = orjson.loads(data)
        state.told = dict(told)
        state.items = {call: Item.of_list(fields) for call, fields in items}
        for call, item in state.items.items():
            for one in item.sessions:
                state.join(one.session_id, call)
        return state
