"""YouTube's candidate generation: the mean of the history and the user's features, through an MLP.

Covington et al., "Deep Neural Networks for YouTube Recommendations" (RecSys 2016), section 3, with
SampledSoftmax.
NOTE: the last layer is linear. Searches, and the age of an example, are no part of the data.
"""

from dataclasses import dataclass

from jaxtyping import Array, Float

from jaxrec.embedding import embed
from jaxrec.encoders.bag import past_mean
from jaxrec.encoders.features import Text
from jaxrec.encoders.tower import Tower, at_each_query
from jaxrec.errors import InputError
from jaxrec.models.next_item import NextItem
from jaxrec.typing import Batch, Spec


@dataclass(frozen=True)
class YouTubeDNNConfig:
    """The sizes of a YouTube DNN."""

    embed_dim: int = 64
    """Width of item vectors."""
    feature_dim: int = 16
    """Width of each embedded feature of users."""
    hidden_dims: tuple[int, ...] = (128,)
    """Widths of the hidden layers."""
    dropout: float = 0.1
    """Fraction of the hidden units that is dropped in training."""
    text: Text = "mean"
    """What features of tokens become: "mean", that of their vectors, or "cnn", what convolutions
    over them find."""
    tied: bool = False
    """Whether the table that embeds the history also scores items; the paper has two."""
    history_length: int = 50
    """How many of the last events are read."""

    def build(self, spec: Spec) -> "YouTubeDNN":
        if self.history_length < 1:
            raise InputError(
                f"model.history_length is {self.history_length}; give a whole number from 1 on"
            )
        return YouTubeDNN(self, spec)


class YouTubeDNN(NextItem):
    """MLP([mean of p_j, features of u]) · q_i: p is a table to read, q one to score."""

    config: YouTubeDNNConfig

    def setup(self) -> None:
        c = self.config
        self.item_vector = embed(self.spec.num_items + 1, c.embed_dim, scale=0.1)
        if not c.tied:
            self.read_vector = embed(self.spec.num_items + 1, c.embed_dim, scale=0.1)
        dims = (*c.hidden_dims, c.embed_dim)
        self.tower = Tower(self.spec.user_features, c.feature_dim, dims, c.dropout, c.text)

    def encode_user(self, batch: Batch, train: bool = False) -> Float[Array, "batch queries dim"]:
        table = self.item_vector if self.config.tied else self.read_vector
        history = past_mean(table(batch.history), batch.segment_ids, batch.queries)
        features = at_each_query(batch.user_features, batch.queries.shape[1])
        return self.tower([history], features, train)
