"""The states of one partition's keys and the clock they live by: what the live stage and its in-memory twin share.

The clock is event time. The partition's watermark is the latest event time seen; it never goes back. A key's own
clock is the watermark less the key's lag, and the lag is noted when an event of the key arrives: how far the event's
time stood behind the watermark. So a recording posted a day late is judged by its own clock, not by today's.

Bounds: `Limits.max_keys` keys (the one longest untouched is forgotten first); those used last are objects, in
`Limits.max_decoded_bytes`.
"""

from __future__ import annotations

import heapq
import logging
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

import orjson

from pipeline.stages.derived import Derived, Event
from pipeline.stages.fold import Fold
from pipeline.stages.packing import PACKED, packed, unpacked

S = TypeVar("S")
O = TypeVar("O")  # noqa: E741 - outputs

HOUR_NS: Final = 3_600_000_000_000
SETTLE_ROUNDS: Final = 64
_HEAP_SLACK: Final = 1_000
UNKNOWN_BYTES: Final = 8_192
"""How long a state is taken to be that was never encoded."""
OBJECT_BYTES: Final = 3_072
TIMES: Final = 4.5
"""States of sessions of 1 to 54 events take 3 kB and 4.5 times as much as objects as they are long encoded."""

_log = logging.getLogger(__name__)


class Limits(NamedTuple):
    """Bounds of one partition's states."""

    max_keys: int = 200_000
    max_decoded_bytes: int = 64 * 1024 * 1024
    """Of the states of keys used last, as objects (estimated); all others are held as packed bytes."""
    recheck_ns: int = HOUR_NS
    """How long a key has to be untouched before the fold is asked whether it expired."""


DEFAULT_LIMITS: Final = Limits()


class Counters:
    """What happened to the events of one partition since it was opened."""

    __slots__ = ("applied", "evicted", "expired", "failed", "repeated")

    def __init__(self) -> None:
        self.applied = self.repeated = self.failed = self.expired = self.evicted = 0


class _Key(Generic[S]):
    """One key: its state, decoded or not, and when it wants to be asked again (times of the partition's watermark)."""

    __slots__ = (
        "check_at", "data", "due", "expires", "lag", "scheduled", "sources", "state", "touched", "weight_bytes",
    )  # fmt: skip

    def __init__(self) -> None:
        self.state: S | None = None
        self.data: bytes | None = None
        self.due: int | None = None
        self.expires: int | None = None
        """As the fold told when the state became `data`; None: it was not asked yet."""
        self.sources: dict[str, int] = {}
        self.lag = 0
        self.touched = 0
        self.check_at = 0
        self.scheduled: int | None = None
        self.weight_bytes = _weight_bytes(UNKNOWN_BYTES)
        """Of the state as an object, by its length when it was encoded last."""


class KeyedStates(Generic[S, O]):
    """Folds derived messages; synchronous and without I/O."""

    def __init__(self, fold: Fold[S, O], limits: Limits = DEFAULT_LIMITS, watermark_unix_nano: int = 0) -> None:
        self._fold = fold
        self._limits = limits
        self._recheck_ns = limits.recheck_ns
        self._keys: OrderedDict[str, _Key[S]] = OrderedDict()
        self._used: dict[str, _Key[S]] = {}
        """Those that the messages being folded have used: they are the last in `_keys` already."""
        self._decoded: OrderedDict[str, None] = OrderedDict()
        self._decoded_bytes = 0
        self._dirty: dict[str, None] = {}
        self._packed: dict[str, bytes] = {}
        self._heap: list[tuple[int, str]] = []
        self._outputs: list[O] = []
        self.watermark = watermark_unix_nano
        self.counters = Counters()

    def __len__(self) -> int:
        return len(self._keys)

    # Folding

    def feed(self, message: Derived, ceiling_unix_nano: int) -> None:
        """Fold one message. No time in it counts for more than the ceiling: clocks of producers can be wrong."""
        self.merge([(message.origin, message.events)], message.watermark_unix_nano, ceiling_unix_nano)

    def merge(
        self, runs: Sequence[tuple[str, Sequence[Event]]], watermark_unix_nano: int, ceiling_unix_nano: int
    ) -> None:
        """Fold the events of several messages as those of one: (origin, events), one run after the other.

        All events of a source offset are among them, and with them all of lower offsets that have not come before.
        """
        applied: dict[str, dict[str, int]] = {}
        for origin, events in runs:
            latest = applied.setdefault(origin, {})
            for key, offset, kind, fields, time_unix_nano in events:
                at = min(time_unix_nano or watermark_unix_nano or self.watermark, ceiling_unix_nano)
                if at > self.watermark:
                    self.advance_to(at)
                one = self._used.get(key) or self._use(key)
                if offset is not None:
                    if offset <= one.sources.get(origin, -1):
                        self.counters.repeated += 1
                        continue
                    if offset > latest.get(key, -1):
                        latest[key] = offset
                self._apply(key, one, kind, fields, at)
        self._used.clear()
        # only now: there may be several events of one offset, and not in the order of offsets
        for origin, latest in applied.items():
            for key, offset in latest.items():
                if (found := self._keys.get(key)) is not None:
                    found.sources[origin] = offset
        self.advance_to(min(watermark_unix_nano, ceiling_unix_nano))
        self._run_due()

    def _apply(self, key: str, one: _Key[S], kind: str, fields: Sequence[Any], at: int) -> None:
        state = self._state(key, one) if one.state is None else one.state
        try:
            outputs = self._fold.apply(state, kind, fields)
            self.counters.applied += 1
            if outputs:
                self._outputs += outputs
        except Exception:
            # the contract forbids it; one event that breaks it must not stop all the others for ever
            self.counters.failed += 1
            _log.exception("a %s event could not be folded and was left out", kind)
        one.touched = watermark = self.watermark
        one.lag = watermark - at
        one.check_at = watermark + self._recheck_ns + 1
        self._dirty[key] = None
        due = one.due = self._fold.due(state)
        if due is not None or one.scheduled is None:  # else it is scheduled for a time before `check_at`
            self._schedule(key, one, due)

    def _advance(self, state: S, own: int) -> None:
        try:
            self._outputs += self._fold.advance(state, own)
        except Exception:
            self.counters.failed += 1
            _log.exception("a key could not be advanced")

    def advance_to(self, watermark_unix_nano: int) -> None:
        """Event time has come to here at least: judge the silence of every key whose time has come."""
        if watermark_unix_nano > self.watermark:
            self.watermark = watermark_unix_nano
            self._run_due()

    def settle(self, horizon_ns: int) -> None:
        """Let time pass without events until nothing is due, at most `horizon_ns` of it.

        Each key is asked at exactly the times it wants, as it would be in a quiet hour.
        """
        end = self.watermark + horizon_ns
        for _ in range(SETTLE_ROUNDS * (len(self._keys) + 1)):
            if not self._heap or self._heap[0][0] > end:
                return
            self.watermark = max(self.watermark, self._heap[0][0])
            self._run_due()
        _log.warning("a fold asks to be advanced again and again; what it still wants is left out")

    def _run_due(self) -> None:
        while self._heap and self._heap[0][0] <= self.watermark:
            at, key = heapq.heappop(self._heap)
            one = self._keys.get(key)
            if one is None or one.scheduled != at:
                continue
            one.scheduled = None
            own = self.watermark - one.lag
            if one.state is not None or one.expires is None or (one.due is not None and one.due <= own):
                self._ask(key, one, own)
            if self.watermark >= one.check_at:
                expires = one.expires if one.state is None else self._fold.expires(one.state)
                if expires is not None and own > expires:
                    self.counters.expired += 1
                    self._forget(key)
                    continue
                one.check_at = self.watermark + max(1, self._recheck_ns // 4)
            self._schedule(key, one, one.due)

    def _ask(self, key: str, one: _Key[S], own: int) -> None:
        """Let the fold judge the silence if it wants to."""
        state = self._state(key, one)
        one.due = self._fold.due(state)
        if one.due is not None and one.due <= own:
            self._advance(state, own)
            self._dirty[key] = None
            due = self._fold.due(state)
            one.due = None if due is None else max(due, own + 1)

    def _schedule(self, key: str, one: _Key[S], due: int | None) -> None:
        at = one.check_at if due is None else min(one.check_at, due + one.lag)
        if one.scheduled is None or at < one.scheduled:
            # a later time needs no new entry: the key is asked at the earlier one and scheduled anew
            one.scheduled = at
            heapq.heappush(self._heap, (at, key))
            if len(self._heap) > 2 * len(self._keys) + _HEAP_SLACK:
                self._heap = [(k.scheduled, name) for name, k in self._keys.items() if k.scheduled is not None]
                heapq.heapify(self._heap)

    # Keys

    def _use(self, key: str) -> _Key[S]:
        """The key, as the one used last."""
        one = self._keys.get(key)
        if one is not None:
            self._keys.move_to_end(key)
            if one.state is not None:
                self._decoded.move_to_end(key)
        else:
            while len(self._keys) >= self._limits.max_keys:
                self.counters.evicted += 1
                self._forget(next(iter(self._keys)))
            one = self._keys[key] = _Key()
        self._used[key] = one
        return one

    def _state(self, key: str, one: _Key[S]) -> S:
        if one.state is None:
            one.state = self._fold.initial(key) if one.data is None else self._decode(key, one.data)
            self._decoded[key] = None
            self._decoded_bytes += one.weight_bytes
        else:
            self._decoded.move_to_end(key)
        return one.state

    def _decode(self, key: str, data: bytes) -> S:
        try:
            data = unpacked(data)
            return self._fold.decode(data[data.index(b"\n") + 1 :])
        except Exception:
            # written by another version, say: better to begin anew than to stop
            self.counters.failed += 1
            _log.exception("a stored state could not be read; its key begins anew")
            return self._fold.initial(key)

    def _forget(self, key: str) -> None:
        one = self._keys.pop(key)
        self._used.pop(key, None)
        if one.state is not None:
            del self._decoded[key]
            self._decoded_bytes -= one.weight_bytes
        self._dirty[key] = None

    # What came of it

    def take_outputs(self) -> list[O]:
        """Outputs since they were last taken, in order."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def take_changes(self) -> list[tuple[str, bytes | None]]:
        """Keys that changed since changes were last taken, with their state as bytes; None: the key is forgotten."""
        changes: list[tuple[str, bytes | None]] = []
        for key in self._dirty:
            one = self._keys.get(key)
            if one is None:
                changes.append((key, None))
            elif one.state is not None:
                changes.append((key, self._encode(one, one.state)))
        self._dirty.clear()
        self._shrink(encoded=True)
        return changes

    def drop_changes(self) -> None:
        """Forget which keys changed: for a host that stores nothing."""
        self._dirty.clear()
        self._shrink(encoded=False)
        self._packed.clear()

    def take_packed(self) -> list[tuple[str, bytes]]:
        """Keys whose bytes were packed since this was last asked, for a host that holds those bytes too."""
        taken, self._packed = self._packed, {}
        return list(taken.items())

    @property
    def telling(self) -> bool:
        """Whether there are outputs to take."""
        return bool(self._outputs)

    @property
    def pending(self) -> bool:
        """Whether there are outputs or changes to take."""
        return bool(self._outputs or self._dirty)

    def _shrink(self, *, encoded: bool) -> None:
        """Keep the states used last as objects; all others become packed bytes, a tenth of the size and less.

        `encoded`: what each key holds as bytes is its state as it is now.
        """
        while self._decoded_bytes > self._limits.max_decoded_bytes:
            key, _ = self._decoded.popitem(last=False)
            one = self._keys[key]
            data = one.data if encoded else None
            if data is None and one.state is not None:
                data = self._encode(one, one.state)
            self._decoded_bytes -= one.weight_bytes
            if data is not None and not data.startswith(PACKED):
                data = self._packed[key] = packed(data)
            one.data, one.state = data, None

    def _encode(self, one: _Key[S], state: S) -> bytes:
        data = one.data = _envelope(one, self._fold.encode(state), self._fold.due(state))
        one.expires = self._fold.expires(state)
        weight_bytes = _weight_bytes(len(data))
        self._decoded_bytes += weight_bytes - one.weight_bytes
        one.weight_bytes = weight_bytes
        return data

    def load(self, stored: Iterable[tuple[str, bytes]]) -> None:
        """Take over what `take_changes` gave away before; nothing is decoded but when each key is due."""
        for key, data in stored:
            plain = unpacked(data)
            due_at, lag, touched, sources = orjson.loads(plain[: plain.index(b"\n")])
            one = self._keys[key] = _Key()
            one.data, one.sources, one.lag, one.touched = data, sources, lag, touched
            one.weight_bytes = _weight_bytes(len(plain))
            one.check_at = touched + self._recheck_ns + 1
            one.due = None if due_at is None else due_at - lag
            self._schedule(key, one, one.due)
            # the watermark itself is stored elsewhere, and less often
            self.watermark = max(self.watermark, touched)


def _weight_bytes(encoded_bytes: int) -> int:
    return OBJECT_BYTES + int(TIMES * encoded_bytes)


def _envelope(one: _Key[Any], body: bytes, due: int | None) -> bytes:
    """What the host has to know of a key without decoding it, a newline, the state."""
    due_at = None if due is None else due + one.lag
    return orjson.dumps([due_at, one.lag, one.touched, one.sources]) + b"\n" + body
