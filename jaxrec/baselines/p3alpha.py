"""P3alpha: an item scores by the random walks of three steps from the user to it.

Cooper et al., "Random Walks in Recommender Systems: Exact Computation and Simulations" (WWW 2014),
pruned as by Christoffel et al., "Blockbusters and Wallflowers: Accurate, Diverse, and Scalable
Recommendations with Random Walks" (RecSys 2015):

    w_ij = sum over the users v of both items of (p(v | i) p(j | v))^alpha
    score(u, j) = sum of w_ij over the items i that u knows

where p(v | i) = 1 / (users of i) and p(j | v) = 1 / (items of v).
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from jaxrec.baselines.item_weights import ItemWeights, known_items
from jaxrec.baselines.neighbourhood import nearest, nearest_of_columns
from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError


@dataclass(frozen=True)
class P3AlphaConfig:
    """How the walk steps, and how many neighbours of an item are kept."""

    alpha: float = 1.0
    """Power of the probabilities; below 1, items and users of few events count less."""
    neighbours: int | None = 100
    """Largest weights of an item that are kept, equal ones by row; None: all."""
    pruning: Literal["row", "column", "both"] = "both"
    """Whose largest weights are kept: of the known item (row of w), of the scored one (column), or
    both, first by row."""
    normalise: bool = True
    """Whether the weights of each known item are divided by their sum, after pruning by row and
    before pruning by column."""
    memory_budget: int = 2**32
    """Bytes that fitting may take; what would take more is refused."""
    history_length: ClassVar[None] = None
    state: ClassVar[type] = ItemWeights

    def __post_init__(self) -> None:
        if self.neighbours is not None and self.neighbours < 1:
            raise InputError(f"model.neighbours is {self.neighbours}; give a whole number from 1")
        if self.alpha < 0:
            raise InputError(f"model.alpha is {self.alpha}; give a number from 0")

    def fit(self, train: Interactions) -> ItemWeights:
        """Count the walks block by block; raises InputError if they do not fit memory."""
        return walk(self, train, beta=0.0)


def walk(config: P3AlphaConfig, train: Interactions, beta: float) -> ItemWeights:
    """Weigh the walks that end at an item by (users of the item)^-beta."""
    known = known_items(train)
    vectors = known.T.tocsr().astype(np.float32)
    # Both of a user's steps, in and out, lie in the product of the vectors of two items.
    counts = np.maximum(np.diff(known.indptr), 1).astype(np.float32)
    vectors.data *= (counts ** (-config.alpha / 2))[vectors.indices]
    users = np.maximum(np.diff(vectors.indptr), 1).astype(np.float32)
    start, end = (users**-power for power in (config.alpha, beta))
    weights = nearest(
        vectors,
        lambda dot, known, scored: dot * start[known] * end[scored],
        config.neighbours if config.pruning != "column" else None,
        "row",
        0.0,
        config.memory_budget,
    )
    if config.normalise:
        total = weights.sum(1)
        weights.data /= np.repeat(total, np.diff(weights.indptr))
    if config.pruning != "row":
        weights = nearest_of_columns(weights, config.neighbours)
    return ItemWeights.build(weights, known, config.memory_budget)
