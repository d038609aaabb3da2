"""SimGCL: LightGCN, and a contrast of its nodes under two draws of noise.

Yu et al., "Are Graph Augmentations Necessary? Simple Graph Contrastive Learning for Recommendation"
(SIGIR 2022). The objective is Nodes of jaxrec.views around Bpr.
NOTE: the views are of the layers above the first, as the authors' are; scores are LightGCN's, which
have the first as well.
"""

from dataclasses import dataclass

from jaxrec.errors import InputError
from jaxrec.models.lightgcn import LightGCN, LightGCNConfig, Vectors, graph_of, two_keys
from jaxrec.typing import Batch, Spec


@dataclass(frozen=True)
class SimGCLConfig(LightGCNConfig):
    """The sizes of LightGCN, and the noise of its views."""

    noise: float = 0.1
    """ε: the length by which each layer of a node moves."""

    def build(self, spec: Spec) -> "SimGCL":
        if not self.noise > 0:
            raise InputError(f"model.noise is {self.noise}; give a number above 0.")
        return SimGCL(self, spec, graph_of(self.num_layers, spec))


class SimGCL(LightGCN):
    """LightGCN with two views of each node."""

    config: SimGCLConfig

    def views(self, batch: Batch) -> list[tuple[Vectors, Vectors]]:
        """Give the batch's users and targets under each of two draws."""
        noise = self.config.noise
        drawn = (self.propagated(noise=noise, key=key) for key in two_keys(self))
        return [self.nodes(batch, layers) for layers in drawn]
