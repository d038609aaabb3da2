"""How well predictions tell positive events from negative ones."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxrec.metrics.reduction import ReduceFn, reduce


def log_loss(
    scores: Float[Array, "*batch list"],
    labels: Float[Array, "*batch list"],
    *,
    where: Bool[Array, "*batch list"] | None = None,
    weights: Float[Array, "*batch list"] | None = None,
    reduce_fn: ReduceFn = jnp.mean,
) -> Float[Array, "..."]:
    """Give each list's mean cross-entropy, in nats; scores are log-odds, weights one an entry."""
    where = jnp.ones(scores.shape, bool) if where is None else where
    weights = where.astype(jnp.float32) if weights is None else jnp.where(where, weights, 0)
    total = weights.sum(-1)
    losses = jnp.where(where, cross_entropy(scores, labels) * weights, 0).sum(-1)
    return reduce(losses / jnp.where(total > 0, total, 1), where.any(-1), None, reduce_fn)


def cross_entropy(
    scores: Float[Array, "*batch"], labels: Float[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """Give each event's cross-entropy, in nats; scores are log-odds, a label above 0 positive."""
    return jax.nn.softplus(jnp.where(labels > 0, -scores, scores))


def auc(
    scores: Float[Array, "*batch list"],
    labels: Float[Array, "*batch list"],
    *,
    where: Bool[Array, "*batch list"] | None = None,
    weights: Float[Array, "*batch list"] | None = None,
    reduce_fn: ReduceFn = jnp.mean,
) -> Float[Array, "..."]:
    """Give each list's area under the ROC curve; equal scores count a half, NaN is below all.

    Weights are one an entry. A list whose labels are all alike has no such area, and counts 0.
    """
    where = jnp.ones(scores.shape, bool) if where is None else where
    weights = where.astype(jnp.float32) if weights is None else jnp.where(where, weights, 0)
    scores = jnp.where(jnp.isnan(scores), -jnp.inf, scores)
    order = jnp.argsort(scores, axis=-1)
    scores, weights, labels = (jnp.take_along_axis(x, order, -1) for x in (scores, weights, labels))
    positive, negative = jnp.where(labels > 0, weights, 0), jnp.where(labels > 0, 0, weights)
    shape = scores.shape
    below, upto = (jnp.take_along_axis(_before(negative), places, -1) for places in _runs(scores))
    won = (positive * (below + upto) / 2).sum(-1)
    pairs = positive.sum(-1) * negative.sum(-1)
    values = won / jnp.where(pairs > 0, pairs, 1)
    return reduce(values.reshape(shape[:-1]), where.any(-1), None, reduce_fn)


def _before(weights: Float[Array, "*batch list"]) -> Float[Array, "*batch list_plus_1"]:
    """Sum the weights in front of each place, and at last all."""
    zero = jnp.zeros((*weights.shape[:-1], 1), weights.dtype)
    return jnp.concatenate([zero, jnp.cumsum(weights, -1)], -1)


def _runs(ordered: Float[Array, "*batch list"]) -> tuple[Array, Array]:
    """Give, for each place, where the run of equal scores that it is in begins, and ends."""
    rows = ordered.reshape(-1, ordered.shape[-1])

    def side(name: str) -> Array:
        places = jax.vmap(lambda row: jnp.searchsorted(row, row, side=name))(rows)
        return places.reshape(ordered.shape)

    return side("left"), side("right")
