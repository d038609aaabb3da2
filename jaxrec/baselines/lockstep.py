"""Ratings in the order of a gradient descent that goes user by user, yet many ratings at once.

Users form groups, the busiest first; those of a group walk through their ratings side by side, some
ratings a step. A user's vector is at hand through all of them, as where one user comes after the
other, and the items of a step are mostly different ones, since each user's order is random.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxrec.data.interactions import Interactions

USERS, RATINGS = 32, 16
"""Users of a group, and ratings of each in a step."""
STEPS = 64
"""What the number of steps is rounded up to: few shapes are compiled."""


class Lockstep(NamedTuple):
    """Groups of users, each with its steps from `first` on; filled up with user 0 and item 0."""

    user: Int[Array, "groups users"]
    first: Int[Array, "groups_plus_1"]
    item: Int[Array, "steps users ratings"]
    value: Float[Array, "steps users ratings"]

    @staticmethod
    def build(train: Interactions, random: np.random.Generator) -> "Lockstep":
        """Lay the ratings out; `random` orders those of each user."""
        number = np.bincount(train.user, minlength=len(train.users) + 1)
        users = np.argsort(-number, kind="stable").astype(np.int32)
        first = np.append(0, np.cumsum(-(-number[users[::USERS]] // RATINGS)))
        order = np.argsort(train.user + random.random(len(train)))
        user, place = train.user[order], np.arange(len(train))
        place -= (np.cumsum(number) - number)[user]
        group, lane = np.divmod(np.argsort(users)[user], USERS)
        where = first[group] + place // RATINGS, lane, place % RATINGS
        shape = -(-first[-1] // STEPS) * STEPS, USERS, RATINGS

        def lay(column: np.ndarray) -> Array:
            laid = np.zeros(shape, column.dtype)
            laid[where] = column[order]
            return jnp.asarray(laid)

        groups = np.pad(users, (0, -len(users) % USERS)).reshape(-1, USERS)
        columns = jnp.asarray(groups), jnp.asarray(first, jnp.int32)
        return Lockstep(*columns, lay(train.item), lay(train.value))
