"""NeuMF: a weighted dot product of user and item, and an MLP over both, added up.

He et al., "Neural Collaborative Filtering" (WWW 2017), section 3.4, with BinaryCrossEntropy.
NOTE: both parts are trained together from the start; the paper also trains each apart before.
Dropout, which the paper has none of, falls on what enters the MLP, as RecBole's first does.
"""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, PyTree

from jaxrec.embedding import embed
from jaxrec.encoders.dropout import Dropout
from jaxrec.errors import InputError
from jaxrec.learned_similarity import NeuMF as Similarity
from jaxrec.typing import Batch, Items, Spec


@dataclass(frozen=True)
class NeuMFConfig:
    """The sizes of a NeuMF."""

    factors: int = 8
    """Width of the vectors that are multiplied."""
    embed_dim: int = 32
    """Width of the vectors that enter the MLP: its first layer reads twice as much."""
    hidden_dims: tuple[int, ...] = (32, 16, 8)
    """Widths of the hidden layers."""
    dropout: float = 0.0
    """Fraction of what enters the MLP that is dropped in training."""
    scale: float = 0.1
    """Standard deviation of the initial vectors."""
    history_length: ClassVar[int] = 0

    def build(self, spec: Spec) -> "NeuMF":
        if self.factors < 1 or self.embed_dim < 1 or not self.hidden_dims:
            raise InputError(
                f"model.factors is {self.factors}, model.embed_dim {self.embed_dim} and "
                f"model.hidden_dims {self.hidden_dims}; give each a width from 1 on"
            )
        return NeuMF(self, spec)


class NeuMF(nn.Module):
    """w · (p_u ⊙ q_i) + MLP([m_u, m_i]). A row of a table holds p and m: one lookup of both."""

    config: NeuMFConfig
    spec: Spec
    inner_product = False

    def setup(self) -> None:
        c, s = self.config, self.spec
        self.user_vector = embed(s.num_users + 1, c.factors + c.embed_dim, scale=c.scale)
        self.item_vector = embed(s.num_items + 1, c.factors + c.embed_dim, scale=c.scale)
        self.similarity = Similarity(c.factors, c.hidden_dims).build()
        self.drop = Dropout(c.dropout)

    def encode_user(self, batch: Batch, train: bool = False) -> PyTree:
        return self.similarity.user(self._dropped(self.user_vector(batch.user), train)[:, None])

    def encode_item(self, items: Items, train: bool = False) -> PyTree:
        return self.similarity.item(self._dropped(self.item_vector(items.id), train))

    def score(self, user: PyTree, item: PyTree) -> Float[Array, "batch queries n"]:
        return self.similarity(user, item)

    def predict(self, batch: Batch, train: bool = False) -> Float[Array, "batch"]:
        item = self.encode_item(batch.catalogue.items.take(batch.target[:, -1:]), train)
        return self.score(self.encode_user(batch, train), item)[:, -1, 0]

    def _dropped(self, vector: Float[Array, "*n dim"], train: bool) -> Float[Array, "*n dim"]:
        factors, entering = jnp.split(vector, [self.config.factors], axis=-1)
        return jnp.concatenate([factors, self.drop(entering, train)], -1)
