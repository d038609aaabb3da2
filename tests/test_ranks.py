"""Ranks by counting against sorting, under every tie rule and with every odd score."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.metrics.ranks import (
    MASKED,
    NAN,
    auc_of,
    count_ranks,
    map_at,
    ndcg_at,
    order_keys,
    recall_at,
)

TIES = ("pessimistic", "optimistic", "random")


@functools.partial(jax.jit, static_argnames="ties")
def _ranks(scores, is_target, candidates, seed, ties):
    keys = order_keys(scores)
    others = jnp.where(candidates & ~is_target, keys, MASKED)
    bits = jax.random.bits(jax.random.key(seed), scores.shape)
    draw = jax.lax.bitcast_convert_type(bits, jnp.int32)
    ranks = count_ranks(others, keys, is_target, ties, (draw, draw))
    return jnp.where(is_target, ranks, 0)


def ranks_of(scores, is_target, ties, candidates=None, seed=0):
    scores, is_target = np.asarray(scores, np.float32), np.asarray(is_target)
    candidates = np.ones(scores.shape, bool) if candidates is None else np.asarray(candidates)
    return np.asarray(_ranks(scores, is_target, candidates, seed, ties))


def test_keys_order_as_scores_do():
    scores = [np.nan, -np.inf, -3.4e38, -1.0, -1e-45, 0.0, 1e-45, 1.0, 3.4e38, np.inf]
    keys = np.asarray(order_keys(jnp.asarray(scores, jnp.float32)))
    assert (np.diff(keys.astype(np.int64)) >= 0).all()
    assert keys[0] == NAN
    assert keys[0] < keys[1]
    assert keys.min() > MASKED
    assert order_keys(jnp.asarray([-0.0]))[0] == order_keys(jnp.asarray([0.0]))[0]


@pytest.mark.parametrize("ties", TIES)
def test_untied_ranks_are_those_of_a_sort(ties):
    rng = np.random.default_rng(0)
    scores = rng.permuted(np.tile(np.arange(50.0), (20, 1)), axis=1)
    is_target = rng.random(scores.shape) < 0.1
    expected = np.where(is_target, 50 - scores, 0)
    np.testing.assert_array_equal(ranks_of(scores, is_target, ties), expected)


def test_ties_worked_by_hand():
    scores = [[2, 1, 1, 1, 0]]
    is_target = [[False, True, False, True, False]]
    assert ranks_of(scores, is_target, "pessimistic").tolist() == [[0, 3, 0, 4, 0]]
    assert ranks_of(scores, is_target, "optimistic").tolist() == [[0, 2, 0, 3, 0]]
    random = {tuple(ranks_of(scores, is_target, "random", seed=s)[0]) for s in range(60)}
    pairs = {(2, 3), (3, 2), (2, 4), (4, 2), (3, 4), (4, 3)}
    assert random == {(0, a, 0, b, 0) for a, b in pairs}


@pytest.mark.parametrize("ties", TIES)
def test_a_nan_target_ranks_last_and_other_nan_rank_below_all(ties):
    nan = np.nan
    first = ranks_of([[nan, 1, -np.inf, nan]], [[True, False, False, False]], ties)
    assert first.tolist() == [[4, 0, 0, 0]]
    both = ranks_of([[nan, 1, nan, 2]], [[True, False, True, True]], ties)
    assert sorted(both[0]) == [0, 1, 3, 4]
    assert both[0, 3] == 1
    lowest = ranks_of([[-np.inf, nan, nan]], [[True, False, False]], ties)
    assert lowest.tolist() == [[1, 0, 0]]


@pytest.mark.parametrize("ties", TIES)
def test_masked_items_never_count(ties):
    scores = [[5, 4, 3, np.nan]]
    candidates = [[False, True, True, False]]
    ranks = ranks_of(scores, [[False, False, True, False]], ties, candidates)
    assert ranks.tolist() == [[0, 0, 2, 0]]


@pytest.mark.parametrize("number", [1, 3])
def test_a_constant_scorer(number):
    """It gets 0 and 1 under the two strict rules, and k / candidates in expectation."""
    lists, width, k = 4000, 40, 10
    scores = np.zeros((lists, width))
    is_target = np.zeros((lists, width), bool)
    is_target[:, :number] = True
    where = jnp.asarray(is_target)
    found = {ties: jnp.asarray(ranks_of(scores, is_target, ties)) for ties in TIES}
    assert ndcg_at(found["pessimistic"], where, k).max() == 0
    np.testing.assert_allclose(ndcg_at(found["optimistic"], where, k), 1, rtol=1e-6)
    np.testing.assert_array_equal(recall_at(found["optimistic"], where, k), 1)
    assert float(recall_at(found["random"], where, k).mean()) == pytest.approx(k / width, abs=0.02)
    auc = {
        ties: auc_of(ranks, where, jnp.full(lists, width - number)) for ties, ranks in found.items()
    }
    assert auc["pessimistic"].max() == 0
    assert auc["optimistic"].min() == 1
    assert float(auc["random"].mean()) == pytest.approx(0.5, abs=0.02)


def test_forms_of_ndcg_recall_and_map_worked_by_hand():
    ranks = jnp.asarray([[2, 9, 4, 0]])
    where = jnp.asarray([[True, True, True, False]])
    gained = 1 / np.log2(3)
    assert float(ndcg_at(ranks, where, 3)[0]) == pytest.approx(gained / (1 + 1 / np.log2(3) + 0.5))
    assert float(ndcg_at(ranks, where, 2)[0]) == pytest.approx(gained / (1 + 1 / np.log2(3)))
    ideal = sum(1 / np.log2(rank + 1) for rank in range(1, 6))
    more = gained + 1 / np.log2(5)
    assert float(ndcg_at(ranks, where, 5, "k")[0]) == pytest.approx(more / ideal)
    assert float(ndcg_at(ranks, where, 5, "hits")[0]) == pytest.approx(more / (1 + 1 / np.log2(3)))
    assert float(recall_at(ranks, where, 2)[0]) == pytest.approx(1 / 3)
    assert recall_at(ranks, where, 2, capped=True)[0] == pytest.approx(1 / 2)
    assert float(map_at(ranks, where, 5)[0]) == pytest.approx((1 / 2 + 2 / 4) / 3)
    assert map_at(ranks, where, 2, capped=True)[0] == pytest.approx((1 / 2) / 2)


@pytest.mark.parametrize("formula", [recall_at, ndcg_at, map_at])
def test_no_targets_give_zero(formula):
    assert formula(jnp.zeros((2, 3), jnp.int32), jnp.zeros((2, 3), bool), 5).tolist() == [0, 0]
    assert formula(jnp.zeros((2, 0), jnp.int32), jnp.zeros((2, 0), bool), 5).tolist() == [0, 0]
