"""Intervals against the central limit theorem, and tests against known effects."""

import numpy as np
import pytest

from jaxrec.metrics.bootstrap import intervals, linearised, paired_test


def test_interval_is_that_of_the_normal_approximation():
    values = np.random.default_rng(0).exponential(size=4000)
    (low, high) = intervals({"x": values}, resamples=2000)["x"]
    half = 1.96 * values.std() / len(values) ** 0.5
    assert low == pytest.approx(values.mean() - half, abs=0.2 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.2 * half)
    narrow = intervals({"x": values}, confidence=0.5, resamples=2000)["x"]
    assert low < narrow[0] < values.mean() < narrow[1] < high


def test_intervals_are_seeded_and_shared_by_all_metrics():
    values = np.random.default_rng(0).random(100)
    both = intervals({"a": values, "b": 2 * values}, resamples=50, seed=3)
    assert both == intervals({"a": values, "b": 2 * values}, resamples=50, seed=3)
    assert both["b"] == pytest.approx(tuple(2 * x for x in both["a"]))
    assert intervals({"a": values}, resamples=0) == {}
    assert intervals({}, resamples=10) == {}


def test_a_constant_has_an_interval_of_no_width():
    assert intervals({"x": np.full(30, 0.25)}, resamples=20)["x"] == (0.25, 0.25)


def test_paired_test_finds_an_effect_that_unpaired_noise_hides():
    rng = np.random.default_rng(0)
    first = rng.normal(size=2000) * 10
    found = paired_test(first + 0.1, first + rng.normal(size=2000) * 0.5)
    assert found.low < 0.1 < found.high
    assert found.low > 0
    assert found.p_value == pytest.approx(1 / 1001)


def test_p_values_are_uniform_without_an_effect():
    rng = np.random.default_rng(1)
    p_values = [
        paired_test(rng.normal(size=50), rng.normal(size=50), resamples=200, seed=seed).p_value
        for seed in range(300)
    ]
    assert np.mean(np.asarray(p_values) <= 0.1) == pytest.approx(0.1, abs=0.06)
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.08)


def test_equal_runs_are_not_different():
    values = np.random.default_rng(0).random(20)
    assert paired_test(values, values) == (0, 0, 0, 1)


@pytest.mark.parametrize("root", [False, True])
def test_linearised_values_average_to_the_ratio_and_have_its_spread(root):
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 9, 500)
    sums = rng.gamma(2, size=500) * counts
    values = linearised(sums, counts, root=root)
    power = 0.5 if root else 1
    assert values.mean() == pytest.approx((sums.sum() / counts.sum()) ** power)
    drawn = rng.integers(0, 500, (2000, 500))
    again = (sums[drawn].sum(1) / counts[drawn].sum(1)) ** power
    assert values.std() / 500**0.5 == pytest.approx(again.std(), rel=0.1)


def test_linearised_means_over_users_are_the_values_themselves():
    sums = np.asarray([0.0, 0.5, 1.0])
    np.testing.assert_allclose(linearised(sums, np.ones(3, int)), sums)
    np.testing.assert_array_equal(linearised(np.zeros(3), np.ones(3, int), root=True), 0)
    np.testing.assert_array_equal(linearised(np.zeros(3), np.zeros(3, int)), 0)
