"""UltraGCN: matrix factorisation with a graph of items, for the objective GraphConstraints.

Mao et al., "UltraGCN: Ultra Simplification of Graph Convolutional Networks for Recommendation"
(CIKM 2021). Nothing is propagated: the graph tells each item's nearest ones, to train with.
"""

import functools
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy import sparse

from jaxrec.errors import InputError
from jaxrec.models.matrix_factorization import MatrixFactorization, MatrixFactorizationConfig
from jaxrec.typing import CSR, Spec

ENTRIES = 2**23
"""Entries of the item graph that are made at once, all of some rows."""


@dataclass(frozen=True)
class UltraGCNConfig(MatrixFactorizationConfig):
    """The sizes of a matrix factorisation, without biases by default, and of the item graph."""

    scale: float = 1e-4
    """Standard deviation of the initial vectors."""
    biases: bool = False
    """Whether users and items have biases, too."""
    num_neighbours: int = 10
    """Items that each item is drawn near to."""

    def build(self, spec: Spec) -> "UltraGCN":
        self.check()
        if self.num_neighbours < 1:
            raise InputError(
                f"model.num_neighbours is {self.num_neighbours}; give a whole number from 1 on, "
                "and objective.neighbour_weight 0 to use none."
            )
        if spec.positives is None:
            raise InputError("UltraGCN needs spec.positives, the training items of each user.")
        graph = ItemGraph(spec.positives, spec.num_items, self.num_neighbours)
        return UltraGCN(self, spec, graph)


@dataclass(frozen=True, eq=False)
class ItemGraph:
    """The neighbours of all items, made when they are first asked for: a saved run has them."""

    positives: CSR
    num_items: int
    num_neighbours: int

    @functools.cached_property
    def neighbours(self) -> tuple[np.ndarray, np.ndarray]:
        return strongest(self.positives, self.num_items, self.num_neighbours)


class UltraGCN(MatrixFactorization):
    """p_u · q_i, and the strongest neighbours of each item, made of the training data once."""

    config: UltraGCNConfig
    graph: ItemGraph

    def setup(self) -> None:
        super().setup()
        # A collection: saved with the run, and no constant of the compiled step.
        self.near = self.variable("graph", "near", lambda: jnp.asarray(self.graph.neighbours[0]))
        self.omega = self.variable("graph", "omega", lambda: jnp.asarray(self.graph.neighbours[1]))

    def neighbours(self, item: Int[Array, "*n"]) -> tuple[Int[Array, "*n k"], Float[Array, "*n k"]]:
        """Give the neighbours of items, the strongest first, and their ω; 0 where there is none."""
        return self.near.value[item], self.omega.value[item]


def strongest(
    positives: CSR, num_items: int, k: int
) -> tuple[Int[np.ndarray, "items_plus_1 k"], Float[np.ndarray, "items_plus_1 k"]]:
    """Find each item's k neighbours of the largest ω_ij = G_ij / (g_i - G_ii) · √(g_i / g_j).

    G_ij counts the users that two items share, and g_i sums its row. The strongest come first; rows
    of fewer neighbours end in item 0 with ω 0.

    NOTE: no item is a neighbour of its own. In the authors' code each is, mostly its first.
    """
    indptr, indices = (np.asarray(x) for x in (positives.indptr, positives.indices))
    ones: Any = np.ones(int(indptr[-1]), np.float32)
    shape = len(indptr) - 1, num_items + 1
    known = sparse.csr_array((ones, indices[: len(ones)], indptr), shape)
    by_item = known.T.tocsr()
    # A row of G sums how much each of the item's users has.
    total = (by_item @ np.diff(indptr)).astype(np.float32)
    others = total - np.diff(by_item.indptr)
    of_item = np.sqrt(total) / np.maximum(others, 1)
    of_neighbour = 1 / np.sqrt(np.maximum(total, 1))
    near = np.zeros((num_items + 1, k), np.int32)
    omega = np.zeros((num_items + 1, k), np.float32)
    kept, step = min(k, num_items), max(ENTRIES // (num_items + 1), 1)
    for start in range(0, num_items + 1, step):
        rows = np.arange(start, min(start + step, num_items + 1))
        part = (by_item[rows] @ known).toarray()
        part[np.arange(len(rows)), rows] = 0
        part *= of_item[rows][:, None] * of_neighbour[None, :]
        best = np.argpartition(-part, kept - 1, axis=1)[:, :kept]
        value = np.take_along_axis(part, best, 1)
        order = np.lexsort((best, -value), axis=1)
        best, value = (np.take_along_axis(x, order, 1) for x in (best, value))
        near[rows, :kept] = np.where(value > 0, best, 0)
        omega[rows, :kept] = value
    return near, omega
