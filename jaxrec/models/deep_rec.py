"""The plain deep recommender: features of users and items, each through an MLP, and a similarity.

Two towers as in Covington et al., "Deep Neural Networks for YouTube Recommendations" (RecSys 2016),
with a similarity of one's choice; for BinaryCrossEntropy (a sigmoid) or SquaredError (ratings).
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jaxrec.embedding import embed
from jaxrec.encoders.features import FeatureEncoder
from jaxrec.encoders.mlp import MLP
from jaxrec.errors import InputError
from jaxrec.similarity import Dot
from jaxrec.typing import Batch, Features, Items, Spec


@dataclass(frozen=True)
class DeepRecConfig:
    """The sizes of the towers, and the similarity above them."""

    embed_dim: int = 64
    """Width of the id embeddings and of the vectors that the towers end in."""
    feature_dim: int = 16
    """Width of each embedded feature."""
    hidden_dims: tuple[int, ...] = (128,)
    """Widths of the hidden layers of each tower."""
    dropout: float = 0.1
    """Fraction of the towers' hidden units that is dropped in training."""
    ids: bool = True
    """Whether users and items themselves are features; without, new ones are judged as well."""
    mean: float = 0.0
    """What the bias of all scores starts from; the mean rating, where ratings are predicted."""
    similarity: Any = field(default_factory=Dot)
    """Dot, Cosine or Mlp of jaxrec.similarity."""
    history_length: ClassVar[int] = 0

    def build(self, spec: Spec) -> "DeepRec":
        for entity, specs in (("users", spec.user_features), ("items", spec.item_features)):
            if not self.ids and not specs:
                raise InputError(f"model.ids is off, but the {entity} have no features; turn it on")
        return DeepRec(self, spec)


class Tower(nn.Module):
    """One side: the id's vector, where there is one, and those of the features, through an MLP."""

    config: DeepRecConfig
    specs: tuple

    @nn.compact
    def __call__(
        self, id_vector: Float[Array, "*n dim"] | None, features: Features, train: bool
    ) -> Float[Array, "*n dim"]:
        parts = [] if id_vector is None else [id_vector]
        if self.specs:
            parts.append(FeatureEncoder(self.specs, self.config.feature_dim)(features))
        mlp = MLP((*self.config.hidden_dims, self.config.embed_dim), self.config.dropout)
        return mlp(jnp.concatenate(parts, -1), train)


class DeepRec(nn.Module):
    """A tower for users, a tower for items, a similarity."""

    config: DeepRecConfig
    spec: Spec

    @property
    def inner_product(self) -> bool:
        return self.config.similarity.inner_product

    def setup(self) -> None:
        c, s = self.config, self.spec
        if c.ids:
            self.user_id = embed(s.num_users + 1, c.embed_dim, scale=0.1)
            self.item_id = embed(s.num_items + 1, c.embed_dim, scale=0.1)
        self.tower_user = Tower(c, s.user_features)
        self.tower_item = Tower(c, s.item_features)
        self.similarity = c.similarity.build()
        self.bias = self.param("bias", nn.initializers.constant(c.mean), ())

    def encode_user(self, batch: Batch, train: bool = False) -> Float[Array, "batch 1 dim"]:
        id_vector = self.user_id(batch.user) if self.config.ids else None
        vector = self.tower_user(id_vector, batch.user_features, train)
        return self.similarity.user(vector)[:, None]

    def encode_item(self, items: Items, train: bool = False) -> Float[Array, "... dim"]:
        id_vector = self.item_id(items.id) if self.config.ids else None
        return self.similarity.item(self.tower_item(id_vector, items.features, train))

    def score(
        self, user: Float[Array, "batch queries dim"], item: Float[Array, "... n dim"]
    ) -> Float[Array, "batch queries n"]:
        return self.similarity(user, item) + self.bias

    def predict(self, batch: Batch, train: bool = False) -> Float[Array, "batch"]:
        item = self.encode_item(batch.catalogue.items.take(batch.target[:, -1:]), train)
        return self.score(self.encode_user(batch, train), item)[:, -1, 0]
