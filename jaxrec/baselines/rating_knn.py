"""Nearest neighbours for ratings: the mean of similar users' ratings, weighted by similarity.

Herlocker et al., "An Algorithmic Framework for Performing Collaborative Filtering" (SIGIR 1999),
in the four kinds that Surprise has; with items in place of users, Sarwar et al. (WWW 2001):

    r_xy = base_xy + scale_x * sum of s_xz (r_zy - base_zy) / scale_z over sum of s_xz

over the k most similar z that rated y, of those whose similarity s_xz is positive. x and z are
users and y is an item, or the reverse. base is 0 (basic), x's mean (means, z-score) or x's and y's
biases (baseline); scale is 1, or x's standard deviation (z-score). NOTE: of equally similar
neighbours the first by row count; in Surprise, the first by rating.
"""

import functools
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from jaxrec.baselines.baseline_only import BaselineOnlyConfig
from jaxrec.baselines.memory import check_memory
from jaxrec.baselines.rating_matrix import RatingMatrix, product, rating_matrix
from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError
from jaxrec.typing import Batch

PAIRS_AT_ONCE = 256
"""Ratings predicted at once; each reads a row of similarities."""
NOTHING = 1e-6
"""A variance this small beside the squares that it came from is rounding, and counts as 0."""


class _Bases(NamedTuple):
    """What x's ratings are compared with, and what is predicted where there are no neighbours.

    alone: with too few neighbours; unmet: of a y that nobody rated; y's bias is added to both.
    """

    x: Float[Array, "x"]
    y: Float[Array, "y"]
    scale: Float[Array, "x"]
    alone: Float[Array, "x"]
    unmet: Float[Array, "x"]


@struct.dataclass
@no_type_check
class RatingKNNState:
    """Similarities of all x; deviations (r - base) / scale, row y and column x, where x rated y.

    users_compared: whether x are the users. enough: whether 1, 2, … k neighbours are enough.
    The others are _Bases.
    """

    similarity: Float[Array, "x x"]
    deviation: Float[Array, "y x"]
    where: Bool[Array, "y x"]
    base_x: Float[Array, "x"]
    base_y: Float[Array, "y"]
    scale: Float[Array, "x"]
    alone: Float[Array, "x"]
    unmet: Float[Array, "x"]
    enough: Bool[Array, "k"]
    users_compared: Bool[Array, ""]

    def predict(self, batch: Batch) -> Float[Array, "batch"]:
        """Predict the rating of each example's own pair."""
        return _predict(self, batch.user, batch.target[:, -1])

    def scores(
        self, batch: Batch, items: Int[Array, "batch n"] | None = None
    ) -> Float[Array, "batch n"]:
        """Predict each user's ratings of the candidates, or of all items."""
        if items is None:
            every = jnp.arange(batch.catalogue.counts.shape[0], dtype=jnp.int32)
            items = jnp.broadcast_to(every[None, :], (batch.user.shape[0], len(every)))
        users = jnp.broadcast_to(batch.user[:, None], items.shape)
        return _predict(self, users.reshape(-1), items.reshape(-1)).reshape(items.shape)

    def of_pair(self, pair: tuple[Int[Array, ""], Int[Array, ""]]) -> Float[Array, ""]:
        """Predict what x rates y."""
        x, y = pair
        near = jnp.where(self.where[y], jnp.maximum(self.similarity[x], 0), 0)
        weights, neighbours = jax.lax.top_k(near, self.enough.shape[0])
        number = jnp.sum(weights > 0)
        answered = (number > 0) & self.enough[number - 1]
        deviation = jnp.sum(weights * self.deviation[y, neighbours])
        deviation = deviation / jnp.where(number > 0, jnp.sum(weights), 1)
        rating = self.base_x[x] + self.scale[x] * deviation
        fallback = jnp.where(jnp.any(self.where[y]), self.alone[x], self.unmet[x])
        return self.base_y[y] + jnp.where(answered, rating, fallback)


# Compiled here, so that what is asked outside of an evaluation is compiled once too.
@jax.jit
def _predict(
    state: RatingKNNState, user: Int[Array, "n"], item: Int[Array, "n"]
) -> Float[Array, "n"]:
    x = jnp.where(state.users_compared, user, item)
    y = jnp.where(state.users_compared, item, user)
    return jax.lax.map(state.of_pair, (x, y), batch_size=PAIRS_AT_ONCE)


@dataclass(frozen=True)
class RatingKNNConfig:
    """What is compared, how, and how many neighbours count."""

    kind: Literal["basic", "means", "z_score", "baseline"] = "basic"
    """What of the neighbours' ratings is averaged: they themselves, or how far they are from the
    neighbour's mean, in standard deviations or not, or from the biases of user and item."""
    similarity: Literal["msd", "cosine", "pearson", "pearson_baseline"] = "msd"
    """Of the ratings of what both have rated: 1 / (1 + mean squared difference); the cosine; the
    correlation; or that around the biases of user and item, shrunk."""
    compared: Literal["users", "items"] = "users"
    """Whose neighbours are sought."""
    k: int = 40
    """Neighbours that count, at most."""
    min_k: int = 1
    """Neighbours that are needed; with fewer, the mean or the biases are predicted."""
    min_support: int = 1
    """Ratings in common that are needed; with fewer, the similarity is 0."""
    shrinkage: float = 100.0
    """With pearson_baseline: correlations of n common ratings × (n - 1) / (n - 1 + shrinkage)."""
    memory_budget: int = 2**32
    """Bytes that fitting may take; what would take more is refused."""
    history_length: ClassVar[int] = 0
    knows_users_by_id: ClassVar[bool] = True
    state: ClassVar[type] = RatingKNNState

    def __post_init__(self) -> None:
        if not 1 <= self.min_k <= self.k:
            raise InputError(f"model.min_k is {self.min_k}; give a number within 1..{self.k} (k)")
        if self.shrinkage < 0:
            raise InputError(f"model.shrinkage is {self.shrinkage}; give a number from 0")

    def fit(self, train: Interactions) -> RatingKNNState:
        """Compute all similarities; raises InputError if they and the ratings do not fit memory."""
        sizes = len(train.users) + 1, len(train.items) + 1
        by_user = self.compared == "users"
        x, y = sizes if by_user else sizes[::-1]
        what = f"similarities of all {self.compared}"
        other = "items" if by_user else "users"
        instead = f"compare {other} (model.compared)" if y < x else "use svd"
        check_memory(what, 20 * x**2 + 25 * x * y, self.memory_budget, instead)
        ratings = rating_matrix(train)
        if not by_user:
            ratings = RatingMatrix(ratings.value.T, ratings.where.T)
        biases = BaselineOnlyConfig().fit(train)
        of_x, of_y = (biases.user, biases.item) if by_user else (biases.item, biases.user)
        bases = _bases(self.kind, ratings, biases.mean, of_x, of_y)
        around = jnp.round(biases.mean)
        if self.similarity == "cosine":
            around = jnp.float32(0)
        elif self.similarity == "pearson_baseline":
            around = biases.mean + of_x[:, None] + of_y[None, :]
        similarity = _similarity(self, ratings, around)
        deviation = ratings.value - bases.x[:, None] - bases.y[None, :]
        deviation = jnp.where(ratings.where, deviation / bases.scale[:, None], 0)
        enough = jnp.arange(1, min(self.k, x) + 1) >= self.min_k
        return RatingKNNState(
            similarity, deviation.T, ratings.where.T, *bases, enough, jnp.asarray(by_user)
        )


def _bases(
    kind: str,
    ratings: RatingMatrix,
    mean: Float[Array, ""],
    of_x: Float[Array, "x"],
    of_y: Float[Array, "y"],
) -> _Bases:
    nothing, everywhere = jnp.zeros_like(of_x), jnp.full_like(of_x, mean)
    one, no_y = jnp.ones_like(of_x), jnp.zeros_like(of_y)
    if kind == "basic":
        return _Bases(nothing, no_y, one, everywhere, everywhere)
    if kind == "baseline":
        return _Bases(mean + of_x, of_y, one, mean + of_x, mean + of_x)
    value, where = (np.asarray(part, np.float64) for part in ratings)
    number = np.maximum(where.sum(1), 1)
    means = value.sum(1) / number
    deviations = np.sqrt((where * np.square(value - means[:, None])).sum(1) / number)
    around = jnp.asarray(np.where(where.any(1), means, mean), jnp.float32)
    if kind == "z_score":
        spread = np.where(deviations > 0, deviations, value[where > 0].std() or 1)
        one = jnp.asarray(spread, jnp.float32)
    return _Bases(around, no_y, one, around, everywhere)


@functools.partial(jax.jit, static_argnums=0)
def _similarity(
    config: RatingKNNConfig, ratings: RatingMatrix, around: Float[Array, "..."]
) -> Float[Array, "x x"]:
    """Compare the ratings, less `around`; a whole number keeps sums of whole ratings exact."""
    where = ratings.where.astype(jnp.float32)
    value = jnp.where(ratings.where, ratings.value - around, 0)
    number = product(where, where.T)
    both = product(value, value.T)
    square = product(jnp.square(value), where.T)  # of the row's x, over what both have rated
    least, support = jnp.maximum(number, 1), max(config.min_support, 1)
    if config.similarity == "msd":
        difference = jnp.maximum(square + square.T - 2 * both, 0) / least
        similarity = 1 / (1 + difference)
    elif config.similarity == "pearson":
        total = product(value, where.T)
        variance = number * square - jnp.square(total)
        variance = jnp.where(variance > NOTHING * number * square, variance, 0)
        similarity = _over(number * both - total * total.T, variance)
    else:
        similarity = _over(both, square)
    if config.similarity == "pearson_baseline":
        support = max(support, 2)
        similarity *= (number - 1) / jnp.maximum(number - 1 + config.shrinkage, NOTHING)
    return jnp.fill_diagonal(jnp.where(number < support, 0, similarity), 1, inplace=False)


def _over(above: Float[Array, "x x"], square: Float[Array, "x x"]) -> Float[Array, "x x"]:
    below = jnp.sqrt(square) * jnp.sqrt(square.T)
    return jnp.where(below > 0, above / jnp.where(below > 0, below, 1), 0)
