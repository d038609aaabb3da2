"""GRU4Rec: a gated recurrent network reads the history; its state scores items by a dot product.

Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks" (ICLR 2016); Hidasi &
Karatzoglou, "Recurrent Neural Networks with Top-k Gains for Session-based Recommendations" (CIKM
2018), whose "constrained embedding" is the one table here, for the history and for the scores.
NOTE: items have no biases. Sessions are read whole, where the authors' code cuts the gradient after
one step. Their losses are objectives: FullSoftmax is the cross-entropy that samples approximate.
"""

from dataclasses import dataclass

from flax import linen as nn
from jaxtyping import Array, Float

from jaxrec.embedding import embed
from jaxrec.encoders import rnn
from jaxrec.encoders.dropout import Dropout
from jaxrec.models.next_item import NextItem
from jaxrec.typing import Batch, Spec


@dataclass(frozen=True)
class GRU4RecConfig:
    """The sizes of a GRU4Rec."""

    embed_dim: int = 64
    """Width of item vectors."""
    hidden_dim: int | None = None
    """Width of the states, None: embed_dim; where they differ, a linear layer leads back."""
    num_layers: int = 1
    """Recurrent layers."""
    dropout: float = 0.2
    """Fraction of the embeddings that is dropped in training."""
    hidden_dropout: float = 0.0
    """Fraction of each layer's states that is dropped in training, on their way up only."""
    history_length: int = 100
    """How many of the last events are read."""

    def build(self, spec: Spec) -> "GRU4Rec":
        return GRU4Rec(self, spec)


class GRU4Rec(NextItem):
    """Recurrent layers, dot product with the item table that also embeds the history."""

    config: GRU4RecConfig
    cell = rnn.GRU

    def setup(self) -> None:
        c = self.config
        dim = c.hidden_dim or c.embed_dim
        self.item_vector = embed(self.spec.num_items + 1, c.embed_dim)
        self.drop = Dropout(c.dropout)
        self.history = rnn.Recurrent(dim, self.cell, c.num_layers, c.hidden_dropout)
        self.out = nn.Dense(c.embed_dim) if dim != c.embed_dim else None

    def encode_user(self, batch: Batch, train: bool = False) -> Float[Array, "batch queries dim"]:
        vectors = self.item_vector(batch.history) * self.config.embed_dim**0.5
        vectors = self.drop(vectors, train)
        states = self.history(vectors, batch.segment_ids, batch.queries, train)
        return states if self.out is None else self.out(states)
