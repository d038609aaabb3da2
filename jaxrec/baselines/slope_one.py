"""Slope One: the user's mean plus how much higher the item is rated than those the user knows.

Lemire & Maclachlan, "Slope One Predictors for Online Rating-Based Collaborative Filtering" (SDM
2005), without weights, as Surprise has it:

    r_uj = mean_u + mean of dev_ji over the items i that u knows and that somebody rated beside j,

dev_ji being the mean of r_vj - r_vi over the users v who rated both.
"""

from dataclasses import dataclass
from typing import ClassVar, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from jaxrec.baselines.memory import check_memory
from jaxrec.baselines.rating_matrix import RatingMatrix, product, rating_matrix
from jaxrec.data.histories import multi_hot
from jaxrec.data.interactions import Interactions
from jaxrec.typing import Batch


@struct.dataclass
@no_type_check
class SlopeOneState:
    """Deviations dev_ji in row j and column i, and the users' means (unknown ones': all ratings').

    together: whether somebody rated both; on the diagonal, whether the item was rated at all.
    """

    deviation: Float[Array, "items_plus_1 items_plus_1"]
    together: Bool[Array, "items_plus_1 items_plus_1"]
    user_mean: Float[Array, "users_plus_1"]

    def predict(self, batch: Batch) -> Float[Array, "batch"]:
        """Predict the rating of each example's own pair, of an unknown item the mean rating."""
        item, known = batch.target[:, -1], self._known(batch)
        number = jnp.sum(known * self.together[item], 1)
        deviation = jnp.sum(known * self.deviation[item], 1) / jnp.maximum(number, 1)
        return self._mean(batch.user, item) + deviation

    def scores(
        self, batch: Batch, items: Int[Array, "batch n"] | None = None
    ) -> Float[Array, "batch n"]:
        """Predict each user's ratings of the candidates, or of all items; also from a history."""
        known = self._known(batch)
        number = product(known, self.together.T.astype(jnp.float32))
        deviation = product(known, self.deviation.T) / jnp.maximum(number, 1)
        every = jnp.arange(known.shape[1])[None, :]
        scores = self._mean(batch.user[:, None], every) + deviation
        return scores if items is None else jnp.take_along_axis(scores, items, 1)

    def _known(self, batch: Batch) -> Float[Array, "batch items_plus_1"]:
        return multi_hot(batch.history, len(self.deviation) - 1)

    def _mean(self, user: Int[Array, "..."], item: Int[Array, "..."]) -> Float[Array, "..."]:
        return jnp.where(self.together[item, item], self.user_mean[user], self.user_mean[0])


@dataclass(frozen=True)
class SlopeOneConfig:
    """Nothing is to be chosen."""

    memory_budget: int = 2**32
    """Bytes that fitting may take; what would take more is refused."""
    history_length: ClassVar[None] = None
    state: ClassVar[type] = SlopeOneState

    def fit(self, train: Interactions) -> SlopeOneState:
        """Compute all deviations; raises InputError if items × items does not fit memory."""
        users, items = len(train.users) + 1, len(train.items) + 1
        needed = 16 * items**2 + 13 * users * items
        check_memory("deviations between all items", needed, self.memory_budget, "use svd")
        mean = train.value.mean(dtype=np.float64)
        totals = np.bincount(train.user, train.value, users)
        counts = np.bincount(train.user, minlength=users)
        user_mean = np.where(counts > 0, totals / np.maximum(counts, 1), mean)
        deviation, together = _deviations(rating_matrix(train), np.float32(np.round(mean)))
        return SlopeOneState(deviation, together, jnp.asarray(user_mean, jnp.float32))


@jax.jit
def _deviations(
    ratings: RatingMatrix, centre: Float[Array, ""]
) -> tuple[Float[Array, "items items"], Bool[Array, "items items"]]:
    """Give dev and where it is; a whole number as the centre keeps sums of whole ratings exact."""
    where = ratings.where.astype(jnp.float32)
    value = jnp.where(ratings.where, ratings.value - centre, 0)
    number = product(where.T, where)
    total = product(value.T, where)
    return (total - total.T) / jnp.maximum(number, 1), number > 0
