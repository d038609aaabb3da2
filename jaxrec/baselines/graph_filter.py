"""A low-pass filter on the graph of users and items, sharpened by one step, without training.

The linear filter of GF-CF and the sharpening of Choi et al., "Blurring-Sharpening Process Models
for Collaborative Filtering" (SIGIR 2023), here one step of Euler's; the powers of the degrees are
free, as in P3alpha and RP3beta. With R the matrix users × items, Du and Di the degrees:

    N = Du^-user_power R Di^-item_power / s,   s the largest singular value of it
    P = N'N,   scores(r) = r Di^-tilt (P - sharpening P²) Di^tilt
"""

from dataclasses import dataclass
from typing import ClassVar, no_type_check

import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int
from scipy import sparse

from jaxrec.baselines.item_weights import known_items
from jaxrec.baselines.pure_svd import right_singular_vectors
from jaxrec.baselines.sparse_rows import SparseRows
from jaxrec.data.histories import multi_hot
from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError
from jaxrec.typing import Batch


@struct.dataclass
@no_type_check
class GraphFilterState:
    """N and N' as rows, so that nothing of items × items is held, and what else is a constant.

    tilt: Di^tilt, 1 for an item that nobody knows.
    """

    items: SparseRows
    users: SparseRows
    tilt: Float[Array, "items_plus_1"]
    sharpening: Float[Array, ""]

    def scores(
        self, batch: Batch, items: Int[Array, "batch n"] | None = None
    ) -> Float[Array, "batch n"]:
        """Score each user's candidates, or all items; an item known twice counts once."""
        known = multi_hot(batch.history, self.tilt.shape[0] - 1)
        once = self._blur((known / self.tilt[None, :]).T)
        scores = (once - self.sharpening * self._blur(once)).T * self.tilt[None, :]
        return scores if items is None else jnp.take_along_axis(scores, items, 1)

    def _blur(self, x: Float[Array, "items_plus_1 batch"]) -> Float[Array, "items_plus_1 batch"]:
        """Multiply by P."""
        return self.users.product(self.items.product(x))


@dataclass(frozen=True)
class GraphFilterConfig:
    """How much degrees count, and how much the filter is sharpened."""

    user_power: float = 0.5
    """Power of a user's number of items by which they count less."""
    item_power: float = 0.5
    """Power of an item's number of users by which it counts less, known and scored."""
    tilt: float = 0.0
    """Power by which a popular item counts less still where it is known, and more where scored."""
    sharpening: float = 0.0
    """How much of the filter's second application is taken from the first; 0: the linear filter."""
    history_length: ClassVar[None] = None
    state: ClassVar[type] = GraphFilterState

    def __post_init__(self) -> None:
        for name in ("user_power", "item_power", "tilt", "sharpening"):
            value = getattr(self, name)
            if not np.isfinite(value):
                raise InputError(f"model.{name} is {value}; give a finite number")

    def fit(self, train: Interactions) -> GraphFilterState:
        """Normalise; nothing in it is random."""
        known = known_items(train)
        of_items, of_users = (np.maximum(known.sum(axis), 1.0) for axis in (0, 1))
        scaled = sparse.csr_array(
            known * (of_users**-self.user_power)[:, None] * (of_items**-self.item_power)[None, :]
        )
        normal = scaled / np.linalg.norm(scaled @ right_singular_vectors(scaled, 1))
        return GraphFilterState(
            SparseRows.build(normal),
            SparseRows.build(normal.T.tocsr()),
            jnp.asarray(of_items**self.tilt, jnp.float32),
            jnp.float32(self.sharpening),
        )
