"""Non-negative matrix factorisation of the ratings that there are, by multiplicative updates.

Luo et al., "An Efficient Non-Negative Matrix-Factorization-Based Approach to Collaborative
Filtering for Recommender Systems" (IEEE TII 2014), eq. 7, without biases, as Surprise has it:

    p_uf <- p_uf * sum of q_if r_ui / (sum of q_if p_u·q_i + n_u reg p_uf)

over the n_u items i that u rated, and at the same time the q_i alike.
"""

import functools
from dataclasses import dataclass
from typing import ClassVar, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from jaxrec.baselines.memory import check_memory
from jaxrec.baselines.rating_matrix import RatingMatrix, product, rating_matrix
from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError
from jaxrec.typing import Batch


@struct.dataclass
@no_type_check
class NMFState:
    """Factors, of which only those of the unknown are all zero, and the mean rating for these."""

    mean: Float[Array, ""]
    user_factors: Float[Array, "users_plus_1 dim"]
    item_factors: Float[Array, "items_plus_1 dim"]

    def predict(self, batch: Batch) -> Float[Array, "batch"]:
        """Predict the rating of each example's own pair."""
        items = self.item_factors[batch.target[:, -1]]
        return self._or_mean(jnp.sum(self.user_factors[batch.user] * items, -1))

    def scores(
        self, batch: Batch, items: Int[Array, "batch n"] | None = None
    ) -> Float[Array, "batch n"]:
        """Predict each user's ratings of the candidates, or of all items."""
        users = self.user_factors[batch.user]
        if items is None:
            return self._or_mean(product(users, self.item_factors.T))
        return self._or_mean(jnp.einsum("bd,bnd->bn", users, self.item_factors[items]))

    def _or_mean(self, rating: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.where(rating > 0, rating, self.mean)


@dataclass(frozen=True)
class NMFConfig:
    """The size of a factorisation, and how long it is fitted."""

    embed_dim: int = 15
    """Factors of a user and an item."""
    epochs: int = 50
    """Times that all factors are updated."""
    user_regularization: float = 0.06
    """Of the users' squared factors, a rating."""
    item_regularization: float = 0.06
    """Of the items' squared factors, a rating."""
    seed: int = 0
    """Of the initial factors, which are uniform in 0..1."""
    memory_budget: int = 2**32
    """Bytes that fitting may take; what would take more is refused."""
    history_length: ClassVar[int] = 0
    knows_users_by_id: ClassVar[bool] = True
    state: ClassVar[type] = NMFState

    def fit(self, train: Interactions) -> NMFState:
        """Update the factors; raises InputError for what does not fit memory or is negative."""
        if train.value.min() < 0:
            raise InputError(f"nmf needs ratings from 0, and one is {train.value.min()}; use svd")
        users, items = len(train.users) + 1, len(train.items) + 1
        check_memory("users × items", 14 * users * items, self.memory_budget, "use svd")
        random = np.random.default_rng(self.seed)
        factors = []
        for rows, present in ((users, train.user), (items, train.item)):
            known = np.bincount(present, minlength=rows) > 0
            factors.append(random.random((rows, self.embed_dim), np.float32) * known[:, None])
        mean = jnp.asarray(train.value.mean(dtype=np.float64), jnp.float32)
        return NMFState(mean, *_fit(self, rating_matrix(train), *map(jnp.asarray, factors)))


@functools.partial(jax.jit, static_argnums=0)
def _fit(
    config: NMFConfig,
    ratings: RatingMatrix,
    users: Float[Array, "users dim"],
    items: Float[Array, "items dim"],
) -> tuple[Float[Array, "users dim"], Float[Array, "items dim"]]:
    value, where = ratings
    of_user = config.user_regularization * where.sum(1, dtype=jnp.float32)[:, None]
    of_item = config.item_regularization * where.sum(0, dtype=jnp.float32)[:, None]

    def update(_: Int[Array, ""], factors: tuple[Array, Array]) -> tuple[Array, Array]:
        users, items = factors
        found = jnp.where(where, product(users, items.T), 0)
        to_users = product(value, items), product(found, items) + of_user * users
        to_items = product(value.T, users), product(found.T, users) + of_item * items
        return users * _ratio(*to_users), items * _ratio(*to_items)

    return jax.lax.fori_loop(0, config.epochs, update, (users, items))


def _ratio(above: Float[Array, "..."], below: Float[Array, "..."]) -> Float[Array, "..."]:
    return jnp.where(below > 0, above / jnp.where(below > 0, below, 1), 0)
