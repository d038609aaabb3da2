from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from jaxrec.negatives import Popularity, Uniform
from jaxrec.typing import CSR, Catalogue, Items

MAX_ITEMS = 12


def catalogue(owned, num_items, counts=None):
    """A catalogue where user r, from 1, owns owned[r - 1]; user 0 owns nothing."""
    rows = [[], *(sorted(own) for own in owned)]
    indptr = np.cumsum([0, *map(len, rows)]).astype(np.int32)
    indices = np.zeros(max(indptr[-1], 3 * MAX_ITEMS), np.int32)
    indices[: indptr[-1]] = [item for row in rows for item in row]
    if counts is None:
        counts = np.bincount(indices[: indptr[-1]], minlength=num_items + 1)
    counts = jnp.asarray(counts, jnp.float32)
    items = Items(jnp.arange(num_items + 1, dtype=jnp.int32), {})
    return Catalogue(items, counts, CSR(jnp.asarray(indptr), jnp.asarray(indices)))


@st.composite
def shops(draw):
    """What three users own, and how often each item was met; the shapes are always the same."""
    owned = draw(st.lists(st.sets(st.integers(1, MAX_ITEMS)), min_size=3, max_size=3))
    counts = draw(st.lists(st.integers(0, 50), min_size=MAX_ITEMS, max_size=MAX_ITEMS))
    return owned, np.array([0, *counts])


@pytest.mark.parametrize("negatives", [Uniform(64), Popularity(64)])
def test_a_positive_is_never_drawn(negatives):
    draw = jax.jit(partial(negatives.draw, queries=2))

    @given(shop=shops(), seed=st.integers(0, 2**31 - 1))
    @settings(max_examples=100, deadline=None)
    def check(shop, seed):
        owned, counts = shop
        users = jnp.array([1, 2, 3, 0], jnp.int32)
        draws = draw(catalogue(owned, MAX_ITEMS, counts), users, key=jax.random.key(seed))
        assert draws.item.shape == (4, 2, 64)
        possible = set(range(1, MAX_ITEMS + 1))
        if isinstance(negatives, Popularity):
            possible = set(np.flatnonzero(counts).tolist())
        for item, weights, own in zip(
            *jax.device_get((draws.item, draws.weights)), [*owned, set()]
        ):
            assert set(item.ravel().tolist()) <= (possible - own or {0})
            assert (weights == bool(possible - own)).all()

    check()


def test_the_others_are_drawn_alike():
    draw = jax.jit(partial(Uniform(4000).draw, queries=1))

    @given(own=st.sets(st.integers(1, MAX_ITEMS), max_size=MAX_ITEMS - 2), seed=st.integers(0, 99))
    @settings(max_examples=30, deadline=None)
    def check(own, seed):
        user = jnp.array([1], jnp.int32)
        draws = draw(catalogue([own], MAX_ITEMS), user, key=jax.random.key(seed))
        free = [item for item in range(1, MAX_ITEMS + 1) if item not in own]
        seen = np.bincount(np.asarray(draws.item).ravel(), minlength=MAX_ITEMS + 1)
        assert stats.chisquare(seen[free]).pvalue > 1e-7
        np.testing.assert_allclose(np.exp(draws.log_q), 1 / len(free), rtol=1e-5)

    check()


@pytest.mark.parametrize("avoid", [False, True])
def test_popular_items_are_drawn_by_their_power(avoid):
    counts = np.array([0, 1, 4, 9, 16, 0, 25, 36])
    own = {3, 6} if avoid else set()
    negatives = Popularity(20_000, power=0.5, avoid_positives=avoid)
    data = catalogue([{3, 6}], 7, counts)
    draws = negatives.draw(data, jnp.array([1], jnp.int32), 1, jax.random.key(0))
    worth = np.sqrt(counts)
    worth[list(own)] = 0
    share = worth / worth.sum()
    seen = np.bincount(np.asarray(draws.item).ravel(), minlength=8)
    assert stats.chisquare(seen[share > 0], share[share > 0] * seen.sum()).pvalue > 1e-6
    np.testing.assert_allclose(np.exp(draws.log_q), share[draws.item], rtol=1e-4)


def test_shared_draws_say_how_likely_they_were():
    counts = np.array([0, 1, 4, 9])
    data = catalogue([{1}], 3, counts)
    uniform = Uniform(5000).draw_shared(data, jax.random.key(0))
    assert uniform.item.shape == (5000,)
    assert set(np.unique(uniform.item)) == {1, 2, 3}
    np.testing.assert_allclose(np.exp(uniform.log_q), 1 / 3, rtol=1e-5)
    popular = Popularity(5000, power=1.0).draw_shared(data, jax.random.key(0))
    np.testing.assert_allclose(np.exp(popular.log_q), (counts / 14)[popular.item], rtol=1e-4)
    assert np.mean(popular.item == 3) == pytest.approx(9 / 14, abs=0.03)


def test_sums_of_many_tickets_may_wrap_around():
    """A thousand users with all popular items: the running sum passes 2^31 hundreds of times."""
    owned = [set(range(1, 10)) - {1 + user % 9} for user in range(1000)]
    data = catalogue(owned, 9)
    users = jnp.arange(1, 1001, dtype=jnp.int32)
    draws = Popularity(4).draw(data, users, 1, jax.random.key(0))
    expected = 1 + np.arange(1000) % 9
    np.testing.assert_array_equal(draws.item[:, 0], np.repeat(expected[:, None], 4, 1))


def test_without_avoiding_everything_is_drawn():
    data = catalogue([{1, 2, 3}], 4)
    draws = Uniform(200, avoid_positives=False).draw(
        data, jnp.array([1], jnp.int32), 1, jax.random.key(0)
    )
    assert set(np.unique(draws.item)) == {1, 2, 3, 4}
