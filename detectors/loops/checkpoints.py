"""Copies of a session's fold from a short while ago.

A call that comes a little late is put in its place by folding a few calls again, and not the whole window. Copies
change no result, so they are not part of the encoded state.
"""

from __future__ import annotations

from typing import Final

from detectors.loops.session import Session

SPACING: Final = 12
"""Calls between two copies: a copy costs as much as two calls."""
KEPT: Final = 5


class Checkpoints:
    """The fold of the first n calls of the window, for a few n."""

    __slots__ = ("_copies", "_dropped", "_since")

    def __init__(self) -> None:
        self._copies: list[tuple[int, Session]] = []
        """How many calls were folded, those counted that have left the window since; and the fold of them."""
        self._dropped = 0
        self._since = 0

    def note(self, folded: int, session: Session) -> None:
        """The session is now the fold of the first `folded` calls of the window; called after every call in order."""
        self._since += 1
        if self._since >= SPACING and not session.loops:
            self._since = 0
            self._copies.append((self._dropped + folded, session.copy()))
            del self._copies[:-KEPT]

    def dropped_first(self) -> None:
        """The first call of the window has gone into what comes before it."""
        self._dropped += 1
        if self._copies and self._copies[0][0] <= self._dropped:
            del self._copies[0]

    def latest_before(self, index: int) -> tuple[int, Session] | None:
        """The longest fold that ends before the call at `index`, yours to go on with; later ones are forgotten."""
        while self._copies and self._copies[-1][0] > self._dropped + index:
            self._copies.pop()
        self._since = 0
        if not self._copies:
            return None
        folded, session = self._copies[-1]
        return folded - self._dropped, session.copy()

    def clear(self) -> None:
        """The window has changed in more than one place."""
        self._copies.clear()
        self._since = 0
