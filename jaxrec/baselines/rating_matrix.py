"""Ratings as a dense matrix of users × items, for methods that are matrix products of it."""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxrec.data.interactions import Interactions

product = functools.partial(jnp.matmul, precision="highest")


class RatingMatrix(NamedTuple):
    """What was rated, and how, 0 where nothing was; row and column 0 are empty."""

    value: Float[Array, "users_plus_1 items_plus_1"]
    where: Bool[Array, "users_plus_1 items_plus_1"]


def rating_matrix(train: Interactions) -> RatingMatrix:
    """Lay the ratings out; of a pair that was rated twice the last rating counts."""
    shape = len(train.users) + 1, len(train.items) + 1
    value, where = np.zeros(shape, np.float32), np.zeros(shape, bool)
    # A user's events stand in the order of time, and the last assignment to a place stays.
    value[train.user, train.item] = train.value
    where[train.user, train.item] = True
    return RatingMatrix(jnp.asarray(value), jnp.asarray(where))
