"""PureSVD: the known items, projected onto the directions in which users differ most.

Cremonesi, Koren & Turrin, "Performance of Recommender Algorithms on Top-N Recommendation Tasks"
(RecSys 2010), eq. 8: with V the right singular vectors of the matrix users × items, unknown entries
being 0, a user with the row r scores the items r V V'.
"""

from dataclasses import dataclass
from typing import ClassVar, no_type_check

import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int
from scipy import sparse
from scipy.sparse.linalg import svds

from jaxrec.baselines.item_weights import known_items
from jaxrec.data.histories import multi_hot
from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError
from jaxrec.typing import Batch


@struct.dataclass
@no_type_check
class PureSVDState:
    """The right singular vectors, a column each; row 0 has zeros."""

    vectors: Float[Array, "items_plus_1 factors"]

    def scores(
        self, batch: Batch, items: Int[Array, "batch n"] | None = None
    ) -> Float[Array, "batch n"]:
        """Score each user's candidates, or all items; an item known twice counts once."""
        known = multi_hot(batch.history, self.vectors.shape[0] - 1)
        user = jnp.matmul(known, self.vectors, precision="highest")
        if items is not None:
            return jnp.einsum("bf,bnf->bn", user, self.vectors[items], precision="highest")
        return jnp.matmul(user, self.vectors.T, precision="highest")


@dataclass(frozen=True)
class PureSVDConfig:
    """How many directions, of which matrix."""

    factors: int = 50
    """Singular vectors that are kept."""
    values: bool = False
    """Whether the vectors are those of the matrix of values, summed over a pair's events, in place
    of ones. NOTE: scores count each known item 1 all the same, as histories have no values."""
    history_length: ClassVar[None] = None
    state: ClassVar[type] = PureSVDState

    def __post_init__(self) -> None:
        if self.factors < 1:
            raise InputError(f"model.factors is {self.factors}; give a whole number from 1")

    def fit(self, train: Interactions) -> PureSVDState:
        """Decompose the matrix; nothing in it is random."""
        matrix = known_items(train)
        if self.values:
            entries = train.value.astype(np.float64), (train.user, train.item)
            matrix = sparse.csr_array(entries, matrix.shape)
        return PureSVDState(jnp.asarray(right_singular_vectors(matrix, self.factors)))


def right_singular_vectors(
    matrix: sparse.csr_array, factors: int
) -> Float[np.ndarray, "columns factors"]:
    """Give those of the largest singular values; all, where the matrix has no more."""
    if factors < min(matrix.shape):
        start = np.random.default_rng(0).normal(size=min(matrix.shape))
        vectors = svds(matrix, factors, v0=start, return_singular_vectors="vh")[2]
    else:
        vectors = np.linalg.svd(matrix.toarray(), full_matrices=False)[2]
    return vectors.T.astype(np.float32)
