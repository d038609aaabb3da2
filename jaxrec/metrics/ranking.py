"""Ranking metrics of scores and labels in one array; the last axis is the list.

The ranks and the formulas are those of the evaluator, see metrics/ranks.py. An item is relevant if
its label is positive. In every function here: weights are one a list; k None ranks the whole list;
random ties need a key; a list without a relevant item counts 0, and one that is masked whole does
not count.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from jaxrec.metrics.protocol import Ties
from jaxrec.metrics.ranks import (
    MASKED,
    count_ranks,
    hit_rate_at,
    map_at,
    mrr_at,
    ndcg_at,
    order_keys,
    precision_at,
    recall_at,
)
from jaxrec.metrics.reduction import ReduceFn, reduce


def ndcg(
    scores: Float[Array, "*batch list"],
    labels: Float[Array, "*batch list"],
    *,
    where: Bool[Array, "*batch list"] | None = None,
    weights: Float[Array, "*batch"] | None = None,
    reduce_fn: ReduceFn = jnp.mean,
    k: int | None = None,
    ties: Ties = "pessimistic",
    key: Key[Array, ""] | None = None,
) -> Float[Array, "..."]:
    """Give the normalised discounted cumulative gain, of gains 1 and discounts log2(rank + 1)."""
    return _measure(ndcg_at, scores, labels, where, weights, reduce_fn, k, ties, key)


def recall(
    scores: Float[Array, "*batch list"],
    labels: Float[Array, "*batch list"],
    *,
    where: Bool[Array, "*batch list"] | None = None,
    weights: Float[Array, "*batch"] | None = None,
    reduce_fn: ReduceFn = jnp.mean,
    k: int | None = None,
    ties: Ties = "pessimistic",
    key: Key[Array, ""] | None = None,
) -> Float[Array, "..."]:
    """Give the share of the relevant items that stand in the first k places."""
    return _measure(recall_at, scores, labels, where, weights, reduce_fn, k, ties, key)


def hit_rate(
    scores: Float[Array, "*batch list"],
    labels: Float[Array, "*batch list"],
    *,
    where: Bool[Array, "*batch list"] | None = None,
    weights: Float[Array, "*batch"] | None = None,
    reduce_fn: ReduceFn = jnp.mean,
    k: int | None = None,
    ties: Ties = "pessimistic",
    key: Key[Array, ""] | None = None,
) -> Float[Array, "..."]:
    """Tell whether a relevant item stands in the first k places."""
    return _measure(hit_rate_at, scores, labels, where, weights, reduce_fn, k, ties, key)


def precision(
    scores: Float[Array, "*batch list"],
    labels: Float[Array, "*batch list"],
    *,
    where: Bool[Array, "*batch list"] | None = None,
    weights: Float[Array, "*batch"] | None = None,
    reduce_fn: ReduceFn = jnp.mean,
    k: int | None = None,
    ties: Ties = "pessimistic",
    key: Key[Array, ""] | None = None,
) -> Float[Array, "..."]:
    """Give the share of relevant items among the first k places."""
    return _measure(precision_at, scores, labels, where, weights, reduce_fn, k, ties, key)


def mrr(
    scores: Float[Array, "*batch list"],
    labels: Float[Array, "*batch list"],
    *,
    where: Bool[Array, "*batch list"] | None = None,
    weights: Float[Array, "*batch"] | None = None,
    reduce_fn: ReduceFn = jnp.mean,
    k: int | None = None,
    ties: Ties = "pessimistic",
    key: Key[Array, ""] | None = None,
) -> Float[Array, "..."]:
    """Give the reciprocal rank of the first relevant item; 0 if it is not in the first k places."""
    return _measure(mrr_at, scores, labels, where, weights, reduce_fn, k, ties, key)


def mean_average_precision(
    scores: Float[Array, "*batch list"],
    labels: Float[Array, "*batch list"],
    *,
    where: Bool[Array, "*batch list"] | None = None,
    weights: Float[Array, "*batch"] | None = None,
    reduce_fn: ReduceFn = jnp.mean,
    k: int | None = None,
    ties: Ties = "pessimistic",
    key: Key[Array, ""] | None = None,
) -> Float[Array, "..."]:
    """Average, over the relevant items, the precision at each that stands in the first k places."""
    return _measure(map_at, scores, labels, where, weights, reduce_fn, k, ties, key)


def _measure(
    formula: Callable[..., Array],
    scores: Float[Array, "*batch list"],
    labels: Float[Array, "*batch list"],
    where: Bool[Array, "*batch list"] | None,
    weights: Float[Array, "*batch"] | None,
    reduce_fn: ReduceFn,
    k: int | None,
    ties: Ties,
    key: Key[Array, ""] | None,
) -> Float[Array, "..."]:
    where = jnp.ones(scores.shape, bool) if where is None else where
    width = scores.shape[-1]
    keys = order_keys(scores).reshape(-1, width)
    candidates = where.reshape(-1, width)
    relevant = candidates & (labels.reshape(-1, width) > 0)
    others = jnp.where(candidates & ~relevant, keys, MASKED)
    draws = None
    if ties == "random":
        assert key is not None, "random ties need a key"
        draws = (jax.lax.bitcast_convert_type(jax.random.bits(key, keys.shape), jnp.int32),) * 2
    ranks = count_ranks(others, keys, relevant, ties, draws)
    values = formula(ranks, relevant, width if k is None else k)
    return reduce(values.reshape(scores.shape[:-1]), where.any(-1), weights, reduce_fn)
