"""Intervals against SciPy's, their coverage, and what is concluded from them."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from query.statistics import (
    CONFIDENCE,
    Change,
    Estimate,
    difference,
    mean,
    quantile_s,
    ratio,
    share,
    verdict,
    z_of,
)
from schemas.histogram import bucket

SAME = (1 / 1.1, 1.1)


@pytest.mark.parametrize(("part", "n"), [(0, 20), (1, 20), (10, 20), (20, 20), (3, 1000), (999, 1000)])
def test_a_share_has_wilsons_interval(part: int, n: int) -> None:
    estimate = share(part, n)
    wanted = stats.binomtest(part, n).proportion_ci(CONFIDENCE, method="wilson")
    assert (estimate.low, estimate.high) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_the_interval_of_a_mean_is_the_normal_one() -> None:
    random_ = random.Random(1)
    values = [random_.gauss(10, 3) for _ in range(200)]
    estimate = mean(len(values), sum(values), sum(v * v for v in values))
    low, high = stats.norm.interval(CONFIDENCE, loc=sum(values) / 200, scale=stats.sem(values))
    assert (estimate.low, estimate.high) == pytest.approx((low, high))


@pytest.mark.parametrize("q", [0.5, 0.95])
def test_the_interval_of_a_quantile_covers_the_true_one_as_often_as_it_says(q: float) -> None:
    random_ = random.Random(2)
    true_s = math.exp(stats.norm.ppf(q) * 0.5)
    covered = 0
    for _ in range(400):
        histogram: dict[int, int] = {}
        for _ in range(400):
            at = bucket(int(random_.lognormvariate(0, 0.5) * 1e9))
            histogram[at] = histogram.get(at, 0) + 1
        estimate = quantile_s(histogram, q)
        covered += estimate.low <= true_s <= estimate.high
    assert covered / 400 >= CONFIDENCE - 0.01


def test_a_quantile_of_few_observations_has_no_end() -> None:
    estimate = quantile_s({bucket(10**9): 30}, 0.95)
    assert (estimate.n, estimate.high) == (30, math.inf)
    assert math.isnan(quantile_s({}, 0.5).value)


def test_equal_sides_are_seldom_called_different() -> None:
    random_ = random.Random(3)
    wrong = 0
    for _ in range(1000):
        before, after = (share(sum(random_.random() < 0.1 for _ in range(300)), 300) for _ in range(2))
        wrong += verdict(before, after, difference(before, after), (-0.005, 0.005)) in ("worse", "better")
    assert wrong / 1000 <= 1.5 * (1 - CONFIDENCE)


@pytest.mark.parametrize(
    ("change", "n", "word"),
    [
        (Change(2.0, 1.5, 2.5), 100, "worse"),
        (Change(0.5, 0.4, 0.6), 100, "better"),
        (Change(1.0, 0.95, 1.05), 100, "same"),
        (Change(1.02, 1.01, 1.03), 100, "same"),
        (Change(1.05, 1.01, 1.2), 100, "insufficient data"),
        (Change(1.0, 0.5, 2.0), 100, "insufficient data"),
        (Change(2.0, 1.5, math.inf), 100, "worse"),
        (Change(0.5, 0.0, 0.6), 100, "better"),
        (Change(1.0, 0.0, math.inf), 100, "insufficient data"),
        (Change(math.nan, math.nan, math.nan), 100, "insufficient data"),
        (Change(2.0, 1.5, 2.5), 19, "insufficient data"),
    ],
)
def test_what_may_be_said_of_a_change(change: Change, n: int, word: str) -> None:
    side = Estimate(1.0, 0.9, 1.1, n)
    assert verdict(side, side, change, SAME) == word


def test_constant_durations_have_a_narrow_ratio_or_where_they_are_few_none_at_all() -> None:
    constant = quantile_s({bucket(10**9): 500}, 0.95)
    many = ratio(constant, constant)
    assert (many.size, verdict(constant, constant, many, SAME)) == (1.0, "same")
    few = ratio(quantile_s({bucket(10**9): 40}, 0.95), quantile_s({bucket(10**9): 40}, 0.95))
    assert few.high == math.inf
    assert few.low <= few.size


def test_more_comparisons_make_wider_intervals() -> None:
    assert z_of(1) == pytest.approx(2.5758, abs=1e-4)
    assert z_of(100) > z_of(10) > z_of(1)


numbers = st.floats(0.001, 1000)


@given(numbers, numbers, numbers, numbers)
def test_a_ratio_lies_within_its_interval_and_turns_with_the_sides(a: float, b: float, spread: float, n: float) -> None:
    before, after = Estimate(a, a / (1 + spread), a * (1 + spread), 50), Estimate(b, b / (1 + n), b * (1 + n), 50)
    there, back = ratio(before, after), ratio(after, before)
    assert there.low <= there.size <= there.high
    assert (there.low, there.high) == pytest.approx((1 / back.high, 1 / back.low), rel=1e-6)
