"""LightGCN: vectors of users and items, averaged with what their neighbours in the graph have.

He et al., "LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation" (SIGIR
2020). The objective is Bpr; L2Penalty pulls the vectors of a batch, before they are propagated.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int, Key, PyTree

from jaxrec.embedding import embed
from jaxrec.encoders.graph import Graph, propagate
from jaxrec.errors import InputError
from jaxrec.similarity import dot
from jaxrec.typing import Batch, Items, Spec

Vectors = Float[Array, "n dim"]


@dataclass(frozen=True)
class LightGCNConfig:
    """The sizes of LightGCN."""

    embed_dim: int = 64
    """Width of the vectors."""
    num_layers: int = 3
    """How far a vector travels; 0 is a matrix factorisation without biases."""
    scale: float = 0.1
    """Standard deviation of the initial vectors."""
    history_length: ClassVar[int] = 0

    def build(self, spec: Spec) -> "LightGCN":
        return LightGCN(self, spec, graph_of(self.num_layers, spec))


def graph_of(num_layers: int, spec: Spec) -> Graph:
    """Lay the training events out as the graph of the model's two tables."""
    if num_layers < 0:
        raise InputError(f"model.num_layers is {num_layers}; give a whole number of at least 0.")
    assert spec.positives is not None
    tables = (embed(number + 1, 1) for number in (spec.num_users, spec.num_items))
    return Graph.build(spec.positives, *(table.num_embeddings for table in tables))


class LightGCN(nn.Module):
    """The mean of layers 0 … num_layers; an unknown user is row 0, whose vectors are zero.

    `precompute` propagates once for all questions of an evaluation, and once for users and items of
    a training step; without it, each encoding propagates anew.
    """

    config: Any
    spec: Spec
    graph: Graph
    inner_product = True

    def setup(self) -> None:
        c, s = self.config, self.spec
        self.user_vector = embed(s.num_users + 1, c.embed_dim, scale=c.scale)
        self.item_vector = embed(s.num_items + 1, c.embed_dim, scale=c.scale)

    def precompute(self, variables: PyTree) -> PyTree:
        """Add the sum of the layers above the first to the variables."""
        return {**variables, "graph": {"layers": self.apply(variables, method="propagated")}}

    def propagated(self, **changes: Any) -> Float[Array, "nodes dim"]:
        """Add up the layers above the first, of users, then of items."""
        nodes = jnp.concatenate([self.user_vector.embedding, self.item_vector.embedding])
        return propagate(self.graph, nodes, self.config.num_layers, **changes)

    def encode_user(self, batch: Batch, train: bool = False) -> Float[Array, "batch 1 dim"]:
        return self._mean(self.user_vector, batch.user, 0)[:, None]

    def encode_item(self, items: Items, train: bool = False) -> Float[Array, "... dim"]:
        return self._mean(self.item_vector, items.id, self.user_vector.num_embeddings)

    def _mean(self, table: nn.Embed, ids: Int[Array, "*n"], start: int) -> Float[Array, "*n dim"]:
        """Average the vector of the table and those of the other layers, which begin at `start`."""
        if not self.config.num_layers:
            return table(ids)
        known = self.has_variable("graph", "layers")
        layers = self.get_variable("graph", "layers") if known else self.propagated()
        return (table(ids) + jnp.take(layers, ids + start, axis=0)) / (self.config.num_layers + 1)

    def score(
        self, user: Float[Array, "batch queries dim"], item: Float[Array, "... n dim"]
    ) -> Float[Array, "batch queries n"]:
        return dot(user, item)

    def predict(self, batch: Batch, train: bool = False) -> Float[Array, "batch"]:
        item = self.encode_item(batch.catalogue.items.take(batch.target[:, -1:]), train)
        return self.score(self.encode_user(batch, train), item)[:, -1, 0]

    def nodes(self, batch: Batch, layers: Float[Array, "nodes dim"]) -> tuple[Vectors, Vectors]:
        """Take the rows of the batch's users and last targets."""
        item = self.user_vector.num_embeddings + batch.target[:, -1]
        return jnp.take(layers, batch.user, axis=0), jnp.take(layers, item, axis=0)


def two_keys(module: nn.Module) -> Key[Array, "2"]:
    """Draw a key for each of two views, from what the objective gives for dropout."""
    return jax.random.split(module.make_rng("dropout"))
