"""A bag of the history: the mean of its items' vectors, old ones fading, scores by a dot product.

The mean is that of FISM (Kabbur et al., "FISM: Factored Item Similarity Models for Top-N
Recommender Systems", KDD 2013), which scores by a second table of items.
NOTE: the weights fade with age, and users have neither biases nor vectors.
"""

from dataclasses import dataclass

from jaxtyping import Array, Float

from jaxrec.embedding import embed
from jaxrec.encoders.bag import FadingBag
from jaxrec.encoders.dropout import Dropout
from jaxrec.errors import InputError
from jaxrec.models.next_item import NextItem
from jaxrec.typing import Batch, Spec


@dataclass(frozen=True)
class BagConfig:
    """The sizes of a bag of the history."""

    embed_dim: int = 64
    """Width of item vectors."""
    decay: float = 0.8
    """What an event's weight is multiplied with at each later event, between 0 and 1."""
    learned: bool = True
    """Whether each dimension learns a decay of its own, from `decay` on."""
    dropout: float = 0.2
    """Fraction of the history's vectors that is dropped in training."""
    history_length: int = 50
    """How many of the last events are shown at evaluation."""

    def build(self, spec: Spec) -> "Bag":
        if not 0 < self.decay < 1:
            raise InputError(f"model.decay is {self.decay}; give a number between 0 and 1")
        return Bag(self, spec)


class Bag(NextItem):
    """Σ_j decay^(age of j) p_j·q_i / Σ_j decay^(age of j): p is a table to read, q one to score."""

    config: BagConfig

    def setup(self) -> None:
        c = self.config
        self.read_vector = embed(self.spec.num_items + 1, c.embed_dim)
        self.item_vector = embed(self.spec.num_items + 1, c.embed_dim)
        self.drop = Dropout(c.dropout)
        self.bag = FadingBag(c.decay, c.learned)

    def encode_user(self, batch: Batch, train: bool = False) -> Float[Array, "batch queries dim"]:
        read = self.read_vector(batch.history) * self.config.embed_dim**0.5
        return self.bag(self.drop(read, train), batch.segment_ids, batch.queries)
