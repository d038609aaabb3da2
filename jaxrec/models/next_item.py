"""What models of histories share whose item table is met by a dot product."""

from typing import Any

from flax import linen as nn
from jaxtyping import Array, Float

from jaxrec.errors import InputError
from jaxrec.similarity import dot
from jaxrec.typing import Batch, Items, Spec


class NextItem(nn.Module):
    """Answers queries with vectors, by `encode_user`; items with those of `item_vector`."""

    config: Any
    spec: Spec
    inner_product = True

    def encode_user(self, batch: Batch, train: bool = False) -> Float[Array, "batch queries dim"]:
        raise NotImplementedError

    def encode_item(self, items: Items, train: bool = False) -> Float[Array, "... dim"]:
        return self.item_vector(items.id)

    def score(
        self, user: Float[Array, "batch queries dim"], item: Float[Array, "... n dim"]
    ) -> Float[Array, "batch queries n"]:
        return dot(user, item)

    def predict(self, batch: Batch, train: bool = False) -> Float[Array, "batch"]:
        item = self.encode_item(batch.catalogue.items.take(batch.target[:, -1:]), train)
        return self.score(self.encode_user(batch, train), item)[:, -1, 0]


def check_length(batch: Batch, history_length: int) -> None:
    """Refuse a batch with more events than there are positions; the InputError says both."""
    if batch.history.shape[1] > history_length:
        raise InputError(
            f"the batches show {batch.history.shape[1]} events, but model.history_length is "
            f"{history_length}; make the two equal"
        )
