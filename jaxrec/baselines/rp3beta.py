"""RP3beta: the random walks of P3alpha, those that end at popular items counting less.

Paudel et al., "Updatable, Accurate, Diverse, and Scalable Recommendations for Interactive
Applications" (TiiS 2017), first in Christoffel et al. (RecSys 2015):

    w_ij = the w_ij of P3alpha / (users of j)^beta
"""

from dataclasses import dataclass

from jaxrec.baselines.item_weights import ItemWeights
from jaxrec.baselines.p3alpha import P3AlphaConfig, walk
from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError


@dataclass(frozen=True)
class RP3BetaConfig(P3AlphaConfig):
    """How the walk steps, how much popularity counts, and how many neighbours are kept."""

    beta: float = 0.5
    """Power of the number of users of the scored item, by which its weights are divided."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beta < 0:
            raise InputError(f"model.beta is {self.beta}; give a number from 0")

    def fit(self, train: Interactions) -> ItemWeights:
        """Count the walks block by block; raises InputError if they do not fit memory."""
        return walk(self, train, self.beta)
