"""Each item predicted from the others by ridge regression: what EASE and EDLAE have in common.

    minimise |x_j - X w_j|^2 + sum of penalty_i w_ij^2  subject to w_jj = 0, for every item j:
    P = (X'X + diag(penalty))^-1,   w_ij = -p_ij / p_jj

(Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, eq. 8). With `neighbours`
an item is predicted from its nearest items alone, so that no matrix of items × items is needed:
the sparse approximation of Steck, "Markov Random Fields for Collaborative Filtering" (NeurIPS
2019), section 3.2 with r = 0, every item in its own block. Each column is then the exact solution
among those that are 0 elsewhere, and with all items as neighbours it is the dense one.

NOTE: the paper takes the pattern from thresholded correlations; here it is the k nearest by cosine,
which are the same up to the items' means, and bound the work of each block.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy import linalg, sparse

from jaxrec.baselines.gram import blocks, gram, mirror
from jaxrec.baselines.item_weights import ItemWeights
from jaxrec.baselines.memory import check_memory
from jaxrec.baselines.neighbourhood import BYTES_PER_ENTRY, Neighbourhood
from jaxrec.errors import InputError

ON_DEVICE = 3
"""Arrays of items × items held at once on an accelerator: factor, right-hand side and solution."""
ITEMS_IN_SUBGRAM = 2**13
"""Most items whose dense Gram matrix several neighbourhoods are cut out of."""
SWEPT_AT_ONCE = 2**10
"""Rows that are swept at once."""
NOT_DEFINITE = "X'X + l2 is not positive definite in float32; raise model.l2"


def regress(
    method: str,
    known: sparse.csr_array,
    penalty: Float[np.ndarray, "items_plus_1"],
    neighbours: int | None,
    memory_budget: int,
) -> ItemWeights:
    """Predict every item; raises InputError, naming `method`, where that does not fit memory."""
    size = known.shape[1]
    if neighbours is not None and neighbours < size - 1:
        # Similarities, positions and weights; and the systems of one block of items.
        together = max(ITEMS_IN_SUBGRAM // (neighbours + 1), 1)
        needed = (
            BYTES_PER_ENTRY * size * neighbours
            + 4 * ITEMS_IN_SUBGRAM**2
            + 12 * together * neighbours**2
        )
        check_memory(method, needed, memory_budget, "lower model.neighbours")
        weights = _nearby(known, penalty, neighbours)
        return ItemWeights.build(weights, known, memory_budget)
    in_place = jax.default_backend() == "cpu"
    needed = (1 if in_place else ON_DEVICE) * 4 * size**2
    instead = "set model.neighbours (say 200: the sparse approximation), or use item_knn or gf_cf"
    check_memory(method, needed, memory_budget, instead)
    solve = solve_in_place if in_place else solve_on_device
    return ItemWeights.dense(solve(known, penalty))


def solve_in_place(
    known: sparse.csr_array, penalty: Float[np.ndarray, "items"]
) -> Float[Array, "items items"]:
    """Solve on a CPU in the one array that the Gram matrix stands in, and hand it over to JAX."""
    weights = gram(known)
    weights.flat[:: len(weights) + 1] += penalty
    sweep(weights)
    mirror(weights)
    weights /= -weights.diagonal()
    np.fill_diagonal(weights, 0)
    return jax.device_put(weights)


def solve_on_device(
    known: sparse.csr_array, penalty: Float[np.ndarray, "items"]
) -> Float[Array, "items items"]:
    """Solve on an accelerator, from the entries of `known` to the weights in one program."""
    indptr, rows = known.indptr, blocks(*known.shape)
    bounds = indptr[[0, *[part.stop for part in rows]]]
    shape = len(rows), int(np.diff(bounds).max(initial=1))
    user, item = np.full(shape, known.shape[0], np.int32), np.zeros(shape, np.int32)
    owner = np.repeat(np.arange(known.shape[0], dtype=np.int32), np.diff(indptr))
    for block, (part, start, stop) in enumerate(zip(rows, bounds[:-1], bounds[1:], strict=True)):
        user[block, : stop - start] = owner[start:stop] - part.start
        item[block, : stop - start] = known.indices[start:stop]
    weights = _solve(user, item, penalty.astype(np.float32), rows[0].stop)
    if not jnp.isfinite(weights[-1, -2]):
        raise InputError(NOT_DEFINITE)
    return weights


def sweep(matrix: Float[np.ndarray, "n n"]) -> None:
    """Turn the upper triangle of a positive definite matrix into that of -matrix^-1, in place.

    Goodnight, "A Tutorial on the SWEEP Operator" (American Statistician 1979), by blocks of rows.
    NOTE: not by LAPACK, as OpenBLAS's parallel Cholesky crashes from 32,768 rows on.
    """
    size = len(matrix)
    for start in range(0, size, SWEPT_AT_ONCE):
        rows = slice(start, min(start + SWEPT_AT_ONCE, size))
        part = np.concatenate([matrix[:start, rows].T, matrix[rows, start:]], axis=1)
        own = np.triu(part[:, rows])
        try:
            factor = linalg.cho_factor(own)
        except linalg.LinAlgError:
            raise InputError(NOT_DEFINITE) from None
        scaled = linalg.cho_solve(factor, part)
        for block in blocks(size, size):
            matrix[block, block.start :] -= part[:, block].T @ scaled[:, block.start :]
        matrix[:start, rows] = scaled[:, :start].T
        matrix[rows, rows.stop :] = scaled[:, rows.stop :]
        matrix[rows, rows] = -linalg.cho_solve(factor, np.eye(len(own), dtype=np.float32))


@functools.partial(jax.jit, static_argnums=3)
def _solve(
    user: Int[Array, "blocks entries"],
    item: Int[Array, "blocks entries"],
    penalty: Float[Array, "items"],
    rows: int,
) -> Float[Array, "items items"]:
    size = penalty.shape[0]
    diagonal = jnp.arange(size), jnp.arange(size)

    def add(total: Array, entries: tuple[Array, Array]) -> tuple[Array, None]:
        part = jnp.zeros((rows, size)).at[entries].set(1, mode="drop")
        return total + part.T @ part, None  # zeros and ones: exact at any precision

    total, _ = jax.lax.scan(add, jnp.zeros((size, size)), (user, item))
    factor = jax.lax.linalg.cholesky(total.at[diagonal].add(penalty), symmetrize_input=False)
    inverse = jax.scipy.linalg.cho_solve((factor, True), jnp.eye(size))
    weights = inverse / -jnp.diagonal(inverse)[None, :]
    return weights.at[diagonal].set(0)


def _nearby(
    known: sparse.csr_array, penalty: Float[np.ndarray, "items"], neighbours: int
) -> sparse.csr_array:
    """Predict each item from its nearest; the result has the predicted item in the columns."""
    size = known.shape[1]
    by_item = known.T.tocsr().astype(np.float32)
    nearest = _nearest(by_item, neighbours)
    whole = gram(known) if size <= ITEMS_IN_SUBGRAM else None
    together = max(ITEMS_IN_SUBGRAM // (neighbours + 1), 1)
    weights = np.zeros((size, neighbours), np.float32)
    for start in range(0, size, together):
        target = np.arange(start, min(start + together, size))
        # A last block that is short is filled up with the padding item, so that one shape compiles.
        target = np.pad(target, (0, together - len(target)))
        block = np.concatenate([target[:, None], nearest[target]], 1)
        items, place = np.unique(block, return_inverse=True)
        if whole is None:
            shared = gram(by_item[items].T.tocsr())
        else:
            shared, items, place = whole, np.arange(size), block
        own, near = place[:, :1], place[:, 1:]
        found = _solve_each(
            shared[near[:, :, None], near[:, None, :]],
            shared[near, own],
            penalty[items[near]].astype(np.float32),
        )
        weights[start : start + together] = found[: size - start]
    if not np.isfinite(weights).all():
        raise InputError(NOT_DEFINITE)
    weights[nearest == 0] = 0
    column = np.repeat(np.arange(size), neighbours)
    entries = weights.reshape(-1), (nearest.reshape(-1), column)
    matrix = sparse.csr_array(entries, (size, size))
    matrix.eliminate_zeros()
    return matrix


def _nearest(by_item: sparse.csr_array, neighbours: int) -> Int[np.ndarray, "items neighbours"]:
    """Find the items of largest cosine with each; 0 where there are no more that share a user."""
    kept = BYTES_PER_ENTRY * by_item.shape[0] * neighbours  # which `regress` has checked
    alike = Neighbourhood(neighbours=neighbours, pruning="row", memory_budget=kept)
    found = alike.weights(by_item)
    row = np.repeat(np.arange(len(found.indptr) - 1), np.diff(found.indptr))
    nearest = np.zeros((by_item.shape[0], neighbours), np.int32)
    nearest[row, np.arange(found.nnz) - found.indptr[row]] = found.indices
    return nearest


@jax.jit
def _solve_each(
    shared: Float[Array, "targets n n"],
    with_target: Float[Array, "targets n"],
    penalty: Float[Array, "targets n"],
) -> Float[Array, "targets n"]:
    place = jnp.arange(shared.shape[1])
    systems = shared.at[:, place, place].add(penalty)
    factors = jax.lax.linalg.cholesky(systems)
    return jax.vmap(lambda factor, b: jax.scipy.linalg.cho_solve((factor, True), b))(
        factors, with_target
    )
