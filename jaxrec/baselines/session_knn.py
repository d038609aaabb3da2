"""Session-based nearest neighbours, V-SKNN: items of past sessions that are like the running one.

Ludewig & Jannach, "Evaluation of Session-based Recommendation Algorithms" (UMUAI 2018), section
3.2; idf as in Ludewig et al., "Empirical Analysis of Session-Based Recommendation Algorithms"
(UMUAI 2021):

    sim(s, n)   = sum of weighting(i) over the items i that s and n share
    score(s, j) = (1 + idf_weight idf(j)) sum of sim(s, n) decay(s, n) over the neighbours n with j

s is the running session, n one of its k nearest among the most recent past sessions that share an
item with it; decay depends on how far back in s the last shared item is. Each user is a session.
Scoring holds a few numbers for each question and past session.

NOTE: a user who has training events is a past session too, and so a neighbour of the own history.
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
from jaxrec.baselines.sparse_rows import SparseRows, last_of_kind
from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError
from jaxrec.typing import Batch

Decay = Literal["same", "linear", "log", "div", "quadratic"]

# The step is 1 for the last item of the running session, 2 for the one before; what is below 0
# counts as 0.
WEIGHTINGS = {
    "same": lambda step, length: jnp.ones_like(step),
    "linear": lambda step, length: 1.1 - 0.1 * step,
    "log": lambda step, length: 1 / jnp.log10(step + 0.7),
    "div": lambda step, length: (length + 1 - step) / length,
    "quadratic": lambda step, length: ((length + 1 - step) / length) ** 2,
}
DECAYS = {
    "same": lambda step: jnp.ones_like(step),
    "linear": lambda step: 1 - 0.1 * step,
    "log": lambda step: 1 / jnp.log10(step + 1.7),
    "div": lambda step: 1 / step,
    "quadratic": lambda step: 1 / step**2,
}


@struct.dataclass
@no_type_check
class SessionKNNState:
    """The past sessions, from 1, the most recent first, and how they are used.

    A state is arrays only: weighting and decay are places in WEIGHTINGS and DECAYS, and of
    neighbours and sample only the length counts.
    """

    sessions_of_item: SparseRows
    items_of_session: SparseRows
    item_weights: Float[Array, "items_plus_1"]
    neighbours: Float[Array, "neighbours"]
    sample: Float[Array, "sample_size"]
    weighting: Int[Array, ""]
    decay: Int[Array, ""]

    def scores(
        self, batch: Batch, items: Int[Array, "batch n"] | None = None
    ) -> Float[Array, "batch n"]:
        """Score each user's candidates, or all items; an item known twice counts as the last."""
        num_sessions = self.items_of_session.first.shape[0] - 2
        num_items = batch.catalogue.counts.shape[0] - 1
        history, longest = batch.history, batch.history.shape[1]
        where = last_of_kind(history, num_items)
        step = jnp.broadcast_to(jnp.arange(longest, 0, -1.0)[None, :], history.shape)
        length = jnp.maximum((history > 0).sum(1, keepdims=True), 1).astype(jnp.float32)
        weights = jax.lax.switch(self.weighting, list(WEIGHTINGS.values()), step, length)
        decays = jax.lax.switch(self.decay, list(DECAYS.values()), step)

        weights, decays = (jnp.where(where, jnp.maximum(x, 0), 0) for x in (weights, decays))
        past = self.sessions_of_item
        similarity = past.weighted_sum(history, weights, num_sessions + 1)
        # Decays fall with the step, so the largest is that of the last shared item.
        decay = past.weighted_sum(history, decays, num_sessions + 1, over="max")
        session = jnp.broadcast_to(jnp.arange(num_sessions + 1)[None, :], similarity.shape)
        if len(self.sample) < num_sessions:
            recent = jnp.where(similarity > 0, -session.astype(jnp.float32), -jnp.inf)
            _, session = jax.lax.top_k(recent, len(self.sample))
            similarity = jnp.take_along_axis(similarity, session, 1)
        k = min(len(self.neighbours), similarity.shape[1])
        similarity, chosen = jax.lax.top_k(similarity, k)
        session = jnp.take_along_axis(session, chosen, 1)
        votes = similarity * jnp.take_along_axis(decay, session, 1)
        scores = self.items_of_session.weighted_sum(session, votes, num_items + 1)
        scores = scores * self.item_weights[None, :]
        return scores if items is None else jnp.take_along_axis(scores, items, 1)


@dataclass(frozen=True)
class SessionKNNConfig:
    """How many past sessions vote, which, and how much each counts."""

    neighbours: int = 100
    """Past sessions that vote: those most similar to the running one."""
    sample_size: int | None = 1000
    """Past sessions with a shared item among which neighbours are sought; None: all."""
    sampling: Literal["recent", "random"] = "recent"
    """Whether those are the most recent ones, or the first in an order drawn once."""
    weighting: Decay = "div"
    """How items of the running session lose weight, from the last one back, in the similarity."""
    decay: Decay = "div"
    """How neighbours lose weight by how far back their last shared item is."""
    idf_weight: float = 0.0
    """How much rare items are favoured; 0: not at all."""
    seed: int = 0
    """Of the random order."""
    history_length: ClassVar[None] = None
    state: ClassVar[type] = SessionKNNState

    def __post_init__(self) -> None:
        for name in ("neighbours", "sample_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"model.{name} is {value}; give a whole number from 1")
        if self.idf_weight < 0:
            raise InputError(f"model.idf_weight is {self.idf_weight}; give a number from 0")

    def fit(self, train: Interactions) -> SessionKNNState:
        """Number the sessions; they are as recent as their last events (by row, without times)."""
        known = known_items(train)
        users = np.flatnonzero(np.diff(known.indptr))
        if self.sampling == "random":
            order = np.random.default_rng(self.seed).permutation(users)
        else:
            order = users[np.lexsort((users, _last_moments(train)))[::-1]]
        sessions = sparse.vstack([known[:1], known[order]], format="csr")
        counts = np.diff(sessions.T.tocsr().indptr)
        idf = np.log(len(order) / np.maximum(counts, 1))
        return SessionKNNState(
            SparseRows.build(sessions.T.tocsr()),
            SparseRows.build(sessions),
            jnp.asarray(1 + self.idf_weight * idf, jnp.float32),
            jnp.zeros(min(self.neighbours, len(order))),
            jnp.zeros(min(self.sample_size or len(order), len(order))),
            jnp.int32(list(WEIGHTINGS).index(self.weighting)),
            jnp.int32(list(DECAYS).index(self.decay)),
        )


def _last_moments(train: Interactions) -> np.ndarray:
    """Give the time of each session's last event, or its row in the source; users ascending."""
    last = np.flatnonzero(np.diff(train.user, append=-1))
    return (train.timestamp if train.order == "time" else train.row)[last]
