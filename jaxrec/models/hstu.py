"""HSTU: gated units that weigh by SiLU read the history; a dot product scores items.

Zhai et al., "Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers for
Generative Recommendations" (ICML 2024); see encoders/hstu.py.
"""

from dataclasses import dataclass

from jaxtyping import Array, Float

from jaxrec.embedding import embed
from jaxrec.encoders.hstu import Hstu
from jaxrec.encoders.relative import told
from jaxrec.errors import InputError
from jaxrec.models.next_item import NextItem, check_length
from jaxrec.typing import Batch, Spec


@dataclass(frozen=True)
class HSTUConfig:
    """The sizes of an HSTU."""

    embed_dim: int = 64
    """Width of item vectors and of the units."""
    num_layers: int = 2
    """Units."""
    num_heads: int = 2
    """Attention heads of each unit; must divide embed_dim."""
    dropout: float = 0.2
    """Fraction of the embeddings, and of each unit's update, that is dropped in training."""
    history_length: int = 100
    """How many of the last events are read."""
    reads_times: bool = False
    """Tell each unit how much time is between two events; the data must have times."""

    def build(self, spec: Spec) -> "HSTU":
        if self.embed_dim % self.num_heads:
            raise InputError(
                f"model.num_heads is {self.num_heads}; "
                f"give a divisor of model.embed_dim, {self.embed_dim}"
            )
        return HSTU(self, spec)


class HSTU(NextItem):
    """History units, dot product with the item table that also embeds the history."""

    config: HSTUConfig

    def setup(self) -> None:
        c = self.config
        self.item_vector = embed(self.spec.num_items + 1, c.embed_dim)
        self.history = Hstu(c.history_length, c.num_layers, c.num_heads, c.dropout)

    def encode_user(self, batch: Batch, train: bool = False) -> Float[Array, "batch queries dim"]:
        check_length(batch, self.config.history_length)
        hidden = self.item_vector(batch.history) * self.config.embed_dim**0.5
        time = told(batch.time) if self.config.reads_times else None
        return self.history(hidden, batch.segment_ids, batch.queries, train, time)
