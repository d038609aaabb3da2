"""The plain deep recommender: features of users and items, each through an MLP, and a similarity.

Two towers as in Covington et al., "Deep Neural Networks for YouTube Recommendations" (RecSys 2016),
with a similarity of one's choice; for BinaryCrossEntropy (a sigmoid) or SquaredError (ratings).
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from flax import linen as nn
from jaxtyping import Array, Float, PyTree

from jaxrec.embedding import embed
from jaxrec.encoders.features import Text
from jaxrec.encoders.tower import Tower
from jaxrec.errors import InputError
from jaxrec.similarity import Dot
from jaxrec.typing import Batch, Items, Spec


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
    text: Text = "mean"
    """What features of tokens become: "mean", that of their vectors, or "cnn", what convolutions
    over them find."""
    ids: bool = True
    """Whether users and items themselves are features; without, new ones are judged as well."""
    mean: float = 0.0
    """What the bias of all scores starts from; the mean rating, where ratings are predicted."""
    similarity: Any = field(default_factory=Dot)
    """One of jaxrec.similarity or jaxrec.learned_similarity."""
    history_length: ClassVar[int] = 0

    def build(self, spec: Spec) -> "DeepRec":
        for entity, specs in (("users", spec.user_features), ("items", spec.item_features)):
            if not self.ids and not specs:
                raise InputError(f"model.ids is off, but the {entity} have no features; turn it on")
        return DeepRec(self, spec)


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
        dims = (*c.hidden_dims, c.embed_dim)
        self.tower_user, self.tower_item = (
            Tower(specs, c.feature_dim, dims, c.dropout, c.text)
            for specs in (s.user_features, s.item_features)
        )
        self.similarity = c.similarity.build()
        self.bias = self.param("bias", nn.initializers.constant(c.mean), ())

    def encode_user(self, batch: Batch, train: bool = False) -> PyTree:
        vectors = [self.user_id(batch.user)] if self.config.ids else []
        vector = self.tower_user(vectors, batch.user_features, train)
        return self.similarity.user(vector[:, None])

    def encode_item(self, items: Items, train: bool = False) -> PyTree:
        vectors = [self.item_id(items.id)] if self.config.ids else []
        return self.similarity.item(self.tower_item(vectors, items.features, train))

    def score(self, user: PyTree, item: PyTree) -> Float[Array, "batch queries n"]:
        return self.similarity(user, item) + self.bias

    def predict(self, batch: Batch, train: bool = False) -> Float[Array, "batch"]:
        item = self.encode_item(batch.catalogue.items.take(batch.target[:, -1:]), train)
        return self.score(self.encode_user(batch, train), item)[:, -1, 0]
