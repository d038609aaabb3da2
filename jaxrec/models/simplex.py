"""SimpleX: a user's own vector and what it has met, in one, and cosines with the items.

Mao et al., "SimpleX: A Simple and Strong Baseline for Collaborative Filtering" (CIKM 2021), for
the objective CosineContrastive.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jaxrec.embedding import embed
from jaxrec.encoders.dropout import Dropout
from jaxrec.encoders.interests import prefixes
from jaxrec.encoders.mlp import flat
from jaxrec.errors import InputError
from jaxrec.models.next_item import NextItem
from jaxrec.similarity import Cosine
from jaxrec.typing import Batch, Items, Spec


@dataclass(frozen=True)
class SimpleXConfig:
    """The sizes of a SimpleX, and how much of a user is history."""

    embed_dim: int = 64
    """Width of user and item vectors."""
    own_share: float = 0.5
    """g: the share of the user's own vector; the rest is the history's."""
    aggregation: Literal["mean", "user_attention", "self_attention"] = "mean"
    """Whether the history's items count alike, by how they fit the user, or by a learned query."""
    similarity: Any = field(default_factory=lambda: Cosine(temperature=1.0))
    """How user and item vectors are compared: Cosine or Dot of jaxrec.similarity."""
    scale: float = 0.1
    """Standard deviation of the initial vectors."""
    dropout: float = 0.0
    """Fraction of the users' elements that is dropped in training."""
    history_length: int = 100
    """How many of the user's last items are read at evaluation, and at most in training."""

    def build(self, spec: Spec) -> "SimpleX":
        if not 0 <= self.own_share <= 1:
            raise InputError(f"model.own_share is {self.own_share}; give a number from 0 to 1.")
        if self.history_length < 1:
            raise InputError(
                f"model.history_length is {self.history_length}; give a whole number from 1 on."
            )
        return SimpleX(self, spec)


class SimpleX(NextItem):
    """cos(g p_u + (1 - g) V Σ_k a_uk q_k, q_i) over the history's items k (eq. 7 to 10).

    NOTE: the item that is asked for is not among those shown; in the authors' code it is.
    """

    config: SimpleXConfig

    @property
    def inner_product(self) -> bool:  # type: ignore[override]
        return self.config.similarity.inner_product

    def setup(self) -> None:
        c, s = self.config, self.spec
        self.user_vector = embed(s.num_users + 1, c.embed_dim, scale=c.scale)
        self.item_vector = embed(s.num_items + 1, c.embed_dim, scale=c.scale)
        self.similarity = c.similarity.build()
        self.turn = nn.Dense(c.embed_dim, use_bias=False)
        self.drop = Dropout(c.dropout)
        if c.aggregation != "mean":
            self.key = nn.Dense(c.embed_dim)
        if c.aggregation == "self_attention":
            self.query = self.param("query", nn.initializers.normal(0.1), (c.embed_dim,))

    def encode_user(self, batch: Batch, train: bool = False) -> Float[Array, "batch queries dim"]:
        own = self.user_vector(batch.user)[:, None]
        history = self.item_vector(batch.history)
        seen, _ = prefixes(batch.segment_ids, batch.queries, self.config.history_length)
        # A finite floor: a query that sees nothing gets weights without NaN, and then none.
        logits = jnp.where(seen, self._fit(history, own), -1e9)
        weights = jnp.where(seen, nn.softmax(logits), 0)
        met = flat(self.turn, jnp.einsum("bql,bld->bqd", weights, history))
        share = self.config.own_share
        return self.similarity.user(self.drop(share * own + (1 - share) * met, train))

    def encode_item(self, items: Items, train: bool = False) -> Float[Array, "... dim"]:
        return self.similarity.item(self.item_vector(items.id))

    def score(
        self, user: Float[Array, "batch queries dim"], item: Float[Array, "... n dim"]
    ) -> Float[Array, "batch queries n"]:
        return self.similarity(user, item)

    def _fit(
        self, history: Float[Array, "batch length dim"], own: Float[Array, "batch 1 dim"]
    ) -> Float[Array, "#batch 1 length"]:
        """Score the history's items for a softmax over them."""
        if self.config.aggregation == "mean":
            return jnp.zeros((1, 1, history.shape[1]))
        key = nn.tanh(flat(self.key, history))
        if self.config.aggregation == "user_attention":
            return jnp.einsum("bqd,bld->bql", own, key)
        return (key @ self.query)[:, None]
