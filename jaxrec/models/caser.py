"""Caser: convolutions over the last few events, beside the user's own vector, score the items.

Tang & Wang, "Personalized Top-N Sequential Recommendation via Convolutional Sequence Embedding"
(WSDM 2018), section 3.
NOTE: the target of a window is the next item, where the paper's are the next three (its T).
"""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrec.embedding import embed
from jaxrec.encoders.cnn import WindowFilters
from jaxrec.errors import InputError
from jaxrec.models.next_item import NextItem
from jaxrec.similarity import dot
from jaxrec.typing import Batch, Items, Spec


@dataclass(frozen=True)
class CaserConfig:
    """The sizes of a Caser."""

    embed_dim: int = 50
    """Width of the vectors of users and of read items; those of scored items have twice of it."""
    num_horizontal: int = 16
    """Horizontal filters of each height from 1 to history_length."""
    num_vertical: int = 4
    """Vertical filters."""
    dropout: float = 0.5
    """Fraction of the filters' answers that is dropped in training."""
    history_length: int = 5
    """How many of the last events a window holds, the paper's L; batches may show more."""

    def build(self, spec: Spec) -> "Caser":
        for name, least in (("history_length", 1), ("num_horizontal", 0), ("num_vertical", 0)):
            value = getattr(self, name)
            if value < least:
                raise InputError(f"model.{name} is {value}; give a whole number from {least} on")
        if not self.num_horizontal and not self.num_vertical:
            raise InputError(
                "model.num_horizontal and model.num_vertical are both 0; give one of them filters"
            )
        return Caser(self, spec)


class Caser(NextItem):
    """W'_i [z, p_u] + b'_i: z from the window, p_u the user's vector, W' a table of its own.

    NOTE: vectors of users start as zero. So those whom training does not name, as packed rows name
    none, are answered like the unknown user (row 0), by z alone.
    """

    config: CaserConfig

    def setup(self) -> None:
        c, s = self.config, self.spec
        self.user_vector = embed(s.num_users + 1, c.embed_dim, scale=0.0)
        self.item_vector = embed(s.num_items + 1, c.embed_dim)
        self.output_vector = embed(s.num_items + 1, 2 * c.embed_dim)
        self.output_bias = embed(s.num_items + 1, 1, scale=0.0)
        self.window = WindowFilters(c.history_length, c.num_horizontal, c.num_vertical, c.dropout)

    def encode_user(self, batch: Batch, train: bool = False) -> Float[Array, "batch queries dim"]:
        read = self.item_vector(batch.history)
        z = self.window(read, batch.segment_ids, batch.queries, train)
        user = jnp.broadcast_to(self.user_vector(batch.user)[:, None], z.shape)
        return jnp.concatenate([z, user, jnp.ones_like(z[..., :1])], -1)

    def encode_item(self, items: Items, train: bool = False) -> Float[Array, "... dim"]:
        return jnp.concatenate([self.output_vector(items.id), self.output_bias(items.id)], -1)

    def score(
        self, user: Float[Array, "batch queries dim"], item: Float[Array, "... n dim"]
    ) -> Float[Array, "batch queries n"]:
        """Multiply items with p_u, which all queries of an example share, once for all of them."""
        if user.shape[1] == 1:
            return dot(user, item)
        dim = self.config.embed_dim
        own = dot(user[:, :1, dim:], item[..., dim:])
        return dot(user[..., :dim], item[..., :dim]) + own
