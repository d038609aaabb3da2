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
BLOCKS_PER_STEP = 2**9
"""Blocks that a product with a dense matrix works on at a time, so that their sums stay in the
cache."""


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

    def product(self, x: Float[Array, "columns batch"]) -> Float[Array, "rows batch"]:
        """Multiply the matrix by a dense one: every entry is worked on, for all of the batch."""
        blocks, width = self.columns.shape
        rows = self.first.shape[0] - 1
        row = jnp.searchsorted(self.first, jnp.arange(blocks), side="right") - 1

        def add(at: Int[Array, ""], sums: Float[Array, "rows batch"]) -> Float[Array, "rows batch"]:
            block = 1 + at * BLOCKS_PER_STEP + jnp.arange(BLOCKS_PER_STEP, dtype=jnp.int32)
            # Block 0 adds nothing.
            block = jnp.where(block < blocks, block, 0)
            columns, weights = self.columns[block], self.weights[block]

            def entry(place: Array, total: Array) -> Array:
                known = jnp.take(x, columns[:, place], axis=0, mode="clip")
                return total + weights[:, place, None] * known

            total = jnp.zeros((BLOCKS_PER_STEP, x.shape[1]), x.dtype)
            return sums.at[row[block]].add(jax.lax.fori_loop(0, width, entry, total))

        steps = -(-(blocks - 1) // BLOCKS_PER_STEP)
        return jax.lax.fori_loop(0, steps, add, jnp.zeros((rows, x.shape[1]), x.dtype))


def last_of_kind(
    history: Int[Array, "batch length"], num_items: int
) -> Bool[Array, "batch length"]:
    """Tell which entries of a history are the last of their item; padding is none."""
    users = jnp.arange(history.shape[0])[:, None]
    place = jnp.arange(1, history.shape[1] + 1, dtype=jnp.int32)[None, :]
    last = jnp.zeros((history.shape[0], num_items + 1), jnp.int32)
    return (last.at[users, history].max(place)[users, history] == place) & (history > 0)


def largest(matrix: sparse.csr_array, k: int) -> sparse.csr_array:
    """Keep the k largest entries of each row, of equal ones those of the lowest columns.

    An entry of -inf is none.
    """
    values, ends = matrix.data.copy(), matrix.indptr.tolist()
    least = np.full(matrix.shape[0], np.finfo(values.dtype).min, values.dtype)
    for row in np.flatnonzero(np.diff(matrix.indptr) > k):
        own = values[ends[row] : ends[row + 1]]
        own.partition(-k)
        least[row] = max(least[row], own[-k])
    found = only(matrix, matrix.data >= np.repeat(least, np.diff(matrix.indptr)))
    return _without_ties(found, least, k)


def only(matrix: sparse.csr_array, kept: np.ndarray) -> sparse.csr_array:
    """Keep the entries that are marked."""
    place = np.flatnonzero(kept)
    indptr = np.searchsorted(place, matrix.indptr).astype(matrix.indptr.dtype)
    return sparse.csr_array((matrix.data[place], matrix.indices[place], indptr), matrix.shape)


def _without_ties(matrix: sparse.csr_array, least: np.ndarray, k: int) -> sparse.csr_array:
    """Drop from rows of more than k entries the last columns of those that equal the least."""
    extra = np.diff(matrix.indptr) - k
    row = np.repeat(np.arange(matrix.shape[0]), extra + k)
    tied = np.flatnonzero((matrix.data == least[row]) & (extra[row] > 0))
    row = row[tied]
    place = row * matrix.shape[1] + matrix.indices[tied]
    upto = np.cumsum(np.bincount(row, minlength=matrix.shape[0]))
    last = np.sort(place)[np.maximum(upto - extra, 1)[row] - 1]
    kept = np.ones(matrix.nnz, bool)
    kept[tied] = place <= last
    return only(matrix, kept)
