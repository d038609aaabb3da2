"""SVD: a rating is a dot product of two vectors plus biases, fitted by stochastic gradient descent.

Koren, Bell & Volinsky, "Matrix Factorization Techniques for Recommender Systems" (Computer 2009),
eq. 4–5, as Funk had it and Surprise has it: all parameters follow the gradient of one rating at a
time. NOTE: Surprise goes from user to user; here ratings are ordered so that many can be taken at
once without a difference (conflict_free.py).
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
from jaxrec.baselines.conflict_free import ConflictFree
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
    """Of the initial vectors."""
    history_length: ClassVar[int] = 0
    knows_users_by_id: ClassVar[bool] = True
    state: ClassVar[type] = Factors

    def __post_init__(self) -> None:
        if self.regularization < 0:
            raise InputError(f"model.regularization is {self.regularization}; give a number from 0")

    def fit(self, train: Interactions) -> Factors:
        """Go through the ratings, in each epoch in the same order."""
        mean = jnp.asarray(train.value.mean(dtype=np.float64), jnp.float32)
        tables = initial(self, train, np.random.default_rng(self.seed))
        return split(mean, _fit(self, mean, tables, ConflictFree.build(train)))


class Tables(NamedTuple):
    """Vectors of users and items, each with the bias behind."""

    user: Float[Array, "users_plus_1 dim_plus_1"]
    item: Float[Array, "items_plus_1 dim_plus_1"]


def initial(config: Any, train: Interactions, random: np.random.Generator) -> Tables:
    """Draw the vectors of all users and items that have ratings."""
    tables = []
    for rows, present in ((len(train.users), train.user), (len(train.items), train.item)):
        known = np.bincount(present, minlength=rows + 1) > 0
        drawn = random.normal(0, config.scale, (rows + 1, config.embed_dim)) * known[:, None]
        tables.append(jnp.asarray(np.pad(drawn, ((0, 0), (0, 1))), jnp.float32))
    return Tables(*tables)


def split(mean: Float[Array, ""], tables: Tables) -> Factors:
    """Part vectors from biases; raises InputError if they have run away."""
    if not jnp.isfinite(tables.item).all():
        raise InputError("the parameters are not finite; lower model.learning_rate")
    biases = Biases(mean, *(table[:, -1] for table in tables))
    return Factors(biases, *(table[:, :-1] for table in tables))


@functools.partial(jax.jit, static_argnums=0)
def _fit(config: SVDConfig, mean: Float[Array, ""], start: Tables, batches: ConflictFree) -> Tables:
    def epoch(_: Int[Array, ""], tables: Tables) -> Tables:
        return descend(config, mean, tables, batches, (0, batches.number))

    return jax.lax.fori_loop(0, config.epochs, epoch, start)


def descend(
    config: Any,
    mean: Float[Array, ""],
    tables: Tables,
    batches: ConflictFree,
    span: tuple[Any, Any],
    user_gain: float = 1.0,
) -> Tables:
    """Follow the gradients of the batches of a span, those of user vectors × user_gain."""
    rate, decay = config.learning_rate, config.regularization
    is_bias = (jnp.arange(config.embed_dim + 1) == config.embed_dim)[None, :]

    def step(place: Int[Array, ""], tables: Tables) -> Tables:
        user, item, value = (column[place] for column in batches[:3])
        p, q = tables.user[user], tables.item[item]
        found = mean + jnp.sum(jnp.where(is_bias, p + q, p * q), 1)
        # Row 0 is only filling, and stays 0.
        error = jnp.where(user > 0, value - found, 0)[:, None]
        to_p = error * jnp.where(is_bias, 1, user_gain * q) - decay * p
        to_q = error * jnp.where(is_bias, 1, p) - decay * q
        return Tables(tables.user.at[user].add(rate * to_p), tables.item.at[item].add(rate * to_q))

    return jax.lax.fori_loop(*span, step, tables)
