"""Feistel permutation: one to one for every size, uniform enough, and cheap in a loop."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrec.data.shuffle import permute


@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 5000), seed=st.integers(0, 2**32 - 1))
def test_permute_is_one_to_one(size, seed):
    # One shape and no jit: a compilation for each size would take half a second.
    with jax.disable_jit():
        shuffled = permute(jnp.arange(5000), size, jax.random.key(seed))
    shuffled = np.asarray(shuffled)[:size]
    assert shuffled.dtype == np.int32
    np.testing.assert_array_equal(np.sort(shuffled), np.arange(size))


@pytest.mark.parametrize("size", [1_000_003, 2**31 - 1])
def test_large_sizes_stay_inside_and_distinct(size):
    step = max(size // 100_000, 1)
    index = jnp.asarray(np.arange(0, size, step, dtype=np.int64).astype(np.int32))
    shuffled = np.asarray(permute(index, size, jax.random.key(1)))
    assert shuffled.min() >= 0
    assert shuffled.max() < size
    assert len(np.unique(shuffled)) == len(index)


def test_permute_depends_on_the_key_and_nothing_else():
    index = jnp.arange(100)
    first, again, other = (permute(index, 100, jax.random.key(s)) for s in (0, 0, 1))
    assert jnp.array_equal(first, again)
    assert not jnp.array_equal(first, other)
    assert jnp.array_equal(permute(index[37:41], 100, jax.random.key(0)), first[37:41])


@pytest.mark.parametrize("size", [4, 5])
def test_every_small_permutation_is_about_equally_frequent(size):
    draws = 6000
    keys = jax.random.split(jax.random.key(2), draws)
    shuffled = np.asarray(jax.vmap(lambda key: permute(jnp.arange(size), size, key))(keys))
    kinds = {p: i for i, p in enumerate(itertools.permutations(range(size)))}
    counts = np.bincount([kinds[tuple(row)] for row in shuffled.tolist()], minlength=len(kinds))
    _assert_uniform(counts)


@pytest.mark.parametrize("size", [97, 1500])
def test_places_and_their_neighbours_are_uniform(size):
    """Over keys, place 0 goes anywhere; and the gap to the neighbour's place is any but 0."""
    keys = jax.random.split(jax.random.key(3), 20 * size)
    shuffled = np.asarray(jax.vmap(lambda key: permute(jnp.arange(2), size, key))(keys))
    _assert_uniform(np.bincount(shuffled[:, 0], minlength=size))
    gaps = (shuffled[:, 1] - shuffled[:, 0]) % size
    _assert_uniform(np.bincount(gaps, minlength=size)[1:])


def test_shuffled_order_has_no_serial_correlation():
    size = 100_000
    shuffled = np.asarray(permute(jnp.arange(size), size, jax.random.key(4))).astype(float)
    for lag in (1, 2, 316, 317):
        correlation = np.corrcoef(shuffled[:-lag], shuffled[lag:])[0, 1]
        assert abs(correlation) < 4 / math.sqrt(size)


def test_permute_runs_inside_scan():
    size, batch = 1009, 64

    @jax.jit
    def epoch(key):
        def step(_, start):
            return None, permute(start + jnp.arange(batch), size, key)

        return jax.lax.scan(step, None, jnp.arange(0, size - batch, batch))[1]

    seen = np.asarray(epoch(jax.random.key(5))).ravel()
    assert len(np.unique(seen)) == len(seen)


def test_impossible_sizes_are_refused():
    for size in (0, -1, 2**31):
        with pytest.raises(ValueError, match="size must be within"):
            permute(jnp.arange(1), size, jax.random.key(0))


def _assert_uniform(counts):
    """Chi-square within five standard deviations of its mean."""
    expected = counts.mean()
    chi2, freedom = np.sum((counts - expected) ** 2 / expected), len(counts) - 1
    assert abs(chi2 - freedom) < 5 * math.sqrt(2 * freedom), (chi2, freedom)
