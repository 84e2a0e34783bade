"""Minutes of a series: told again as they grow, never replaced by less."""

from collections.abc import Iterable
from typing import Any

from pipeline import wire
from pipeline.detect import DetectorFold
from pipeline.minutes import OPEN_MINUTES, SeriesFold, SeriesMinute, SeriesState
from schemas.facts import Slice

MINUTE = 60
T0 = 1_780_000_020


def slice_at(minute: int, count: int = 1, version: str = "1") -> Slice:
    return Slice("s", "op", "", version, T0 + minute * MINUTE, count, 0, count, {3: count}, {}, 1, 0, 0.0, ())


def fold_all(fold: SeriesFold, state: SeriesState, slices: Iterable[Slice]) -> list[SeriesMinute]:
    told: list[Any] = []
    for one in slices:
        told += fold.apply(state, "slice", wire.to_fields(one))
    return [one for one in told if isinstance(one, SeriesMinute)]


def new() -> tuple[SeriesFold, SeriesState]:
    fold = SeriesFold(DetectorFold((), 10**15))
    return fold, fold.initial("s")


def stored(told: list[SeriesMinute]) -> dict[tuple[int, int], int]:
    """What ReplacingMergeTree(Version = count) keeps: (minute, part) -> count."""
    kept: dict[tuple[int, int], int] = {}
    for one in told:
        key = (one.total.minute_unix_s, one.part)
        kept[key] = max(kept.get(key, 0), one.total.count)
    return kept


def test_a_minute_grows_with_each_slice() -> None:
    fold, state = new()
    told = fold_all(fold, state, [slice_at(0, 2), slice_at(0, 3)])
    assert [m.total.count for m in told] == [2, 5]
    assert told[-1].total.histogram == {3: 5}


def test_the_slots_of_a_minute_are_one_row() -> None:
    fold, state = new()
    told = fold_all(fold, state, [slice_at(0)._replace(second=second) for second in (0, 15, 45)])
    assert [(m.total.count, m.total.second, m.part) for m in told] == [(1, 0, 0), (2, 0, 0), (3, 0, 0)]


def test_late_slices_open_a_further_part_and_nothing_is_lost() -> None:
    fold, state = new()
    minutes = [0, *range(1, 3 * OPEN_MINUTES), 0, 1, 0]
    told = fold_all(fold, state, [slice_at(m, 1 + m % 3) for m in minutes])
    assert sum(stored(told).values()) == sum(1 + m % 3 for m in minutes)
    assert len(state.minutes) <= OPEN_MINUTES


def test_versions_of_a_minute_stand_apart() -> None:
    fold, state = new()
    told = fold_all(fold, state, [slice_at(0, 1, "1"), slice_at(0, 1, "2"), slice_at(0, 1, "1")])
    assert [(m.total.service_version, m.total.count) for m in told] == [("1", 1), ("2", 1), ("1", 2)]


def test_the_state_survives_its_bytes() -> None:
    fold, state = new()
    fold_all(fold, state, [slice_at(0), slice_at(1)])
    again = fold.decode(fold.encode(state))
    assert fold.encode(again) == fold.encode(state)
    assert [m.total.count for m in fold_all(fold, again, [slice_at(1, 4)])] == [5]
