"""Matrix factorisation: a vector and, if wanted, a bias for each user and item, and a product.

Koren, Bell & Volinsky, "Matrix Factorization Techniques for Recommender Systems" (Computer 2009),
eq. 4; with the Bpr objective, Rendle et al., "BPR" (UAI 2009).
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jaxrec.embedding import embed
from jaxrec.errors import InputError
from jaxrec.similarity import Dot
from jaxrec.typing import Batch, Items, Spec


@dataclass(frozen=True)
class MatrixFactorizationConfig:
    """The sizes of a matrix factorisation."""

    embed_dim: int = 64
    """Width of the user and item vectors."""
    scale: float = 0.1
    """Standard deviation of the initial vectors."""
    mean: float = 0.0
    """What the global bias starts from; the mean rating, where ratings are predicted."""
    biases: bool = True
    """Whether users and items have biases, and all scores one (`mean`)."""
    similarity: Any = field(default_factory=Dot)
    """Dot, Cosine or Mlp of jaxrec.similarity; biases are added to Dot alone."""
    history_length: ClassVar[int] = 0

    def build(self, spec: Spec) -> "MatrixFactorization":
        self.check()
        return MatrixFactorization(self, spec)

    def check(self) -> None:
        """Refuse biases beside what is no plain product."""
        if self.biases and not isinstance(self.similarity, Dot):
            raise InputError(
                f"model.biases is True, but model.similarity is {type(self.similarity).__name__}; "
                "turn them off, or let it be Dot."
            )


class MatrixFactorization(nn.Module):
    """p_u · q_i + b_u + b_i + mean, as the inner product of [p_u, 1, b_u + mean] and [q_i, b_i, 1].

    Without biases p_u · q_i, or another similarity. An unknown user is row 0, whose vector and bias
    are zero: items then rank by their biases, or are all alike.
    """

    config: MatrixFactorizationConfig
    spec: Spec

    @property
    def inner_product(self) -> bool:
        return self.config.similarity.inner_product

    def setup(self) -> None:
        c, s = self.config, self.spec
        self.user_vector = embed(s.num_users + 1, c.embed_dim, scale=c.scale)
        self.item_vector = embed(s.num_items + 1, c.embed_dim, scale=c.scale)
        self.similarity = c.similarity.build()
        if not c.biases:
            return
        self.user_bias = embed(s.num_users + 1, 1, scale=0.0)
        self.item_bias = embed(s.num_items + 1, 1, scale=0.0)
        self.mean = self.param("mean", nn.initializers.constant(c.mean), ())

    def encode_user(self, batch: Batch, train: bool = False) -> Float[Array, "batch 1 dim"]:
        vector = self.user_vector(batch.user)
        if not self.config.biases:
            return self.similarity.user(vector)[:, None]
        bias = self.user_bias(batch.user) + self.mean
        parts = [vector, jnp.ones_like(bias), bias]
        return jnp.concatenate(parts, -1)[:, None]

    def encode_item(self, items: Items, train: bool = False) -> Float[Array, "... dim"]:
        vector = self.item_vector(items.id)
        if not self.config.biases:
            return self.similarity.item(vector)
        bias = self.item_bias(items.id)
        return jnp.concatenate([vector, bias, jnp.ones_like(bias)], -1)

    def score(
        self, user: Float[Array, "batch queries dim"], item: Float[Array, "... n dim"]
    ) -> Float[Array, "batch queries n"]:
        return self.similarity(user, item)

    def predict(self, batch: Batch, train: bool = False) -> Float[Array, "batch"]:
        item = self.encode_item(batch.catalogue.items.take(batch.target[:, -1:]), train)
        return self.score(self.encode_user(batch, train), item)[:, -1, 0]
