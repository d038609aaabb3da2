"""SGL: LightGCN, and a contrast of its nodes in two graphs that lack a part of the edges each.

Wu et al., "Self-supervised Graph Learning for Recommendation" (SIGIR 2021), with edge dropout
(SGL-ED). The objective is Nodes of jaxrec.views around Bpr.
NOTE: the two graphs are drawn anew each step, by the authors each epoch.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxrec.errors import InputError
from jaxrec.models.lightgcn import LightGCN, LightGCNConfig, Vectors, graph_of, two_keys
from jaxrec.typing import Batch, Spec


@dataclass(frozen=True)
class SGLConfig(LightGCNConfig):
    """The sizes of LightGCN, and how much two views of its graph differ."""

    edge_dropout: float = 0.1
    """Share of the edges that each view lacks."""

    def build(self, spec: Spec) -> "SGL":
        if not 0 <= self.edge_dropout < 1:
            raise InputError(
                f"model.edge_dropout is {self.edge_dropout}; give a number from 0 to below 1."
            )
        return SGL(self, spec, graph_of(self.num_layers, spec))


class SGL(LightGCN):
    """LightGCN with two views of each node."""

    config: SGLConfig

    def views(self, batch: Batch) -> list[tuple[Vectors, Vectors]]:
        """Give the batch's users and targets in each of two graphs."""
        own = jnp.concatenate([self.user_vector.embedding, self.item_vector.embedding])
        found = []
        for key in two_keys(self):
            edges = (self.graph.ends.shape[1],)
            kept = jax.random.bernoulli(key, 1 - self.config.edge_dropout, edges)
            found.append(self.nodes(batch, own + self.propagated(kept=kept)))
        return found
