"""Mult-DAE: the set of a user's items, some of them dropped, through an MLP and back to all items.

Liang et al., "Variational Autoencoders for Collaborative Filtering" (WWW 2018), section 2.3. The
objective is Reconstruction, the batches are Users. No user has parameters, so that a bare history
is answered as any other.
"""

from dataclasses import dataclass
from typing import ClassVar

from flax import linen as nn
from jaxtyping import Array, Float

from jaxrec.encoders.bag import GLOROT, TanhSet, glorot_scale
from jaxrec.encoders.mlp import flat
from jaxrec.models.autoencoder import Autoencoder, check, with_one
from jaxrec.typing import Batch, Spec


@dataclass(frozen=True)
class MultDAEConfig:
    """The sizes of a Mult-DAE."""

    embed_dim: int = 200
    """Width of the layer in the middle."""
    hidden_dims: tuple[int, ...] = ()
    """Widths of the layers between the items and it, on both sides."""
    dropout: float = 0.5
    """Fraction of a user's items that is dropped in training."""
    history_length: int | None = None
    """How many of the last items are read at evaluation; None: all that are known."""

    def build(self, spec: Spec) -> "MultDAE":
        check(self)
        return MultDAE(self, spec)


class MultDAE(Autoencoder):
    """Dense layers with tanh after each but the last, whose rows are the items."""

    config: MultDAEConfig
    numbers: ClassVar[int] = 1
    """How many numbers the encoder gives for each element of the middle."""

    def setup(self) -> None:
        c, items = self.config, self.spec.num_items
        back = c.hidden_dims[::-1]
        self.encoder = TanhSet(items, (*c.hidden_dims, self.numbers * c.embed_dim), c.dropout)
        self.layers = [nn.Dense(dim, kernel_init=GLOROT) for dim in back]
        width = (c.embed_dim, *back)[-1]
        self.decoder(width, glorot_scale(items, width))

    def encode_user(self, batch: Batch, train: bool = False) -> Float[Array, "batch queries dim"]:
        return self.decode(nn.tanh(self.encode(batch, train)))

    def encode(self, batch: Batch, train: bool) -> Float[Array, "batch queries numbers"]:
        """Go from the items to the middle."""
        return self.encoder(batch.history, batch.segment_ids, batch.queries, train)

    def decode(self, state: Float[Array, "batch queries mid"]) -> Float[Array, "batch queries dim"]:
        """Go from the middle up to the last layer."""
        for layer in self.layers:
            state = nn.tanh(flat(layer, state))
        return with_one(state)
