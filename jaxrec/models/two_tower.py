"""Two towers: a user's id, history and features, an item's id and features, and a similarity.

As in Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations"
(RecSys 2019), whose objective is InBatchSoftmax: normalised vectors, and a temperature.
NOTE: the history's items have the vectors of the item tower's ids.
"""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, PyTree

from jaxrec.encoders.bag import past_mean
from jaxrec.encoders.features import Text
from jaxrec.encoders.id import Ids
from jaxrec.encoders.tower import Tower, at_each_query
from jaxrec.errors import InputError
from jaxrec.similarity import Cosine
from jaxrec.typing import Batch, Items, Spec


@dataclass(frozen=True)
class TwoTowerConfig:
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
    user_ids: bool = True
    """Whether the user's own id is known; without it, all users are answered by their histories."""
    ids: Any = field(default_factory=Ids)
    """How ids become vectors: a row each, or hashed; see encoders/id.py."""
    similarity: Any = field(default_factory=Cosine)
    """One of jaxrec.similarity or jaxrec.learned_similarity."""
    history_length: int = 50
    """How many of the last events are read; 0 reads none."""

    def build(self, spec: Spec) -> "TwoTower":
        if not (self.user_ids or self.history_length or spec.user_features):
            raise InputError(
                "model.user_ids is off, and users have no history and no features; turn it on"
            )
        return TwoTower(self, spec)


class TwoTower(nn.Module):
    """sim(MLP([p_u, mean of q_j, features of u]), MLP([q_i, features of i]))."""

    config: TwoTowerConfig
    spec: Spec

    @property
    def inner_product(self) -> bool:
        return self.config.similarity.inner_product

    def setup(self) -> None:
        c, s = self.config, self.spec
        dims = (*c.hidden_dims, c.embed_dim)
        if c.user_ids:
            events = None
            if c.ids.unknown and s.positives is not None:
                events = np.diff(jax.device_get(s.positives.indptr))
            self.user_id = c.ids.build(s.num_users, c.embed_dim, events)
        self.item_id = c.ids.build(s.num_items, c.embed_dim, s.item_counts)
        self.tower_user, self.tower_item = (
            Tower(specs, c.feature_dim, dims, c.dropout, c.text)
            for specs in (s.user_features, s.item_features)
        )
        self.similarity = c.similarity.build()

    def encode_user(self, batch: Batch, train: bool = False) -> PyTree:
        shape = (*batch.queries.shape, self.config.embed_dim)
        vectors = []
        if self.config.user_ids:
            own = self.user_id(batch.user, train)
            vectors.append(jnp.broadcast_to(own[:, None], shape))
        if self.config.history_length:
            items = self.item_id(batch.history, train)
            vectors.append(past_mean(items, batch.segment_ids, batch.queries))
        features = at_each_query(batch.user_features, shape[1])
        return self.similarity.user(self.tower_user(vectors, features, train))

    def encode_item(self, items: Items, train: bool = False) -> PyTree:
        own = self.item_id(items.id, train)
        return self.similarity.item(self.tower_item([own], items.features, train))

    def score(self, user: PyTree, item: PyTree) -> Float[Array, "batch queries n"]:
        return self.similarity(user, item)

    def predict(self, batch: Batch, train: bool = False) -> Float[Array, "batch"]:
        item = self.encode_item(batch.catalogue.items.take(batch.target[:, -1:]), train)
        return self.score(self.encode_user(batch, train), item)[:, -1, 0]
