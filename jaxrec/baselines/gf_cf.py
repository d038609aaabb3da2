"""GF-CF: two low-pass filters on the graph of users and items, without training.

Shen et al., "How Powerful is Graph Convolution for Recommendation?" (CIKM 2021). With R the matrix
users × items, Du and Di the degrees, and V the leading right singular vectors of N:

    N = Du^-1/2 R Di^-1/2,   scores(r) = r N'N + share r Di^-1/2 V V' Di^1/2
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
from jaxrec.baselines.sparse_rows import SparseRows, last_of_kind
from jaxrec.data.histories import multi_hot
from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError
from jaxrec.typing import Batch


@struct.dataclass
@no_type_check
class GFCFState:
    """N' and N as rows, so that nothing of items × items is held; and the ideal filter's factors.

    users: of each item, the users who know it. items: of each user, the items.
    into, out: share Di^-1/2 V and V' Di^1/2.
    """

    users: SparseRows
    items: SparseRows
    into: Float[Array, "items_plus_1 factors"]
    out: Float[Array, "factors items_plus_1"]

    def scores(
        self, batch: Batch, items: Int[Array, "batch n"] | None = None
    ) -> Float[Array, "batch n"]:
        """Score each user's candidates, or all items; an item known twice counts once."""
        width, number = self.into.shape[0], self.items.first.shape[0] - 1
        met = last_of_kind(batch.history, width - 1).astype(jnp.float32)
        alike = self.users.weighted_sum(batch.history, met, number)
        everyone = jnp.broadcast_to(jnp.arange(number, dtype=jnp.int32)[None, :], alike.shape)
        linear = self.items.weighted_sum(everyone, alike, width)
        known = multi_hot(batch.history, width - 1)
        user = jnp.matmul(known, self.into, precision="highest")
        scores = linear + jnp.matmul(user, self.out, precision="highest")
        return scores if items is None else jnp.take_along_axis(scores, items, 1)


@dataclass(frozen=True)
class GFCFConfig:
    """How the ideal low-pass filter is shaped, and how much it counts beside the linear one."""

    factors: int = 256
    """Singular vectors that the ideal filter lets through."""
    share: float = 0.3
    """Weight of the ideal filter; α of the paper."""
    history_length: ClassVar[None] = None
    state: ClassVar[type] = GFCFState

    def __post_init__(self) -> None:
        if self.factors < 1:
            raise InputError(f"model.factors is {self.factors}; give a whole number from 1")

    def fit(self, train: Interactions) -> GFCFState:
        """Normalise and decompose; nothing in it is random."""
        known = known_items(train)
        degree = [np.sqrt(np.maximum(known.sum(axis), 1)) for axis in (0, 1)]
        normal = sparse.csr_array(known / degree[0][None, :] / degree[1][:, None])
        vectors = right_singular_vectors(normal, self.factors)
        scale = degree[0][:, None].astype(np.float32)
        return GFCFState(
            SparseRows.build(normal.T.tocsr()),
            SparseRows.build(normal),
            jnp.asarray(self.share * vectors / scale, jnp.float32),
            jnp.asarray((vectors * scale).T, jnp.float32),
        )
