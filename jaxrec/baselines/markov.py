"""A first-order Markov chain over items: what followed the last item most often comes next.

Rendle et al., "Factorizing Personalized Markov Chains for Next-Basket Recommendation" (WWW 2010),
section 4.1, for sequences of single items. Items of equal counts, mostly those that never followed,
are ordered by ItemKNN (cosine, all neighbours, no shrinkage):

    score(u, j) = count(last item of u -> j) + t / (1 + t),  t = sum of cosines of j with u's items

The second term is below 1, so that counts decide.
"""

from dataclasses import dataclass
from typing import ClassVar, no_type_check

import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int
from scipy import sparse

from jaxrec.baselines.item_knn import ItemKNNConfig
from jaxrec.baselines.item_weights import ItemWeights
from jaxrec.baselines.sparse_rows import SparseRows
from jaxrec.data.interactions import Interactions
from jaxrec.typing import Batch


@struct.dataclass
@no_type_check
class MarkovState:
    """Row i of `transitions` holds how often each item followed i; `neighbours` break ties."""

    transitions: SparseRows
    neighbours: ItemWeights

    def scores(
        self, batch: Batch, items: Int[Array, "batch n"] | None = None
    ) -> Float[Array, "batch n"]:
        """Score each user's candidates, or all items; an empty history scores 0."""
        last = batch.history[:, -1:]
        num_columns = batch.catalogue.counts.shape[0]
        counts = self.transitions.weighted_sum(last, jnp.ones(last.shape), num_columns)
        similar = self.neighbours.scores(batch)
        scores = counts + similar / (1 + similar)
        return scores if items is None else jnp.take_along_axis(scores, items, 1)


@dataclass(frozen=True)
class MarkovConfig:
    """The counts have no choices; the fields are those of the ItemKNN that breaks ties."""

    neighbours: int | None = None
    """Most similar items that an item keeps; None: all with a user in common."""
    memory_budget: int = 2**32
    """Bytes that fitting the neighbours may take; what would take more is refused."""
    history_length: ClassVar[None] = None
    state: ClassVar[type] = MarkovState

    def fit(self, train: Interactions) -> MarkovState:
        """Count each pair of a user's consecutive events, an item that follows itself too."""
        tie_break = ItemKNNConfig(neighbours=self.neighbours, memory_budget=self.memory_budget)
        followed = SparseRows.build(transitions(train, 1))
        return MarkovState(followed, tie_break.fit(train))


def transitions(train: Interactions, max_steps: int) -> sparse.csr_array:
    """Sum 1 / distance over all events of an item up to `max_steps` after one of another."""
    size = len(train.items) + 1
    found = sparse.csr_array((size, size))
    for steps in range(1, max_steps + 1):
        same = np.flatnonzero(train.user[steps:] == train.user[:-steps])
        if not len(same):
            break
        pairs = train.item[same], train.item[same + steps]
        found = found + sparse.csr_array((np.full(len(same), 1 / steps), pairs), (size, size))
    return found
