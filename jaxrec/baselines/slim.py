"""SLIM: each item predicted from a few others by an elastic net without negative weights.

Ning & Karypis, "SLIM: Sparse Linear Methods for Top-N Recommender Systems" (ICDM 2011), eq. 4:

    minimise 1/2 |x_j - X w_j|^2 + l2/2 |w_j|^2 + l1 |w_j|_1  subject to w_j >= 0, w_jj = 0

by cyclic coordinate descent on the Gram matrix (Friedman, Hastie & Tibshirani 2010, "covariance
updates"), many items j at once. Coordinates are visited in groups: within a group the correlations
with the residual are updated one coordinate after the other, those of the other items once for the
whole group, by a matrix product. The iterates are those of plain coordinate descent.
"""

import functools
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy import sparse

from jaxrec.baselines.gram import gram
from jaxrec.baselines.item_weights import ItemWeights, known_items
from jaxrec.baselines.memory import check_memory
from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError

GROUP = 64
"""Coordinates between two updates of all correlations."""
TARGETS = 512
"""Items that are predicted at once."""


@dataclass(frozen=True)
class SLIMConfig:
    """How much is regularised, and how exactly it is solved."""

    l1: float = 1.0
    """Penalty of the sum of the weights, in users: more of it leaves fewer weights."""
    l2: float = 100.0
    """Penalty of half the sum of the squared weights, in users."""
    tolerance: float = 1e-4
    """Sweeps end when none changes a weight by more."""
    max_sweeps: int = 200
    """Most sweeps over all items."""
    memory_budget: int = 2**33
    """Bytes that fitting may take; what would take more is refused. 4 items^2 and some."""
    history_length: ClassVar[None] = None
    state: ClassVar[type] = ItemWeights

    def __post_init__(self) -> None:
        if not (self.l1 >= 0 and self.l2 >= 0):
            raise InputError(f"model.l1 is {self.l1} and model.l2 {self.l2}; give numbers from 0")
        if not self.tolerance > 0:
            raise InputError(f"model.tolerance is {self.tolerance}; give a positive number")

    def fit(self, train: Interactions) -> ItemWeights:
        """Solve for all items; raises InputError if the Gram matrix does not fit memory."""
        known = known_items(train)
        size = -(-known.shape[1] // GROUP) * GROUP
        targets = min(TARGETS, size)
        instead = "use item_knn, or EASE with model.neighbours"
        needed = 4 * size * (size + 4 * targets)
        check_memory("SLIM", needed, self.memory_budget, instead)
        # Items that nobody has met make the last group whole.
        filled = sparse.csr_array((known.data, known.indices, known.indptr), (known.shape[0], size))
        shared = jax.device_put(gram(filled))
        found = []
        for start in range(0, size, targets):
            target = jnp.arange(start, start + targets, dtype=jnp.int32) % size
            weights = _descend(shared, target, self.l1, self.l2, self.tolerance, self.max_sweeps)
            found.append(sparse.csr_array(np.asarray(weights)[:, : size - start]))
        weights = sparse.hstack(found, format="csr")[: known.shape[1], : known.shape[1]]
        return ItemWeights.build(weights, known, self.memory_budget)


@functools.partial(jax.jit, static_argnums=(2, 3, 4, 5))
def _descend(
    shared: Float[Array, "items items"],
    target: Int[Array, "targets"],
    l1: float,
    l2: float,
    tolerance: float,
    max_sweeps: int,
) -> Float[Array, "items targets"]:
    """Sweep over all coordinates of all targets until nothing changes much.

    rest holds X'(x_j - X w_j), the correlations of the items with what is not yet predicted.
    """

    def visit(group: Array, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        weights, rest, largest = state
        rows = jax.lax.dynamic_slice_in_dim(shared, group * GROUP, GROUP)
        own = jax.lax.dynamic_slice_in_dim(rows, group * GROUP, GROUP, axis=1)
        before = jax.lax.dynamic_slice_in_dim(weights, group * GROUP, GROUP)
        near = jax.lax.dynamic_slice_in_dim(rest, group * GROUP, GROUP)

        def step(i: Array, change: Array) -> Array:
            left = near[i] + own[i, i] * before[i] - jnp.matmul(own[i], change, precision="highest")
            least = jnp.maximum(own[i, i] + l2, 1e-6)  # an item that nobody has met, without l2
            best = jnp.where(group * GROUP + i == target, 0, jnp.maximum((left - l1) / least, 0))
            return change.at[i].set(best - before[i])

        change = jax.lax.fori_loop(0, GROUP, step, jnp.zeros_like(before))
        after = before + change
        rest = rest - jnp.matmul(rows.T, change, precision="highest")
        weights = jax.lax.dynamic_update_slice_in_dim(weights, after, group * GROUP, 0)
        return weights, rest, jnp.maximum(largest, jnp.abs(change).max())

    def sweep(state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        weights, rest, _, number = state
        begun = weights, rest, jnp.float32(0)
        return *jax.lax.fori_loop(0, len(shared) // GROUP, visit, begun), number + 1

    rest = shared[:, target]
    begun = jnp.zeros_like(rest), rest, jnp.float32(jnp.inf), jnp.int32(0)
    return jax.lax.while_loop(
        lambda state: (state[2] > tolerance) & (state[3] < max_sweeps), sweep, begun
    )[0]
