"""Errors of predicted values, such as ratings."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxrec.metrics.reduction import ReduceFn, reduce


def rmse(
    scores: Float[Array, "*batch list"],
    labels: Float[Array, "*batch list"],
    *,
    where: Bool[Array, "*batch list"] | None = None,
    weights: Float[Array, "*batch list"] | None = None,
    reduce_fn: ReduceFn = jnp.mean,
) -> Float[Array, "..."]:
    """Give the root of each list's mean squared error; weights are one an entry."""
    return _error(jnp.square(scores - labels), True, where, weights, reduce_fn)


def mae(
    scores: Float[Array, "*batch list"],
    labels: Float[Array, "*batch list"],
    *,
    where: Bool[Array, "*batch list"] | None = None,
    weights: Float[Array, "*batch list"] | None = None,
    reduce_fn: ReduceFn = jnp.mean,
) -> Float[Array, "..."]:
    """Give each list's mean absolute error; weights are one an entry."""
    return _error(jnp.abs(scores - labels), False, where, weights, reduce_fn)


def _error(
    errors: Float[Array, "*batch list"],
    root: bool,
    where: Bool[Array, "*batch list"] | None,
    weights: Float[Array, "*batch list"] | None,
    reduce_fn: ReduceFn,
) -> Float[Array, "..."]:
    where = jnp.ones(errors.shape, bool) if where is None else where
    weights = where.astype(jnp.float32) if weights is None else jnp.where(where, weights, 0)
    total = weights.sum(-1)
    means = jnp.where(where, errors * weights, 0).sum(-1) / jnp.where(total > 0, total, 1)
    return reduce(jnp.sqrt(means) if root else means, where.any(-1), None, reduce_fn)
