"""States by key: repeats, the clock, lag, expiry, bounds, restoring."""

from __future__ import annotations

import random
import zlib

import pytest

from pipeline.stages.derived import Derived, Event
from pipeline.stages.inline import NO_CEILING, InlineStage
from pipeline.stages.packing import DEFLATED, LZ4, PACKED, SMALL, ZSTD
from pipeline.stages.states import OBJECT_BYTES, TIMES, KeyedStates, Limits
from tests.stages.folds import Sums, Told

SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND
States = KeyedStates[dict[str, object], Told]


def states(fold: Sums | None = None, **limits: int) -> States:
    return KeyedStates(fold or Sums(), Limits(**limits))


def message(*events: Event, watermark: int = 0, first: int = 0, last: int = 0, source: str = "raw") -> Derived:
    return Derived(source, 0, first, last, watermark, list(events))


def add(key: str, number: int, at: int, offset: int | None = 0) -> Event:
    return Event(key, offset, "add", [number, at], at)


def sums(outputs: list[Told]) -> list[tuple[str, int]]:
    return [(one.key, one.value) for one in outputs if one.kind == "sum"]


def advanced(outputs: list[Told]) -> list[tuple[str, int]]:
    return [(one.key, one.value) for one in outputs if one.kind == "advanced"]


# Repeats


def test_a_message_that_comes_twice_counts_once() -> None:
    one = states()
    told = message(add("a", 1, T0, 5), add("b", 2, T0, 6), first=5, last=6)
    for _ in range(3):
        one.feed(told, NO_CEILING)
    assert sums(one.take_outputs()) == [("a", 1), ("b", 2)]
    assert one.counters.repeated == 4


def test_several_events_of_one_offset_all_count_in_any_order() -> None:
    one = states()
    told = message(add("a", 1, T0, 6), add("a", 2, T0 + 1, 5), add("a", 4, T0 + 2, 6), first=5, last=6)
    one.feed(told, NO_CEILING)
    one.feed(told, NO_CEILING)
    assert sums(one.take_outputs()) == [("a", 1), ("a", 3), ("a", 7)]


def test_sources_count_their_offsets_apart() -> None:
    one = states()
    one.feed(message(add("a", 1, T0, 5), source="raw"), NO_CEILING)
    one.feed(message(add("a", 2, T0, 5), source="other"), NO_CEILING)
    one.feed(Derived("raw", 1, 5, 5, T0, [add("a", 4, T0, 5)]), NO_CEILING)
    assert sums(one.take_outputs()) == [("a", 1), ("a", 3), ("a", 7)]


def test_an_event_without_a_source_offset_always_counts() -> None:
    one = states()
    told = message(add("a", 1, T0, None))
    one.feed(told, NO_CEILING)
    one.feed(told, NO_CEILING)
    assert sums(one.take_outputs()) == [("a", 1), ("a", 2)]


def test_repeats_are_known_after_restoring() -> None:
    before = states()
    before.feed(message(add("a", 1, T0, 5)), NO_CEILING)
    after = states()
    after.load([(k, v) for k, v in before.take_changes() if v is not None])
    after.feed(message(add("a", 1, T0, 5)), NO_CEILING)
    after.feed(message(add("a", 2, T0, 6)), NO_CEILING)
    assert sums(after.take_outputs()) == [("a", 3)]


def test_an_event_that_breaks_the_fold_is_left_out_and_the_next_is_not() -> None:
    one = states()
    one.feed(message(Event("a", 1, "raise", [], T0), add("a", 1, T0, 2)), NO_CEILING)
    assert sums(one.take_outputs()) == [("a", 1)]
    assert one.counters.failed == 1


# The clock


def test_a_key_is_advanced_once_when_its_time_has_come_and_not_before() -> None:
    one = states()
    one.feed(message(add("a", 1, T0), Event("a", 0, "due", [T0 + 5 * SECOND], T0)), NO_CEILING)
    one.advance_to(T0 + 5 * SECOND - 1)
    assert advanced(one.take_outputs()) == []
    one.advance_to(T0 + 6 * SECOND)
    one.advance_to(T0 + 60 * SECOND)
    assert advanced(one.take_outputs()) == [("a", T0 + 6 * SECOND)]


def test_a_due_time_that_moves_earlier_or_later_is_kept() -> None:
    one = states()
    one.feed(message(Event("a", 0, "due", [T0 + 50], T0)), NO_CEILING)
    one.feed(message(Event("a", 1, "due", [T0 + 20], T0)), NO_CEILING)
    one.feed(message(Event("b", 0, "due", [T0 + 20], T0)), NO_CEILING)
    one.feed(message(Event("b", 1, "due", [T0 + 50], T0)), NO_CEILING)
    one.advance_to(T0 + 30)
    assert advanced(one.take_outputs()) == [("a", T0 + 30)]
    one.advance_to(T0 + 60)
    assert advanced(one.take_outputs()) == [("b", T0 + 60)]


def test_the_watermark_never_goes_back() -> None:
    one = states()
    one.feed(message(watermark=T0), NO_CEILING)
    one.feed(message(watermark=T0 - SECOND), NO_CEILING)
    assert one.watermark == T0


def test_the_silence_before_an_event_is_judged_before_the_event() -> None:
    one = states()
    one.feed(message(Event("a", 0, "due", [T0 + 5], T0)), NO_CEILING)
    one.feed(message(add("a", 1, T0 + 10, 1)), NO_CEILING)
    assert [told.kind for told in one.take_outputs()] == ["advanced", "sum"]


def test_a_key_that_is_told_late_is_judged_by_its_own_clock() -> None:
    one = states()
    one.feed(message(add("live", 1, T0)), NO_CEILING)
    day = 86_400 * SECOND
    late = T0 - day
    one.feed(message(add("late", 1, late, 1), Event("late", 1, "due", [late + 5 * SECOND], late)), NO_CEILING)
    assert advanced(one.take_outputs()) == [], "its own five seconds have not passed"
    one.advance_to(T0 + 4 * SECOND)
    assert advanced(one.take_outputs()) == []
    one.advance_to(T0 + 7 * SECOND)
    assert advanced(one.take_outputs()) == [("late", late + 7 * SECOND)]


def test_the_lag_is_that_of_the_keys_last_event() -> None:
    one = states()
    one.feed(message(watermark=T0 + 100 * SECOND), NO_CEILING)
    one.feed(message(add("a", 1, T0, 1)), NO_CEILING)
    now = T0 + 100 * SECOND
    one.feed(message(add("a", 1, now, 2), Event("a", 2, "due", [now + SECOND], now)), NO_CEILING)
    one.advance_to(now + 2 * SECOND)
    assert advanced(one.take_outputs()) == [("a", now + 2 * SECOND)]


def test_a_time_beyond_the_ceiling_counts_as_the_ceiling() -> None:
    one = states()
    ceiling = T0 + 300 * SECOND
    one.feed(message(add("wrong clock", 1, T0 + 10**18), watermark=T0 + 10**18), ceiling)
    assert one.watermark == ceiling


def test_an_event_without_a_time_takes_the_messages_watermark() -> None:
    one = states()
    one.feed(message(watermark=T0), NO_CEILING)
    one.feed(message(Event("a", 1, "due", [T0 - 55 * SECOND]), watermark=T0 - 60 * SECOND), NO_CEILING)
    assert advanced(one.take_outputs()) == []
    one.advance_to(T0 + 5 * SECOND)
    assert advanced(one.take_outputs()) == [("a", T0 - 55 * SECOND)]


def test_a_fold_that_is_always_due_does_not_hang() -> None:
    class Restless(Sums):
        def due(self, state: dict[str, object]) -> int | None:
            return 0

    one = states(Restless())
    one.feed(message(add("a", 1, T0)), NO_CEILING)
    one.advance_to(T0 + SECOND)
    assert 1 <= len(advanced(one.take_outputs())) <= 3
    inline = InlineStage(Restless())
    inline.feed(message(add("a", 1, T0)))
    assert len(inline.finish()) < 1_000


# Expiry and bounds


def test_a_silent_key_is_forgotten_with_a_tombstone() -> None:
    one = states(Sums(quiet_ns=60 * SECOND), recheck_ns=60 * SECOND)
    one.feed(message(add("a", 1, T0, 1)), NO_CEILING)
    one.take_changes()
    one.advance_to(T0 + 59 * SECOND)
    assert (len(one), one.take_changes()) == (1, [])
    one.advance_to(T0 + 61 * SECOND)
    assert (len(one), one.take_changes()) == (0, [("a", None)])


def test_a_key_whose_fold_says_not_yet_is_asked_again() -> None:
    one = states(Sums(quiet_ns=150 * SECOND), recheck_ns=60 * SECOND)
    one.feed(message(add("a", 1, T0, 1)), NO_CEILING)
    for second in range(0, 140, 5):
        one.advance_to(T0 + second * SECOND)
    assert len(one) == 1
    for second in range(140, 200, 5):
        one.advance_to(T0 + second * SECOND)
    assert len(one) == 0


def test_a_late_key_expires_by_its_own_clock() -> None:
    one = states(Sums(quiet_ns=60 * SECOND), recheck_ns=60 * SECOND)
    one.feed(message(watermark=T0), NO_CEILING)
    one.feed(message(add("late", 1, T0 - 10**15, 1)), NO_CEILING)
    one.advance_to(T0 + 30 * SECOND)
    assert len(one) == 1
    one.advance_to(T0 + 62 * SECOND)
    assert len(one) == 0


def test_beyond_its_bound_the_key_longest_untouched_is_forgotten() -> None:
    one = states(max_keys=3)
    for at, key in enumerate(["a", "b", "c", "a", "d"]):
        one.feed(message(add(key, 1, T0 + at, at)), NO_CEILING)
    assert dict(one.take_changes())["b"] is None
    assert {key for key, value in dict(one.take_changes()).items() if value is None} == set()
    assert (len(one), one.counters.evicted) == (3, 1)


def size_of_a_state() -> int:
    """What a state of `Sums` is taken to be as an object, in bytes."""
    one = states()
    one.feed(message(add("a", 1, T0)), NO_CEILING)
    encoded = max(len(data or b"") for _, data in one.take_changes())
    return OBJECT_BYTES + int(TIMES * encoded)


def test_only_states_of_a_bounded_size_stay_decoded() -> None:
    fold = Sums()
    one = states(fold, max_decoded_bytes=size_of_a_state() * 5 // 2)
    for at, key in enumerate("abcd"):
        one.feed(message(add(key, 1, T0, at)), NO_CEILING)
    one.take_changes()
    for at, key in enumerate("abcd"):
        one.feed(message(add(key, 10, T0, 10 + at)), NO_CEILING)
    assert sums(one.take_outputs())[4:] == [(key, 11) for key in "abcd"]
    assert fold.decoded == 2, "two of the four were still decoded"


def test_a_packed_key_is_forgotten_in_time_and_not_decoded_for_it() -> None:
    fold = Sums(quiet_ns=60 * SECOND)
    one = states(fold, max_decoded_bytes=0, recheck_ns=10 * SECOND)
    one.feed(message(add("quiet", 1, T0)), NO_CEILING)
    one.drop_changes()
    one.advance_to(T0 + 59 * SECOND)
    assert len(one) == 1
    one.advance_to(T0 + 80 * SECOND)
    assert (len(one), one.counters.expired, fold.decoded) == (0, 1, 0)


def test_restoring_decodes_nothing_until_a_key_is_due() -> None:
    before = states()
    for at in range(50):
        due = Event(f"k{at}", at, "due", [T0 + 10 * SECOND + at], T0)
        before.feed(message(add(f"k{at}", at, T0, at), due), NO_CEILING)
    fold = Sums()
    after = states(fold)
    after.load([(k, v) for k, v in before.take_changes() if v is not None])
    assert (fold.decoded, len(after), after.watermark) == (0, 50, T0)
    after.advance_to(T0 + 10 * SECOND + 4)
    assert [key for key, _ in advanced(after.take_outputs())] == ["k0", "k1", "k2", "k3", "k4"]
    assert fold.decoded == 5


def test_a_state_that_cannot_be_read_begins_anew() -> None:
    one = states()
    one.load([("a", b'[null,0,0,{"raw:0":1}]\nnot json')])
    one.feed(message(add("a", 1, T0, 2)), NO_CEILING)
    assert sums(one.take_outputs()) == [("a", 1)]


def test_small_states_are_packed_by_lz4_and_large_ones_by_zstd_and_both_are_read() -> None:
    one = states(max_decoded_bytes=0)
    big = "a" * (2 * SMALL)
    one.feed(message(add("small", 1, T0), add(big, 1, T0)), NO_CEILING)
    one.take_changes()
    packed = dict(one.take_packed())
    assert packed["small"].startswith(LZ4)
    assert packed[big].startswith(ZSTD)
    again = states()
    again.load(packed.items())
    again.feed(message(add("small", 10, T0, 7), add(big, 10, T0, 7), first=7, last=7), NO_CEILING)
    assert sums(again.take_outputs()) == [("small", 11), (big, 11)]


def test_states_that_an_older_version_deflated_are_read() -> None:
    one = states()
    one.feed(message(add("a", 1, T0)), NO_CEILING)
    [(key, data)] = one.take_changes()
    assert data is not None
    again = states()
    again.load([(key, DEFLATED + zlib.compress(data, 1))])
    again.feed(message(add("a", 10, T0, 7), first=7, last=7), NO_CEILING)
    assert sums(again.take_outputs()) == [("a", 11)]


# Laws


@pytest.mark.parametrize("seed", range(20))
def test_restoring_at_any_point_changes_nothing(seed: int) -> None:
    rnd = random.Random(seed)
    told = []
    for offset in range(60):
        at = T0 + offset * SECOND - rnd.choice([0, 0, 500, 5_000]) * SECOND
        key = rnd.choice("abcde")
        events = [add(key, rnd.randrange(10), at, offset)]
        if rnd.random() < 0.5:
            events.append(Event(key, offset, "due", [at + rnd.randrange(20) * SECOND], at))
        told.append(message(*events, watermark=at))
    undisturbed = states(Sums(quiet_ns=30 * SECOND), recheck_ns=30 * SECOND)
    disturbed = states(Sums(quiet_ns=30 * SECOND), recheck_ns=30 * SECOND)
    outputs: list[Told] = []
    stored: dict[str, bytes] = {}
    for one in told:
        undisturbed.feed(one, NO_CEILING)
        disturbed.feed(one, NO_CEILING)
        if rnd.random() < 0.3:
            outputs += disturbed.take_outputs()
            for key, value in disturbed.take_changes():
                stored.pop(key, None)
                if value is not None:
                    stored[key] = value
            watermark = disturbed.watermark
            disturbed = KeyedStates(
                Sums(quiet_ns=30 * SECOND), Limits(recheck_ns=30 * SECOND), watermark_unix_nano=watermark
            )
            disturbed.load(stored.items())
    assert sorted(outputs + disturbed.take_outputs()) == sorted(undisturbed.take_outputs())


def test_the_heap_stays_small_whatever_due_times_do() -> None:
    one = states()
    for offset in range(20_000):
        one.feed(message(Event("a", offset, "due", [T0 + 10**15 - offset], T0)), NO_CEILING)
    assert len(one._heap) < 2_000


# In memory


def test_finish_asks_each_key_at_exactly_its_time() -> None:
    inline = InlineStage(Sums())
    assert sums(inline.feed(message(add("a", 1, T0), Event("a", 0, "due", [T0 + 5 * SECOND], T0)))) == [("a", 1)]
    inline.feed(message(Event("b", 0, "due", [T0 + 3 * SECOND], T0)))
    assert advanced(inline.finish()) == [("b", T0 + 3 * SECOND), ("a", T0 + 5 * SECOND)]
    assert inline.finish() == []


def test_finish_goes_no_further_than_its_horizon() -> None:
    inline = InlineStage(Sums())
    inline.feed(message(Event("a", 0, "due", [T0 + 5 * SECOND], T0)))
    assert inline.finish(horizon_ns=4 * SECOND) == []
    assert len(inline) == 1


def test_in_memory_silent_keys_are_forgotten() -> None:
    inline = InlineStage(Sums(quiet_ns=60 * SECOND), Limits(recheck_ns=60 * SECOND))
    for at in range(1_000):
        inline.feed(message(add(f"session-{at}", 1, T0 + at * SECOND, at)))
    assert len(inline) < 70


def test_in_memory_a_wrong_clock_is_bounded_by_the_ceiling() -> None:
    inline = InlineStage(Sums(), ceiling_unix_nano=T0)
    inline.feed(message(add("a", 1, T0 + 10**18)))
    assert inline.watermark_unix_nano == T0


def test_states_not_used_lately_are_packed_and_go_on_where_they_were() -> None:
    few, many = states(max_decoded_bytes=size_of_a_state() * 5 // 2), states()
    stored: dict[str, bytes] = {}
    for number in range(80):
        told = message(add(f"k{number % 20}", number, T0 + number, number), first=number, last=number)
        few.feed(told, NO_CEILING)
        many.feed(told, NO_CEILING)
        stored |= {key: data for key, data in few.take_changes() if data is not None}
        stored |= dict(few.take_packed())
        many.take_changes()
    assert few.take_outputs() == many.take_outputs()
    assert sum(data.startswith(PACKED) for data in stored.values()) == 18
    again = states(max_decoded_bytes=size_of_a_state() * 5 // 2)
    again.load(stored.items())
    last = message(add("k3", 1_000, T0 + 100, 100), first=100, last=100)
    again.feed(last, NO_CEILING)
    many.feed(last, NO_CEILING)
    assert sums(again.take_outputs()) == sums(many.take_outputs()) == [("k3", 3 + 23 + 43 + 63 + 1_000)]
