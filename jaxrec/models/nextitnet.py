"""NextItNet: dilated causal convolutions read the history; items score by a dot product.

Yuan et al., "A Simple Convolutional Generative Network for Next Item Recommendation" (WSDM 2019),
with its residual block (b).
NOTE: one table embeds and scores the items, where the paper's softmax has a matrix of its own.
"""

from dataclasses import dataclass

from jaxtyping import Array, Float

from jaxrec.embedding import embed
from jaxrec.encoders.cnn import DilatedConvolutions
from jaxrec.errors import InputError
from jaxrec.models.next_item import NextItem
from jaxrec.typing import Batch, Spec


@dataclass(frozen=True)
class NextItNetConfig:
    """The sizes of a NextItNet."""

    embed_dim: int = 64
    """Width of item vectors and of the convolutions."""
    kernel_size: int = 3
    """Events that a convolution joins: its own and those 1, 2, … dilations before."""
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    """Distances between the events that successive convolutions join; two make a block."""
    num_repeats: int = 2
    """How often the dilations are gone through: (kernel_size - 1) · their sum · num_repeats events
    before the last are seen."""
    dropout: float = 0.1
    """Fraction of the embeddings, and of each block's update, that is dropped in training."""
    history_length: int = 100
    """How many of the last events are read."""

    def build(self, spec: Spec) -> "NextItNet":
        if not self.dilations or len(self.dilations) % 2 or min(self.dilations) < 1:
            raise InputError(
                f"model.dilations is {self.dilations}; give an even number of them, each at least 1"
            )
        for name, least in (("kernel_size", 2), ("num_repeats", 1), ("history_length", 1)):
            value = getattr(self, name)
            if value < least:
                raise InputError(f"model.{name} is {value}; give a whole number from {least} on")
        return NextItNet(self, spec)


class NextItNet(NextItem):
    """History convolutions, dot product with the item table that also embeds the history."""

    config: NextItNetConfig

    def setup(self) -> None:
        c = self.config
        self.item_vector = embed(self.spec.num_items + 1, c.embed_dim)
        self.history = DilatedConvolutions(c.dilations * c.num_repeats, c.kernel_size, c.dropout)

    def encode_user(self, batch: Batch, train: bool = False) -> Float[Array, "batch queries dim"]:
        hidden = self.item_vector(batch.history) * self.config.embed_dim**0.5
        return self.history(hidden, batch.segment_ids, batch.queries, train)
