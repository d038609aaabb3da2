"""What autoencoders share: the rows of the decoder's last layer are the items."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrec.embedding import embed
from jaxrec.errors import InputError
from jaxrec.models.next_item import NextItem
from jaxrec.typing import Batch, Items


class Autoencoder(NextItem):
    """h · e_i + b_i, as the inner product of [h, 1] and [e_i, b_i]; h decodes a set of items."""

    def decoder(self, dim: int, scale: float) -> None:
        """Make the tables of the decoder's last layer; for use in `setup`."""
        self.item_vector = embed(self.spec.num_items + 1, dim, scale=scale)
        self.item_bias = embed(self.spec.num_items + 1, 1, scale=0.0)

    def encode_item(self, items: Items, train: bool = False) -> Float[Array, "... dim"]:
        return jnp.concatenate([self.item_vector(items.id), self.item_bias(items.id)], -1)

    def sow_divergence(self, batch: Batch, divergence: Float[Array, "batch queries"]) -> None:
        """Hand over the mean of the divergences over what counts, as a loss."""
        total = (divergence * batch.weights).sum()
        self.sow("losses", "divergence", total / jnp.maximum(batch.weights.sum(), 1e-9))


def with_one(state: Float[Array, "*n dim"]) -> Float[Array, "*n dim_plus_1"]:
    """Append a 1, which meets an item's bias."""
    return jnp.concatenate([state, jnp.ones_like(state[..., :1])], -1)


def check(config: Any) -> None:
    """Refuse sizes that no autoencoder can have."""
    if config.embed_dim < 1:
        raise InputError(f"model.embed_dim is {config.embed_dim}; give a whole number from 1 on.")
    if config.history_length is not None and config.history_length < 1:
        raise InputError(
            f"model.history_length is {config.history_length}; give a whole number from 1 on, or "
            "None for all that is known."
        )
