"""Mixture of logits: two towers whose vectors meet in several cosines, mixed for each pair.

Zhai et al., "Revisiting Neural Retrieval on Accelerators" (KDD 2023); see learned_similarity.py.
NOTE: their hierarchical retrieval is left out: all items are scored, in blocks.
"""

from dataclasses import dataclass, field
from typing import Any

from jaxrec.learned_similarity import MixtureOfLogits
from jaxrec.models.two_tower import TwoTowerConfig


@dataclass(frozen=True)
class MoLConfig(TwoTowerConfig):
    """The sizes of the towers, and of the mixture above them."""

    similarity: Any = field(default_factory=MixtureOfLogits)
    """MixtureOfLogits, with its sizes."""
