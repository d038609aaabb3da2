"""NARM: a session's last state, and an attention over all its states, score items bilinearly.

Li et al., "Neural Attentive Session-based Recommendation" (CIKM 2017).
NOTE: one GRU gives the states of both the paper's encoders, the global and the local one; the
attention is normalised, see encoders/rnn.py.
"""

from dataclasses import dataclass

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jaxrec.embedding import embed
from jaxrec.encoders.dropout import Dropout
from jaxrec.encoders.rnn import AdditiveAttention, Recurrent, states_at
from jaxrec.models.next_item import NextItem
from jaxrec.typing import Batch, Spec


@dataclass(frozen=True)
class NARMConfig:
    """The sizes of a NARM."""

    embed_dim: int = 64
    """Width of item vectors."""
    hidden_dim: int | None = None
    """Width of the states and of the attention over them; None: embed_dim."""
    num_layers: int = 1
    """Recurrent layers."""
    dropout: float = 0.25
    """Fraction of the embeddings that is dropped in training."""
    hidden_dropout: float = 0.0
    """Fraction of each layer's states that is dropped in training, on their way up only."""
    context_dropout: float = 0.5
    """Fraction of the last state and the attended one that is dropped in training."""
    history_length: int = 100
    """How many of the last events are read."""

    def build(self, spec: Spec) -> "NARM":
        return NARM(self, spec)


class NARM(NextItem):
    """v_iᵀ B [h_q, Σ_j α_qj h_j]; the item table also embeds the history."""

    config: NARMConfig

    def setup(self) -> None:
        c = self.config
        dim = c.hidden_dim or c.embed_dim
        self.item_vector = embed(self.spec.num_items + 1, c.embed_dim)
        self.drop = Dropout(c.dropout)
        self.history = Recurrent(dim, num_layers=c.num_layers, dropout=c.hidden_dropout)
        self.attention = AdditiveAttention()
        self.drop_context = Dropout(c.context_dropout)
        self.bilinear = nn.Dense(c.embed_dim, use_bias=False)

    def encode_user(self, batch: Batch, train: bool = False) -> Float[Array, "batch queries dim"]:
        vectors = self.item_vector(batch.history) * self.config.embed_dim**0.5
        vectors = self.drop(vectors, train)
        every = jnp.arange(batch.history.shape[1], dtype=jnp.int32)[None]
        states = self.history(vectors, batch.segment_ids, every, train)
        last = states_at(states, batch.queries)
        attended = self.attention(states, batch.segment_ids, batch.queries)
        context = jnp.concatenate([last, attended], axis=-1)
        return self.bilinear(self.drop_context(context, train))
