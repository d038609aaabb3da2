"""User-based nearest neighbours: an item scores by the most similar users who have met it.

Resnick et al., "GroupLens: An Open Architecture for Collaborative Filtering of Netnews" (CSCW
1994), for sets of items instead of ratings:

    score(u, j) = sum of w_uv over the users v among the k nearest of u who have met j

The neighbours are found when they are asked for, from the history alone, so that new events and
new users count. Frameworks prune the users' similarities by column, as they do those of items, so
that v counts if u is among the k nearest of v: `pruning` "column", as in most published tables.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int
from scipy import sparse

from jaxrec.baselines.item_weights import known_items
from jaxrec.baselines.neighbourhood import Neighbourhood, centred
from jaxrec.baselines.sparse_rows import SparseRows, last_of_kind
from jaxrec.data.interactions import Interactions
from jaxrec.typing import Batch


@struct.dataclass
@no_type_check
class UserKNNState:
    """The users' vectors and what their products with a history are divided by.

    A user v who shares x·y with a history x weighs w = x·y / (|x|^2power scale_v + term_v + share
    x·y), times c / (c + shrinkage) where c items are shared.

    vectors:   items × users, each user's vector.
    shared:    items × users, 1 where met; empty without shrinkage.
    values:    users × items, the vectors once more, of which x is made; empty where it is a set.
    items:     users × items, 1 where met.
    rarity:    what an item of a set x counts.
    least:     the weight from which another user is among the nearest of v,
    last:      at exactly that weight, if its row is not behind this one.
    of_rank:   what the neighbours of a history count, the nearest first: 1.
    """

    vectors: SparseRows
    shared: SparseRows
    values: SparseRows
    items: SparseRows
    rarity: Float[Array, "items_plus_1"]
    scale: Float[Array, "users_plus_1"]
    term: Float[Array, "users_plus_1"]
    least: Float[Array, "users_plus_1"]
    last: Int[Array, "users_plus_1"]
    power: Float[Array, ""]
    share: Float[Array, ""]
    shrinkage: Float[Array, ""]
    of_rank: Float[Array, "k"]

    def scores(
        self, batch: Batch, items: Int[Array, "batch n"] | None = None
    ) -> Float[Array, "batch n"]:
        """Score each user's candidates, or all items; an item known twice counts once."""
        num_items = batch.catalogue.counts.shape[0] - 1
        weights = self.similarities(batch)
        users = jnp.broadcast_to(jnp.arange(weights.shape[1], dtype=jnp.int32), weights.shape)
        if self.of_rank.shape[0] < weights.shape[1]:
            present = jnp.where(weights == 0, -jnp.inf, weights)
            weights, users = jax.lax.top_k(present, self.of_rank.shape[0])
            weights = jnp.where(weights > -jnp.inf, weights * self.of_rank[None, :], 0)
        # Products of float32 are added in another order than while fitting.
        above = (weights - self.least[users]) / jnp.abs(self.least[users])
        equal = (jnp.abs(above) < 1e-6) & (batch.user[:, None] <= self.last[users])
        weights = jnp.where((above >= 1e-6) | equal, weights, 0)
        scores = self.items.weighted_sum(users, weights, num_items + 1)
        return scores if items is None else jnp.take_along_axis(scores, items, 1)

    def similarities(self, batch: Batch) -> Float[Array, "batch users_plus_1"]:
        """Weigh all users for each of the batch, who does not count for itself."""
        num_items, num_users = self.rarity.shape[0] - 1, self.scale.shape[0] - 1
        rows = jnp.arange(batch.user.shape[0])[:, None]
        user = batch.user[:, None]
        met = last_of_kind(batch.history, num_items).astype(jnp.float32)
        own = self.values.weighted_sum(user, jnp.ones_like(user, jnp.float32), num_items + 1)
        valued = jnp.any(own != 0, axis=1, keepdims=True)
        history = met * jnp.where(valued, own[rows, batch.history], self.rarity[batch.history])
        dot = self.vectors.weighted_sum(batch.history, history, num_users + 1)
        left = jnp.sum(history**2, axis=1, keepdims=True) ** self.power
        divisor = left * self.scale[None, :] + self.term[None, :] + self.share * dot
        common = self.shared.weighted_sum(batch.history, met, num_users + 1)
        support = jnp.where(self.shrinkage > 0, common / (common + self.shrinkage), 1)
        weights = jnp.where(dot == 0, 0, dot / divisor * support)
        return weights.at[rows, user].set(0)


@dataclass(frozen=True)
class UserKNNConfig(Neighbourhood):
    """How alike two users are, and how many neighbours count.

    With adjusted_cosine the values of a user known from training are looked up, an item without
    one counting nothing; where the user is unknown, or values all alike, the items count 1.
    """

    neighbours: int | None = 100
    """Most similar users that are kept, equal ones by row; None: all with an item in common."""
    pruning: Literal["column", "row", "both"] = "row"
    """Whose nearest are kept: those of the user who asks (row), of the other (column; compared with
    all users while fitting), or both, first by row."""
    history_length: ClassVar[None] = None
    state: ClassVar[type] = UserKNNState

    def fit(self, train: Interactions) -> UserKNNState:
        """Lay out the users' vectors; to prune by column, compare all users block by block."""
        known = known_items(train)
        adjusted = self.similarity == "adjusted_cosine"
        vectors = self.vectors(centred(train) if adjusted else known)
        nothing = sparse.csr_array(known.shape)
        power, scale, term, share = self.denominator(vectors.power(2).sum(1))
        k = known.shape[0] if self.pruning == "column" else self.neighbours or known.shape[0]
        least, last = self._limits(vectors)
        return UserKNNState(
            vectors=SparseRows.build(vectors.T.tocsr()),
            shared=SparseRows.build((known if self.shrinkage else nothing).T.tocsr()),
            values=SparseRows.build(vectors if adjusted else nothing),
            items=SparseRows.build(known),
            rarity=jnp.asarray(self.rarity(known)),
            scale=jnp.asarray(scale),
            term=jnp.asarray(term),
            least=jnp.asarray(least),
            last=jnp.asarray(last),
            power=jnp.float32(power),
            share=jnp.float32(share),
            shrinkage=jnp.float32(self.shrinkage),
            of_rank=jnp.ones(min(k, known.shape[0]), jnp.float32),
        )

    def _limits(self, vectors: sparse.csr_array) -> tuple[np.ndarray, np.ndarray]:
        """Find the k-th largest weight of each column and its row; where there are fewer, any."""
        least = np.full(vectors.shape[0], np.finfo(np.float32).min)
        last = np.zeros(vectors.shape[0], np.int32)
        if self.pruning == "row" or self.neighbours is None:
            return least, last
        weights = self.weights(vectors).tocsc()
        full = np.flatnonzero(np.diff(weights.indptr) == self.neighbours)
        place = weights.indptr[full][:, None] + np.arange(self.neighbours)
        least[full] = weights.data[place].min(1)
        equal = weights.data[place] == least[full][:, None]
        last[full] = np.where(equal, weights.indices[place], 0).max(1)
        return least, last
