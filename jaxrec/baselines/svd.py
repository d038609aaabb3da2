"""SVD: a rating is a dot product of two vectors plus biases, fitted by stochastic gradient descent.

Koren, Bell & Volinsky, "Matrix Factorization Techniques for Recommender Systems" (Computer 2009),
eq. 4–5, as Funk had it and Surprise has it: all parameters follow the gradient of one rating at a
time, user by user. NOTE: here the gradients of a few ratings of some users are taken at once, and
summed (lockstep.py); that differs in what is of second order in the learning rate. On
MovieLens-100K the RMSE over ten seeds is .9364 ± .0006 so, and Surprise's .9366 ± .0009.
"""

import functools
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from jaxrec.baselines.baseline_only import Biases
from jaxrec.baselines.lockstep import Lockstep
from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError
from jaxrec.typing import Batch


@struct.dataclass
@no_type_check
class Factors:
    """Biases and vectors; those of unknown users and items, and of row 0, are zero."""

    biases: Biases
    user: Float[Array, "users_plus_1 dim"]
    item: Float[Array, "items_plus_1 dim"]

    def predict(self, batch: Batch) -> Float[Array, "batch"]:
        """Predict the rating of each example's own pair."""
        return self.predict_for(self.user[batch.user], batch)

    def scores(
        self, batch: Batch, items: Int[Array, "batch n"] | None = None
    ) -> Float[Array, "batch n"]:
        """Predict each user's ratings of the candidates, or of all items."""
        return self.scores_for(self.user[batch.user], batch, items)

    def predict_for(self, users: Float[Array, "batch dim"], batch: Batch) -> Float[Array, "batch"]:
        """Predict with these vectors in place of the users' own."""
        return self.biases.predict(batch) + jnp.sum(users * self.item[batch.target[:, -1]], -1)

    def scores_for(
        self, users: Float[Array, "batch dim"], batch: Batch, items: Int[Array, "batch n"] | None
    ) -> Float[Array, "batch n"]:
        """Score with these vectors in place of the users' own."""
        if items is None:
            dots = jnp.matmul(users, self.item.T, precision="highest")
        else:
            dots = jnp.einsum("bd,bnd->bn", users, self.item[items])
        return self.biases.scores(batch, items) + dots


@dataclass(frozen=True)
class SVDConfig:
    """The size of the vectors, and how they are fitted."""

    embed_dim: int = 100
    """Width of the user and item vectors."""
    epochs: int = 20
    """Times that every rating is seen."""
    learning_rate: float = 0.005
    """Of all parameters."""
    regularization: float = 0.02
    """Of all parameters: how much they shrink, in proportion, beside the error's gradient."""
    scale: float = 0.1
    """Standard deviation of the initial vectors; biases start from 0."""
    seed: int = 0
    """Of the initial vectors, and of the order of each user's ratings."""
    history_length: ClassVar[int] = 0
    knows_users_by_id: ClassVar[bool] = True
    state: ClassVar[type] = Factors

    def __post_init__(self) -> None:
        if self.regularization < 0:
            raise InputError(f"model.regularization is {self.regularization}; give a number from 0")

    def fit(self, train: Interactions) -> Factors:
        """Go through the ratings, in each epoch in the same order."""
        mean = jnp.asarray(train.value.mean(dtype=np.float64), jnp.float32)
        random = np.random.default_rng(self.seed)
        tables = initial(self, train, random)
        return split(self, mean, _fit(self, mean, tables, Lockstep.build(train, random)))


class Tables(NamedTuple):
    """Vectors, behind them the bias and a 1 (of items a 1 and the bias), and zeros.

    So the dot product of two rows is all of a prediction but the mean.
    """

    user: Float[Array, "users_plus_1 width"]
    item: Float[Array, "items_plus_1 width"]


LANES = 16
"""What widths are rounded up to: a CPU multiplies so many numbers at a time."""


def initial(config: Any, train: Interactions, random: np.random.Generator) -> Tables:
    """Draw the vectors of all users and items that have ratings."""
    dim, tables = config.embed_dim, []
    columns = (len(train.users), train.user, dim + 1), (len(train.items), train.item, dim)
    for rows, present, one in columns:
        known = np.bincount(present, minlength=rows + 1) > 0
        table = np.zeros((rows + 1, -(-(dim + 2) // LANES) * LANES), np.float32)
        table[:, :dim] = random.normal(0, config.scale, (rows + 1, dim)) * known[:, None]
        table[:, one] = 1
        tables.append(jnp.asarray(table))
    return Tables(*tables)


def split(config: Any, mean: Float[Array, ""], tables: Tables) -> Factors:
    """Part vectors from biases; raises InputError if they have run away."""
    if not jnp.isfinite(tables.item).all():
        raise InputError("the parameters are not finite; lower model.learning_rate")
    (user, item), dim = tables, config.embed_dim
    return Factors(Biases(mean, user[:, dim], item[:, dim + 1]), user[:, :dim], item[:, :dim])


@functools.partial(jax.jit, static_argnums=0)
def _fit(config: SVDConfig, mean: Float[Array, ""], start: Tables, ratings: Lockstep) -> Tables:
    groups = len(ratings.user)

    def walk(number: Int[Array, ""], tables: Tables) -> Tables:
        group = number % groups
        users = ratings.user[group]
        moved, item = descend(config, mean, tables.user[users], tables.item, ratings, group)
        return Tables(tables.user.at[users].set(moved), item)

    return jax.lax.fori_loop(0, config.epochs * groups, walk, start)


def descend(
    config: Any,
    mean: Float[Array, ""],
    users: Float[Array, "users width"],
    items: Float[Array, "items_plus_1 width"],
    ratings: Lockstep,
    group: Int[Array, ""],
    gain: float = 1.0,
) -> tuple[Float[Array, "users width"], Float[Array, "items_plus_1 width"]]:
    """Follow the gradients of a group's ratings, those of the users' vectors × gain."""
    decay, column = config.regularization, jnp.arange(items.shape[1])[None, :]
    gains = jnp.where(column < config.embed_dim, gain, 1)
    # The ones stay.
    user_rate, item_rate = (
        jnp.where(column == config.embed_dim + one, 0, config.learning_rate) for one in (1, 0)
    )

    def step(
        place: Int[Array, ""], vectors: tuple[Float[Array, "..."], Float[Array, "..."]]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        p, items = vectors
        item, value = ratings.item[place], ratings.value[place]
        where = item > 0
        # Without the barrier the rows would be gathered anew for each of their uses.
        q = jax.lax.optimization_barrier(items.at[item].get(mode="promise_in_bounds"))
        found = mean + jnp.einsum("ud,und->un", p, q, precision="highest")
        error = jnp.where(where, value - found, 0)
        ascent = gains * jnp.einsum("un,und->ud", error, q, precision="highest")
        to_p = ascent - decay * where.sum(1, keepdims=True) * p
        to_q = error[:, :, None] * p[:, None] - decay * q
        items = items.at[item].add(item_rate[None] * to_q, mode="promise_in_bounds")
        return p + user_rate * to_p, items

    return jax.lax.fori_loop(ratings.first[group], ratings.first[group + 1], step, (users, items))
