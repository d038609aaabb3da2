"""Items that speak for items: the state of every method that scores by a sparse item × item matrix.

score(u, j) = sum of w_ij over the items i that u knows
"""

from typing import no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int
from scipy import sparse

from jaxrec.baselines.sparse_rows import SparseRows, last_of_kind
from jaxrec.data.histories import multi_hot, positives
from jaxrec.data.interactions import Interactions
from jaxrec.typing import Batch

DENSE_SPEEDUP = 500
"""Multiplications of a matrix product in the time of one scattered addition (on a CPU)."""

ROW_SLOWDOWN = 60
"""Multiplications of a matrix product in the time of one addition of rows (on a CPU)."""


@struct.dataclass
@no_type_check
class ItemWeights:
    """The weights w_ij, for each known item i the items j that it speaks for.

    They stand in `matrix` where that is the faster and fits memory, else in `rows`; the other has
    only a zero.
    """

    rows: SparseRows
    matrix: Float[Array, "items_plus_1 items_plus_1"]

    @staticmethod
    def build(weights: sparse.csr_array, known: sparse.csr_array, budget: int) -> "ItemWeights":
        """Choose the layout in which all users of `known` (users × items) are scored faster."""
        size = weights.shape[0]
        additions = float(np.bincount(known.indices, minlength=size) @ np.diff(weights.indptr))
        fits = 4 * size**2 <= budget
        if fits and additions * DENSE_SPEEDUP > known.shape[0] * float(size) ** 2:
            return ItemWeights.dense(jnp.asarray(weights.toarray(), jnp.float32))
        return ItemWeights(SparseRows.build(weights), jnp.zeros((1, 1), jnp.float32))

    @staticmethod
    def dense(matrix: Float[Array, "items_plus_1 items_plus_1"]) -> "ItemWeights":
        """Take a matrix whose every entry counts; it is not copied."""
        nothing = SparseRows.build(sparse.csr_array(matrix.shape, dtype=np.float32))
        return ItemWeights(nothing, matrix)

    def scores(
        self, batch: Batch, items: Int[Array, "batch n"] | None = None
    ) -> Float[Array, "batch n"]:
        """Score each user's candidates, or all items; an item known twice counts once."""
        num_items = batch.catalogue.counts.shape[0] - 1
        if self.matrix.shape[0] > 1:
            scores = _sums_of_rows(self.matrix, batch.history)
        else:
            met = last_of_kind(batch.history, num_items).astype(jnp.float32)
            scores = self.rows.weighted_sum(batch.history, met, num_items + 1)
        return scores if items is None else jnp.take_along_axis(scores, items, 1)


def _sums_of_rows(
    matrix: Float[Array, "items_plus_1 items_plus_1"], history: Int[Array, "batch length"]
) -> Float[Array, "batch items_plus_1"]:
    """Add up the rows of each history's items.

    On a CPU a product with histories that are short beside the catalogue is mostly zeros, and takes
    the whole matrix through the cache for each chunk of users; rows are then added one by one.
    """
    num_items = matrix.shape[0] - 1

    def multiply(history: Int[Array, "batch length"]) -> Float[Array, "batch items_plus_1"]:
        return jnp.matmul(multi_hot(history, num_items), matrix, precision="highest")

    def add(history: Int[Array, "batch length"]) -> Float[Array, "batch items_plus_1"]:
        met = last_of_kind(history, num_items)
        items = -jnp.sort(-jnp.where(met, history, 0), axis=1)

        def of_user(asked: tuple[Array, Array]) -> Float[Array, "items_plus_1"]:
            items, number = asked
            begun = jnp.zeros(num_items + 1, jnp.float32)
            return jax.lax.fori_loop(0, number, lambda i, sums: sums + matrix[items[i]], begun)

        return jax.lax.map(of_user, (items, met.sum(1)))

    def cheaper(history: Int[Array, "batch length"]) -> Float[Array, "batch items_plus_1"]:
        few = jnp.sum(history > 0) * ROW_SLOWDOWN < history.shape[0] * (num_items + 1)
        return jax.lax.cond(few, add, multiply, history)

    return jax.lax.platform_dependent(history, cpu=cheaper, default=multiply)


def known_items(train: Interactions) -> sparse.csr_array:
    """Give the matrix of users × items, 1 where a user has met an item; row and column 0 empty."""
    csr = positives(train)
    shape = len(csr.indptr) - 1, len(train.items) + 1
    return sparse.csr_array((np.ones(len(csr.indices)), csr.indices, csr.indptr), shape)
