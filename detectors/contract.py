"""What a detector is. Hosts (the stream, replay, tests) know detectors only through this."""

from __future__ import annotations

from typing import Generic, NamedTuple, Protocol, TypeVar

from schemas.finding import Finding

S = TypeVar("S")
E_contra = TypeVar("E_contra", contravariant=True)


class Step(NamedTuple, Generic[S]):
    """What follows one observation: the new state and the findings' new revisions, in order."""

    state: S
    findings: tuple[Finding, ...] = ()


class Detector(Protocol[S, E_contra]):
    """One rule with its parameters, folding the events of one key.

    Laws (one conformance suite for every detector): deterministic; bounded state, the bound in the class
    docstring; resumable (`decode(encode(state))` at any point changes nothing); key-local; honest (evidence
    names what was seen); quiet on a constant healthy stream; total (never raises on any event).

    `observe` and `advance` may mutate and return the state they are given: the caller must not use the
    state it handed over, and may not assume that a new object came back.
    """

    name: str

    def initial(self) -> S:
        """The state before any event of a key."""
        ...

    def observe(self, state: S, event: E_contra) -> Step[S]:
        """Fold one event. Events may come late, twice and out of order."""
        ...

    def advance(self, state: S, watermark_unix_nano: int) -> Step[S]:
        """Event time has passed `watermark_unix_nano` for this key: judge silence, close, resolve."""
        ...

    def due(self, state: S) -> int | None:
        """The earliest watermark at which `advance` could change anything; None = never."""
        ...

    def encode(self, state: S) -> bytes:
        """The state as bytes; equal states give equal bytes."""
        ...

    def decode(self, data: bytes) -> S:
        """The inverse of `encode`."""
        ...
