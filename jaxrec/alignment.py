"""Objectives of directions alone: users near their items, and all of them far from each other."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from jaxrec.contrast import Apply, encode
from jaxrec.errors import InputError
from jaxrec.objectives import Result, weighted_mean
from jaxrec.similarity import unit
from jaxrec.typing import Batch


@dataclass(frozen=True)
class DirectAU:
    """Alignment ‖u - i‖² of a user and its item, and the uniformity of users and of items.

    All vectors are scaled to length 1. No negatives are drawn: what spreads users, and items, is
    the uniformity of the batch, log mean exp(-2 ‖x - y‖²) over its pairs (Wang et al., "Towards
    Representation Alignment and Uniformity in Collaborative Filtering", KDD 2022, eq. 5 to 8).
    For models of one vector a user and an item; time and memory grow with the batch squared.
    """

    uniformity_weight: float = 1.0
    """γ: how much the mean of the users' and the items' uniformity counts."""

    def __post_init__(self) -> None:
        if self.uniformity_weight < 0:
            raise InputError(
                f"objective.uniformity_weight is {self.uniformity_weight}; give a number from 0 on."
            )

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        user, item, auxiliary = encode(apply, variables, batch, batch.target.reshape(-1), key)
        user, item = (unit(x.reshape(batch.target.size, -1)) for x in (user, item))
        weights = batch.weights.reshape(-1)
        apart = jnp.square(user - item).sum(-1)
        loss, metrics = weighted_mean(apart, weights, auxiliary)
        spread = (uniformity(user, weights) + uniformity(item, weights)) / 2
        metrics |= {"alignment": loss, "uniformity": spread}
        return loss + self.uniformity_weight * spread, metrics


def uniformity(x: Float[Array, "n dim"], weights: Float[Array, "n"]) -> Float[Array, ""]:
    """Take log of the weighted mean of exp(-2 ‖x_a - x_b‖²) over all pairs of unit vectors.

    A pair weighs the product of its two weights. It is 0 at most, where all are one vector, and
    0 where there is no pair.
    """
    apart = ~jnp.eye(x.shape[0], dtype=bool)
    pairs = jnp.where(apart, weights[:, None] * weights[None, :], 0)
    total = pairs.sum()
    # Of unit vectors ‖x - y‖² = 2 - 2 x·y.
    mean = (pairs * jnp.exp(4 * (x @ x.T - 1))).sum() / jnp.maximum(total, 1e-9)
    return jnp.where(total > 0, jnp.log(jnp.maximum(mean, 1e-9)), 0)
