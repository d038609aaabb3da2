"""Fading means against one prefix at a time; and packing, padding, the future."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.encoders.bag import FadingBag, fading_mean, past_mean

KEYS = jax.random.split(jax.random.key(0), 2)
X = jax.random.normal(KEYS[0], (3, 7, 4))
SEGMENTS = jnp.array(
    [[0, 1, 1, 1, 1, 1, 1], [1, 1, 1, 2, 2, 2, 2], [0, 0, 0, 0, 0, 0, 0]], jnp.int32
)
DECAY = jnp.array([0.1, 0.5, 0.9, 0.99])
EVERY = jnp.broadcast_to(jnp.arange(7, dtype=jnp.int32)[None], (3, 7))
mean = jax.jit(fading_mean)


def test_every_prefix_has_the_weighted_mean_of_its_own_events():
    found = np.asarray(mean(X, DECAY, SEGMENTS))
    segment, x, decay = (np.asarray(a) for a in (SEGMENTS, X, DECAY))
    for row in range(3):
        for query in range(7):
            total, weight = np.zeros(4), np.zeros(4)
            for j in range(query + 1):
                if segment[row, j] and segment[row, j] == segment[row, query]:
                    total += decay ** (query - j) * x[row, j]
                    weight += decay ** (query - j)
            expected = total / weight if weight.any() else total
            np.testing.assert_allclose(found[row, query], expected, rtol=1e-5, atol=1e-6)


def test_a_mean_that_does_not_fade_is_that_of_a_decay_of_one():
    whole = mean(X, jnp.ones(4), SEGMENTS)
    np.testing.assert_allclose(past_mean(X, SEGMENTS, EVERY), whole, rtol=1e-5, atol=1e-6)
    queries = jnp.array([[6, 2], [2, 5], [0, 1]], jnp.int32)
    few = past_mean(X, SEGMENTS, queries)
    expected = whole[jnp.arange(3)[:, None], queries]
    np.testing.assert_allclose(few, expected, rtol=1e-5, atol=1e-6)
    assert past_mean(X[:, :0], SEGMENTS[:, :0], queries[:, :1]).shape == (3, 1, 4)


def test_packed_segments_answer_as_if_alone_and_padding_does_not_matter():
    packed = mean(X.at[0, :1].set(9.0), DECAY, SEGMENTS)
    for row, part in ((0, slice(1, 7)), (1, slice(0, 3)), (1, slice(3, 7))):
        alone = mean(X[row : row + 1, part], DECAY, jnp.ones_like(SEGMENTS[:1, part]))
        np.testing.assert_allclose(packed[row, part], alone[0], rtol=1e-5, atol=1e-6)


def test_the_future_does_not_change_the_past():
    before, after = (mean(x, DECAY, SEGMENTS) for x in (X, X.at[:, 5:].set(9.0)))
    np.testing.assert_allclose(after[:, :5], before[:, :5], rtol=1e-6)
    assert jnp.abs(after[0, 5:] - before[0, 5:]).max() > 0.01


@pytest.mark.parametrize("learned", [True, False])
def test_a_bag_starts_from_its_decay_and_answers_few_queries_as_all(learned):
    bag = FadingBag(0.7, learned)
    variables = bag.init(KEYS[1], X, SEGMENTS, EVERY)
    assert bool(variables) == learned
    whole = bag.apply(variables, X, SEGMENTS, EVERY)
    np.testing.assert_allclose(whole, mean(X, jnp.full(4, 0.7), SEGMENTS), rtol=1e-5, atol=1e-6)
    queries = jnp.array([[6, 2], [2, 5], [0, 1]], jnp.int32)
    few = bag.apply(variables, X, SEGMENTS, queries)
    np.testing.assert_allclose(few, whole[jnp.arange(3)[:, None], queries], rtol=1e-6)


def test_gradients_are_finite_and_none_goes_to_padding():
    bag = FadingBag(0.7)
    variables = bag.init(KEYS[1], X, SEGMENTS, EVERY)

    @jax.jit
    @jax.grad
    def gradient(arrays):
        return (bag.apply(arrays[0], arrays[1], SEGMENTS, EVERY) ** 2).sum()

    of_params, of_x = gradient((variables, X))
    assert jnp.all(of_params["params"]["decay"] != 0)
    assert jnp.all(jnp.isfinite(of_params["params"]["decay"]))
    np.testing.assert_array_equal(of_x[2], 0)
    np.testing.assert_array_equal(of_x[0, 0], 0)
    assert jnp.all(jnp.abs(of_x[0, 1:]).max(-1) > 0)
