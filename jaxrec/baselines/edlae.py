"""EDLAE: EASE whose input is dropped out at random, in closed form.

Steck, "Autoencoders that don't overfit towards the Identity", NeurIPS 2020, eqs. 8 and 9: the
expectation over the dropout is a penalty that grows with an item's popularity. This is the model of
full rank; the solution is that of item_regression.py.
"""

from dataclasses import dataclass

import numpy as np

from jaxrec.baselines.ease import EASEConfig
from jaxrec.baselines.item_regression import regress
from jaxrec.baselines.item_weights import ItemWeights, known_items
from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError


@dataclass(frozen=True)
class EDLAEConfig(EASEConfig):
    """How much is regularised, in two ways, and from how many items an item is predicted."""

    dropout: float = 0.25
    """Share p of the known items that is dropped: items of n users are penalised by p / (1 - p) n
    more; 0 is EASE."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.dropout < 1:
            raise InputError(f"model.dropout is {self.dropout}; give a number from 0 and under 1")

    def fit(self, train: Interactions) -> ItemWeights:
        """Solve; raises InputError if the solution does not fit memory."""
        known = known_items(train)
        users = np.bincount(known.indices, minlength=known.shape[1])
        penalty = self.l2 + self.dropout / (1 - self.dropout) * users
        return regress("EDLAE", known, penalty, self.neighbours, self.memory_budget)
