"""Samples of candidates: what may be drawn, and how often."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrec.metrics.candidates import draw


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31 - 1), st.booleans())
def test_only_allowed_items_are_drawn(seed, replacement):
    rng = np.random.default_rng(seed)
    allowed = rng.random((8, 12)) < rng.random((8, 1))
    weights = rng.integers(0, 3, 12).astype(np.float32)
    keys = jax.random.split(jax.random.key(seed), 8)
    drawn = np.asarray(draw(keys, jnp.asarray(weights), jnp.asarray(allowed), 5, replacement))
    possible = allowed & (weights > 0)[None, :]
    possible[:, 0] = False
    for items, may in zip(drawn, possible, strict=True):
        kept = items[items > 0]
        assert may[kept].all()
        if replacement:
            assert len(kept) == (5 if may.any() else 0)
        else:
            assert len(set(kept)) == len(kept) == min(5, may.sum())


@pytest.mark.parametrize("replacement", [False, True])
def test_items_are_drawn_in_proportion_to_their_weights(replacement):
    weights = jnp.asarray([9.0, 1.0, 2.0, 3.0, 4.0])
    keys = jax.random.split(jax.random.key(0), 20000)
    allowed = jnp.ones((20000, 5), bool).at[:, 3].set(False)
    drawn = np.asarray(draw(keys, weights, allowed, 1, replacement))
    shares = np.bincount(drawn[:, 0], minlength=5) / 20000
    np.testing.assert_allclose(shares, [0, 1 / 7, 2 / 7, 0, 4 / 7], atol=0.015)


def test_more_than_the_catalogue_is_filled_up():
    drawn = draw(
        jax.random.split(jax.random.key(0), 1), jnp.ones(4), jnp.ones((1, 4), bool), 9, False
    )
    assert sorted(drawn[0].tolist()) == [0] * 6 + [1, 2, 3]
