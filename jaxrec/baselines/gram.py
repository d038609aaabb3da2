"""The Gram matrix of the items, X'X: how many users each two items share.

It is the one large array of the linear methods, so what can be done in place is done in place.
"""

import numpy as np
from jaxtyping import Float
from scipy import sparse
from scipy.linalg import blas

DENSE_SPEEDUP = 1000
"""Multiplications of a dense product in the time of one of a sparse product, on a CPU."""
BLOCK = 2**24
"""Entries of a matrix that are worked on at once."""
ALIGNMENT = 64
"""Bytes that the address of an array must divide by for JAX on a CPU to take it without a copy."""


def blocks(rows: int, columns: int) -> list[slice]:
    """Cut the rows of a matrix into blocks of bounded size."""
    step = max(BLOCK // columns, 1)
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def gram(known: sparse.csr_array) -> Float[np.ndarray, "items items"]:
    """Count the users that each two items share; no second array of that size is made.

    `known` (users × items) holds ones. It is multiplied block by block, of items where it is
    sparse, of users where it is dense enough for dense products to be faster.
    """
    known, (users, size) = known.astype(np.float32), known.shape
    matrix = _zeros(size)
    additions = np.square(np.diff(known.indptr), dtype=np.float64).sum()
    if 2 * additions * DENSE_SPEEDUP < float(users) * size**2:
        by_item = known.T.tocsr()
        for rows in blocks(size, size):
            (by_item[rows] @ known).toarray(out=matrix[rows])
    else:
        for rows in blocks(users, size):
            part = known[rows].toarray()
            # BLAS wants columns to be contiguous: it is shown the transposes.
            blas.ssyrk(1.0, part.T, beta=1.0, c=matrix.T, lower=1, overwrite_c=1)
        mirror(matrix)
    return matrix


def mirror(matrix: Float[np.ndarray, "n n"]) -> None:
    """Copy the upper triangle onto the lower, in place."""
    for rows in blocks(len(matrix), len(matrix)):
        upper = np.triu(matrix[rows, rows])
        matrix[rows, rows] = upper + np.triu(upper, 1).T
        matrix[rows.stop :, rows] = matrix[rows, rows.stop :].T


def _zeros(size: int) -> Float[np.ndarray, "size size"]:
    memory = np.zeros(4 * size**2 + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + 4 * size**2].view(np.float32).reshape(size, size)
