"""From one value a list to one number."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

ReduceFn = Callable[..., Array] | None


def reduce(
    values: Float[Array, "*batch"],
    where: Bool[Array, "*batch"] | None,
    weights: Float[Array, "*batch"] | None,
    reduce_fn: ReduceFn,
) -> Float[Array, "..."]:
    """Weigh the values and reduce those of `where`; 0 where there are none.

    Weights multiply and are not normalised. Without `reduce_fn` masked values come back as 0.
    """
    where = jnp.ones(values.shape, bool) if where is None else where
    values = jnp.where(where, values if weights is None else values * weights, 0)
    if reduce_fn is None:
        return values
    reduced = reduce_fn(values, where=where)
    return jnp.where(where.any(), reduced, jnp.zeros_like(reduced))
