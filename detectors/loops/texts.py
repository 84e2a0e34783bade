"""What calls look like to people: the texts of the last ones, apart from the calls, which compare by keys."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from detectors.loops.calls import MAX_TEXT, Call

MAX_TEXTS: Final = 16
"""A loop is told when its newest call comes, and its other calls' texts are its own: the last few are enough."""


class Said(NamedTuple):
    """What a finding quotes."""

    arguments: str = ""
    result: str = ""


NOTHING_SAID: Final = Said()


class Texts:
    """Arguments and results by the keys that they compare by, the 16 noted last; each at most 161 characters."""

    __slots__ = ("_texts",)

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def note(self, call: Call, arguments: str, result: str) -> None:
        """Keep the texts of a tool call; what is hidden replaces nothing."""
        texts = self._texts
        for key, text in ((call.arguments_key, arguments), (_result_key(call), result)):
            if text:
                texts.pop(key, None)
                texts[key] = text[: MAX_TEXT + 1]
        while len(texts) > MAX_TEXTS:
            del texts[next(iter(texts))]

    def carry_over(self, told: Call, merged: Call) -> None:
        """Another telling changed the keys of a call: its texts go with it."""
        self.note(merged, self._texts.get(told.arguments_key, ""), self._texts.get(_result_key(told), ""))

    def of(self, first: Call, last: Call, before: Said) -> Said:
        """What a finding of a loop from `first` to `last` quotes; `before`: what it quoted when it was told last."""
        return Said(
            self._texts.get(first.arguments_key, before.arguments), self._texts.get(_result_key(last), before.result)
        )

    def as_list(self) -> list[Any]:
        """Fit for JSON."""
        return list(self._texts.items())

    @staticmethod
    def of_list(fields: list[Any]) -> Texts:
        """The inverse of `as_list`."""
        texts = Texts()
        texts._texts = dict(fields)
        return texts


def _result_key(call: Call) -> str:
    return f"{call.tool}\x01{call.result_key}"
