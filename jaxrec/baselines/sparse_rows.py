"""A sparse matrix on the device, whose rows are added up without work for what is not there."""

from typing import Literal, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Int
from scipy import sparse

ENTRIES_PER_STEP = 2**14
"""Weights added to the sums in one step of the loop."""
ENTRIES_PER_CHUNK = 2**18
"""Weights of which the largest are found at once."""


@struct.dataclass
@no_type_check
class SparseRows:
    """Row r has the blocks first[r] … first[r + 1] - 1, each a row of `columns` and of `weights`.

    Blocks are filled up with column 0 at weight 0; block 0 is all filling.
    """

    first: Int[Array, "rows_plus_1"]
    columns: Int[Array, "blocks width"]
    weights: Float[Array, "blocks width"]

    @staticmethod
    def build(matrix: sparse.csr_array) -> "SparseRows":
        """Cut the rows of a matrix into blocks."""
        entries = np.diff(matrix.indptr)
        width = int(2 ** np.clip(np.log2(max(entries.mean(), 1)) // 1, 3, 8))
        number = -(-entries // width)
        first = np.concatenate([[1], 1 + np.cumsum(number)]).astype(np.int32)
        row = np.repeat(np.arange(matrix.shape[0]), entries)
        place = first[row].astype(np.int64) * width + np.arange(len(row)) - matrix.indptr[row]
        columns = np.zeros(first[-1] * width, np.int32)
        weights = np.zeros(first[-1] * width, np.float32)
        columns[place], weights[place] = matrix.indices, matrix.data
        return SparseRows(
            jnp.asarray(first),
            jnp.asarray(columns.reshape(-1, width)),
            jnp.asarray(weights.reshape(-1, width)),
        )

    def weighted_sum(
        self,
        rows: Int[Array, "batch n"],
        values: Float[Array, "batch n"],
        num_columns: int,
        over: Literal["sum", "max"] = "sum",
    ) -> Float[Array, "batch columns"]:
        """Add up values × rows, for each of the batch; an entry of value 0 costs nothing.

        So many blocks are added in one step, whosever they are: no work goes into padding. With
        "max" the largest product, or 0, is taken instead of the sum.
        """
        batch, n = rows.shape
        row, value = rows.reshape(-1), values.reshape(-1)
        number = jnp.where(value != 0, self.first[row + 1] - self.first[row], 0)
        upto = jnp.cumsum(number)
        total = upto[-1] if batch * n else jnp.int32(0)
        step = max(ENTRIES_PER_STEP // self.columns.shape[1], 1)

        def add(at: Int[Array, ""], sums: Float[Array, "flat"]) -> Float[Array, "flat"]:
            place = at * step + jnp.arange(step, dtype=jnp.int32)
            entry = jnp.minimum(jnp.searchsorted(upto, place, side="right"), batch * n - 1)
            block = self.first[row[entry]] + place - (upto[entry] - number[entry])
            block = jnp.where(place < total, block, 0)
            column = (entry // n)[:, None] * num_columns + self.columns[block]
            added = value[entry][:, None] * self.weights[block]
            to = sums.at[column.reshape(-1)]
            return to.max(added.reshape(-1)) if over == "max" else to.add(added.reshape(-1))

        sums = jnp.zeros(batch * num_columns, jnp.float32)
        if batch * n:
            sums = jax.lax.fori_loop(0, -(-total // step), add, sums)
        return sums.reshape(batch, num_columns)


def last_of_kind(
    history: Int[Array, "batch length"], num_items: int
) -> Bool[Array, "batch length"]:
    """Tell which entries of a history are the last of their item; padding is none."""
    users = jnp.arange(history.shape[0])[:, None]
    place = jnp.arange(1, history.shape[1] + 1, dtype=jnp.int32)[None, :]
    last = jnp.zeros((history.shape[0], num_items + 1), jnp.int32)
    return (last.at[users, history].max(place)[users, history] == place) & (history > 0)


def multi_hot(
    history: Int[Array, "batch length"], num_items: int
) -> Float[Array, "batch items_plus_1"]:
    """Mark the items of each history with 1; row 0, the padding, is none."""
    users = jnp.arange(history.shape[0])[:, None]
    known = jnp.zeros((history.shape[0], num_items + 1), jnp.float32)
    return known.at[users, history].set(1).at[:, 0].set(0)


def largest(matrix: sparse.csr_array, k: int) -> sparse.csr_array:
    """Keep the k largest entries of each row, of equal ones those of the lowest columns."""
    counts = np.diff(matrix.indptr)
    kept = np.repeat(counts <= k, counts)
    wide = np.flatnonzero(counts > k)
    wide = wide[np.argsort(counts[wide], kind="stable")]
    start = 0
    while start < len(wide):
        # Rows at most twice as long as each other, and so many that they fit the cache.
        shortest = counts[wide[start]]
        stop = np.searchsorted(counts[wide], 2 * shortest, side="right")
        rows = wide[start : min(stop, start + max(ENTRIES_PER_CHUNK // shortest, 1))]
        width = np.arange(counts[rows[-1]], dtype=matrix.indptr.dtype)
        place = matrix.indptr[rows][:, None] + width[None, :]
        outside = place >= matrix.indptr[rows + 1][:, None]
        place[outside] = -1
        values = matrix.data[place]
        values[outside] = -np.inf
        chosen = place[_largest(values, place, matrix.indices, k)]
        kept[chosen[chosen >= 0]] = True
        start += len(rows)
    return only(matrix, kept)


def only(matrix: sparse.csr_array, kept: np.ndarray) -> sparse.csr_array:
    """Keep the entries that are marked."""
    indptr = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
    return sparse.csr_array((matrix.data[kept], matrix.indices[kept], indptr), matrix.shape)


def _largest(values: np.ndarray, place: np.ndarray, columns: np.ndarray, k: int) -> np.ndarray:
    """Mark the k largest values of each row; place says which column each is of, -1 is padding."""
    least = np.partition(values, values.shape[1] - k, axis=1)[:, -k, None]
    marked = values >= least
    tied = np.flatnonzero(np.count_nonzero(marked, axis=1) > k)
    above, place = values[tied] > least[tied], place[tied]
    equal = marked[tied] & ~above
    order = np.where(equal & (place >= 0), columns[place], np.iinfo(columns.dtype).max)
    wanted = k - np.count_nonzero(above, axis=1)[:, None]
    last = np.take_along_axis(np.sort(order, axis=1), wanted - 1, axis=1)
    marked[tied] = above | (equal & (order <= last))
    return marked
