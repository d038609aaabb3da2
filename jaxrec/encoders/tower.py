"""A tower: vectors and side features of a user, or of an item, through an MLP."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jaxrec.encoders.features import FeatureEncoder, Text
from jaxrec.encoders.mlp import MLP
from jaxrec.typing import Features, FeatureSpec


class Tower(nn.Module):
    """What is known of an entity, side by side, then dense layers, of which the last is linear."""

    specs: tuple[FeatureSpec, ...]
    feature_dim: int
    """Width of each embedded feature."""
    dims: tuple[int, ...]
    """Widths of the layers."""
    dropout: float = 0.0
    text: Text = "mean"
    """What tokens become, see FeatureEncoder."""

    @nn.compact
    def __call__(
        self,
        vectors: Sequence[Float[Array, "*n dim"]],
        features: Features,
        train: bool = False,
    ) -> Float[Array, "*n out"]:
        """Join vectors, such as that of an id, and the features that `specs` describe."""
        parts = [*vectors]
        if self.specs:
            parts.append(FeatureEncoder(self.specs, self.feature_dim, self.text)(features))
        return MLP(self.dims, self.dropout)(jnp.concatenate(parts, -1), train)


def at_each_query(features: Features, queries: int) -> Features:
    """Repeat the features of users along a second axis, the queries."""
    return jax.tree.map(
        lambda x: jnp.broadcast_to(x[:, None], (x.shape[0], queries, *x.shape[1:])), features
    )
