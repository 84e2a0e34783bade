"""What a fold is: how the events of one key become its state and its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

S = TypeVar("S")
O_co = TypeVar("O_co", covariant=True)


class Fold(Protocol[S, O_co]):
    """Pure: no I/O, no clock, no randomness; never raises on what telemetry can contain.

    `apply` and `advance` change the state they are given in place. Outputs have to be recognisable when they come
    twice: after a crash some are produced again.
    """

    def initial(self, key: str) -> S:
        """The state before any event of a key."""
        ...

    def apply(self, state: S, kind: str, fields: Sequence[Any]) -> Sequence[O_co]:
        """Fold one event; returns what follows from it, in order."""
        ...

    def advance(self, state: S, watermark_unix_nano: int) -> Sequence[O_co]:
        """The key's own clock has come to `watermark_unix_nano` without an event: judge the silence.

        Afterwards `due` should be None or later than the watermark, or the fold is asked again at once.
        """
        ...

    def due(self, state: S) -> int | None:
        """The earliest time on the key's own clock at which `advance` could change anything; None: never."""
        ...

    def expires(self, state: S) -> int:
        """After this time on the key's own clock it is over and may be forgotten, if no event comes."""
        ...

    def encode(self, state: S) -> bytes:
        """The state as bytes."""
        ...

    def decode(self, data: bytes) -> S:
        """The inverse of `encode`."""
        ...
