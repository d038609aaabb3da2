"""Biases alone: a rating is the mean plus how far the user and the item deviate from it.

Koren, "Factor in the Neighbors" (TKDD 2010), section 2.1, by alternating least squares as Surprise
has it: in each epoch first the items, b_i = sum of (r - mean - b_u) / (reg_item + n_i), then the
users alike.
"""

from dataclasses import dataclass
from typing import ClassVar, no_type_check

import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError
from jaxrec.typing import Batch


@struct.dataclass
@no_type_check
class Biases:
    """The mean rating, and what is added for a user and an item; 0 for unknown ones, and row 0."""

    mean: Float[Array, ""]
    user: Float[Array, "users_plus_1"]
    item: Float[Array, "items_plus_1"]

    def predict(self, batch: Batch) -> Float[Array, "batch"]:
        """Predict the rating of each example's own pair."""
        return self.mean + self.user[batch.user] + self.item[batch.target[:, -1]]

    def scores(
        self, batch: Batch, items: Int[Array, "batch n"] | None = None
    ) -> Float[Array, "batch n"]:
        """Predict each user's ratings of the candidates, or of all items."""
        of_items = self.item[None, :] if items is None else self.item[items]
        return self.mean + self.user[batch.user][:, None] + of_items


@dataclass(frozen=True)
class BaselineOnlyConfig:
    """How long, and how far from zero."""

    epochs: int = 10
    """Times that all items and then all users are fitted."""
    user_regularization: float = 15.0
    """Ratings of the mean that a user's own count together with."""
    item_regularization: float = 10.0
    """The same of an item."""
    history_length: ClassVar[int] = 0
    state: ClassVar[type] = Biases

    def __post_init__(self) -> None:
        for name in ("user_regularization", "item_regularization"):
            if getattr(self, name) < 0:
                raise InputError(f"model.{name} is {getattr(self, name)}; give a number from 0")

    def fit(self, train: Interactions) -> Biases:
        """Alternate between items and users; a pair that was rated twice counts twice."""
        mean = train.value.mean(dtype=np.float64)
        rating = train.value - mean
        users, items = len(train.users) + 1, len(train.items) + 1
        # Where there is no rating the sum is 0, whatever it is divided by.
        of_user = self.user_regularization + np.maximum(np.bincount(train.user, None, users), 1)
        of_item = self.item_regularization + np.maximum(np.bincount(train.item, None, items), 1)
        user = np.zeros(users)
        for _ in range(self.epochs):
            item = np.bincount(train.item, rating - user[train.user], items) / of_item
            user = np.bincount(train.user, rating - item[train.item], users) / of_user
        return Biases(*(jnp.asarray(x, jnp.float32) for x in (mean, user, item)))
