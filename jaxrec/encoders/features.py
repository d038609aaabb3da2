"""Side features of users or items, of any kind, as one vector."""

from typing import Literal

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from jaxrec.embedding import embed
from jaxrec.encoders.text import TextCNN
from jaxrec.typing import Features, FeatureSpec

Text = Literal["mean", "cnn"]


class FeatureEncoder(nn.Module):
    """The features side by side: embedded categories (means of them, for lists), and numbers.

    Leading axes are whatever those of the features are.
    """

    specs: tuple[FeatureSpec, ...]
    embed_dim: int = 16
    """Width of each embedded feature."""
    text: Text = "mean"
    """What tokens become: the mean of their vectors, or the answers of text.py's convolutions,
    embed_dim of each width."""

    def setup(self) -> None:
        self.tables = {
            spec.name: embed(spec.size, self.embed_dim) for spec in self.specs if _embedded(spec)
        }
        self.texts = {
            spec.name: TextCNN(self.embed_dim)
            for spec in self.specs
            if spec.kind == "tokens" and self.text == "cnn"
        }

    def __call__(self, features: Features) -> Float[Array, "*n dim"]:
        parts = [self._vector(spec, features[spec.name]) for spec in self.specs]
        return jnp.concatenate(parts, axis=-1)

    def _vector(self, spec: FeatureSpec, x: Array) -> Float[Array, "*n dim"]:
        if not _embedded(spec):
            return x
        vectors = self.tables[spec.name](x)
        if spec.kind == "categorical":
            return vectors
        if spec.name in self.texts:
            return self.texts[spec.name](vectors, x > 0)
        return mean(vectors, x)


def mean(
    vectors: Float[Array, "*n m dim"], categories: Int[Array, "*n m"]
) -> Float[Array, "*n dim"]:
    """Average the vectors of a list, where category 0 is padding; of an empty list: zero."""
    where = (categories > 0)[..., None]
    count = jnp.maximum(where.sum(-2), 1)
    return jnp.where(where, vectors, 0).sum(-2) / count


def _embedded(spec: FeatureSpec) -> bool:
    return spec.kind not in ("numeric", "dense")
