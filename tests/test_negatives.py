import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from jaxrec.negatives import InBatch, Mixed, Popularity, Uniform
from jaxrec.typing import CSR, Catalogue, Items
from tests.contracts import random_batch

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


def asking(data, users, target=None):
    """A batch of these users that asks for item 1 of each, or for these targets."""
    users = jnp.asarray(users, jnp.int32)
    target = jnp.ones((len(users), 1), jnp.int32) if target is None else jnp.asarray(target)
    batch = random_batch(size=len(users), length=1)
    weights = (target > 0).astype(jnp.float32)
    return batch.replace(user=users, target=target, weights=weights, catalogue=data)


def as_often_as_said(item, log_q, weights=1.0):
    """Whether draws that count fall on the items as often as their log_q says, by chi-square."""
    counted = np.broadcast_to(weights, np.shape(item)).ravel() > 0
    item, log_q = np.asarray(item).ravel(), np.asarray(log_q).ravel()
    said = np.zeros(item.max() + 1)
    said[item[counted]] = np.exp(log_q[counted])
    seen = np.bincount(item[counted], minlength=len(said))[said > 0]
    rest = len(item) - seen.sum()  # draws that do not count, in the share that is left
    seen, said = np.append(seen, rest), np.append(said[said > 0], max(1 - said.sum(), 0))
    if rest == 0:
        seen, said = seen[:-1], said[:-1]
        assert said.sum() == pytest.approx(1, rel=1e-4)
    return stats.chisquare(seen, said / said.sum() * seen.sum()).pvalue > 1e-6


@st.composite
def shops(draw):
    """What three users own, and how often each item was met; the shapes are always the same."""
    owned = draw(st.lists(st.sets(st.integers(1, MAX_ITEMS)), min_size=3, max_size=3))
    counts = draw(st.lists(st.integers(0, 50), min_size=MAX_ITEMS, max_size=MAX_ITEMS))
    return owned, np.array([0, *counts])


@pytest.mark.parametrize("negatives", [Uniform(64), Popularity(64)])
def test_a_positive_is_never_drawn(negatives):
    draw = jax.jit(negatives.draw)

    @given(shop=shops(), seed=st.integers(0, 2**31 - 1))
    @settings(max_examples=100, deadline=None)
    def check(shop, seed):
        owned, counts = shop
        batch = asking(catalogue(owned, MAX_ITEMS, counts), [1, 2, 3, 0], np.ones((4, 2), np.int32))
        draws = draw(batch, jax.random.key(seed))
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
    draw = jax.jit(Uniform(4000).draw)

    @given(own=st.sets(st.integers(1, MAX_ITEMS), max_size=MAX_ITEMS - 2), seed=st.integers(0, 99))
    @settings(max_examples=30, deadline=None)
    def check(own, seed):
        draws = draw(asking(catalogue([own], MAX_ITEMS), [1]), jax.random.key(seed))
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
    batch = asking(catalogue([{3, 6}], 7, counts), [1])
    draws = jax.jit(negatives.draw)(batch, jax.random.key(0))
    worth = np.sqrt(counts)
    worth[list(own)] = 0
    share = worth / worth.sum()
    seen = np.bincount(np.asarray(draws.item).ravel(), minlength=8)
    assert stats.chisquare(seen[share > 0], share[share > 0] * seen.sum()).pvalue > 1e-6
    np.testing.assert_allclose(np.exp(draws.log_q), share[draws.item], rtol=1e-4)


def test_shared_draws_say_how_likely_they_were():
    counts = np.array([0, 1, 4, 9])
    batch = asking(catalogue([{1}], 3, counts), [1])
    uniform = jax.jit(Uniform(5000).draw_shared)(batch, jax.random.key(0))
    assert uniform.item.shape == (5000,)
    assert set(np.unique(uniform.item)) == {1, 2, 3}
    np.testing.assert_allclose(np.exp(uniform.log_q), 1 / 3, rtol=1e-5)
    popular = jax.jit(Popularity(5000, power=1.0).draw_shared)(batch, jax.random.key(0))
    np.testing.assert_allclose(np.exp(popular.log_q), (counts / 14)[popular.item], rtol=1e-4)
    assert np.mean(popular.item == 3) == pytest.approx(9 / 14, abs=0.03)


def test_sums_of_many_tickets_may_wrap_around():
    """A thousand users with all popular items: the running sum passes 2^31 hundreds of times."""
    owned = [set(range(1, 10)) - {1 + user % 9} for user in range(1000)]
    batch = asking(catalogue(owned, 9), np.arange(1, 1001))
    draws = jax.jit(Popularity(4).draw)(batch, jax.random.key(0))
    expected = 1 + np.arange(1000) % 9
    np.testing.assert_array_equal(draws.item[:, 0], np.repeat(expected[:, None], 4, 1))


def test_without_avoiding_everything_is_drawn():
    batch = asking(catalogue([{1, 2, 3}], 4), [1])
    draws = jax.jit(Uniform(200, avoid_positives=False).draw)(batch, jax.random.key(0))
    assert set(np.unique(draws.item)) == {1, 2, 3, 4}


COUNTS = np.array([0, 1, 4, 9, 16, 0, 25, 36])
SHOP = catalogue([{3, 6}, set()], 7, COUNTS)
TARGETS = np.repeat(np.arange(8), COUNTS)[:, None].astype(np.int32)
"""A batch that asks for each item as often as training has it, as its expectation does."""

KINDS = [
    Uniform(400),
    Uniform(400, avoid_positives=False),
    Popularity(400, power=0.5),
    Popularity(400, power=1.0, avoid_positives=False),
    InBatch(400),
    InBatch(400, avoid_positives=False),
    Mixed(Uniform(100), Popularity(300)),
    Mixed(Uniform(100, avoid_positives=False), InBatch(300, avoid_positives=False)),
    Mixed(Uniform(200), InBatch(200)),
    Mixed(Popularity(100), Mixed(Uniform(50), InBatch(250))),
]


@pytest.mark.parametrize("negatives", KINDS, ids=str)
def test_items_are_drawn_as_often_as_their_log_q_says(negatives):
    batch = asking(SHOP, np.full(len(TARGETS), 1), TARGETS)
    draws = jax.jit(negatives.draw)(batch, jax.random.key(0))
    assert draws.item.shape == (91, 1, 400)
    assert as_often_as_said(*jax.device_get((draws.item, draws.log_q, draws.weights)))
    shared = jax.jit(negatives.draw_shared)(batch, jax.random.key(1))
    assert shared.item.shape == (400,)
    assert as_often_as_said(shared.item, shared.log_q)


@pytest.mark.parametrize("negatives", KINDS, ids=str)
def test_log_q_adds_up_to_1_and_is_that_of_the_draws(negatives):
    batch = asking(SHOP, [1, 2], np.array([[7], [4]], np.int32))
    every = jnp.arange(1, 8, dtype=jnp.int32)
    draws = jax.jit(negatives.draw_shared)(batch, jax.random.key(0))
    said = jax.jit(negatives.log_q)(batch, every)
    np.testing.assert_allclose(jnp.exp(said).sum(), 1, rtol=1e-4)
    np.testing.assert_allclose(said[draws.item - 1], draws.log_q, rtol=1e-4)
    each = jnp.broadcast_to(every[None, None], (2, 1, 7))
    share = np.exp(jax.jit(negatives.log_q)(batch, each))
    assert share[1].sum() == pytest.approx(1, rel=1e-4)
    assert share[0].sum() <= 1.0001
    draws = jax.jit(negatives.draw)(batch, jax.random.key(0))
    for row in range(2):
        item, log_q = draws.item[row][draws.weights[row] > 0], draws.log_q[row]
        log_q = np.exp(log_q[draws.weights[row] > 0])
        np.testing.assert_allclose(share[row, 0][item - 1], log_q, rtol=1e-4)


def test_draws_from_the_batch_are_its_targets():
    target = np.array([[2, 4], [0, 7], [4, 0]], np.int32)
    batch = asking(SHOP, [1, 2, 0], target)
    batch = batch.replace(weights=batch.weights.at[1, 1].set(0.0))
    draws = jax.jit(InBatch(300).draw)(batch, jax.random.key(0))
    assert set(np.unique(draws.item)) == {2, 4}, "neither padding nor what weighs nothing"
    assert np.mean(draws.item == 4) == pytest.approx(2 / 3, abs=0.05)
    nothing = batch.replace(weights=jnp.zeros_like(batch.weights))
    draws = jax.jit(InBatch(3).draw_shared)(nothing, jax.random.key(0))
    assert not draws.weights.any()
    assert not draws.item.any()


def test_what_a_user_has_does_not_count_among_the_batch_s_items():
    batch = asking(SHOP, [1, 2], np.array([[3], [7]], np.int32))
    draws = jax.jit(InBatch(100).draw)(batch, jax.random.key(0))
    np.testing.assert_array_equal(draws.weights[0], draws.item[0] != 3)
    assert draws.weights[1].all()
