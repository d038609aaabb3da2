"""Samples of the catalogue to rank against; to repeat papers only (Krichene & Rendle 2020)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key


def draw(
    keys: Key[Array, "lists"],
    weights: Float[Array, "items_plus_1"],
    allowed: Bool[Array, "lists items_plus_1"],
    count: int,
    replacement: bool,
) -> Int[Array, "lists count"]:
    """Draw items of each list's `allowed` ones, in proportion to their weights; row 0 never.

    Without replacement an item is drawn in proportion to the weights of those still left, and a
    list of too few allowed items of positive weight is filled up with 0.
    """
    one = _with_replacement if replacement else _without_replacement
    weights = weights.at[0].set(0)
    return jax.vmap(lambda key, where: one(key, jnp.where(where, weights, 0), count))(keys, allowed)


def _with_replacement(
    key: Key[Array, ""], weights: Float[Array, "items_plus_1"], count: int
) -> Int[Array, "count"]:
    upto = jnp.cumsum(weights)
    # Kept below the sum, so that the place found is of positive weight.
    point = jnp.minimum(jax.random.uniform(key, (count,)), 1 - 2**-22) * upto[-1]
    place = jnp.searchsorted(upto, point, side="right")
    return jnp.where(upto[-1] > 0, place, 0).astype(jnp.int32)


def _without_replacement(
    key: Key[Array, ""], weights: Float[Array, "items_plus_1"], count: int
) -> Int[Array, "count"]:
    """Take the largest of log weight + Gumbel noise (Efraimidis & Spirakis 2006)."""
    noisy = jnp.log(weights) + jax.random.gumbel(key, weights.shape)
    best, items = jax.lax.top_k(noisy, min(count, len(weights)))
    items = jnp.where(best > -jnp.inf, items, 0).astype(jnp.int32)
    return jnp.pad(items, (0, count - len(items)))
