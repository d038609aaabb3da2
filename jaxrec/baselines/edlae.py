"""EDLAE: EASE whose input is dropped out at random, in closed form.

Steck, "Autoencoders that don't overfit towards the Identity", NeurIPS 2020, eqs. 8 and 9: the
expectation over the dropout is a penalty that grows with an item's popularity. This is the model of
full rank; the solution is that of item_regression.py.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from jaxrec.baselines.item_regression import regress
from jaxrec.baselines.item_weights import ItemWeights, known_items
from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError


@dataclass(frozen=True)
class EDLAEConfig:
    """How much is regularised, in two ways, and from how many items an item is predicted."""

    dropout: float = 0.25
    """Share p of the known items that is dropped: items of n users are penalised by p / (1 - p) n
    more; 0 is EASE."""
    l2: float = 500.0
    """Squared-error penalty of the weights, in users."""
    neighbours: int | None = None
    """Predict each item from so many nearest ones, which needs no array of items × items; None:
    from all."""
    memory_budget: int = 2**33
    """Bytes that fitting may take; what would take more is refused. On a CPU 4 items^2."""
    history_length: ClassVar[None] = None
    state: ClassVar[type] = ItemWeights

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise InputError(f"model.dropout is {self.dropout}; give a number from 0 and under 1")
        if not self.l2 > 0:
            raise InputError(f"model.l2 is {self.l2}; give a positive number")
        if self.neighbours is not None and self.neighbours < 1:
            raise InputError(f"model.neighbours is {self.neighbours}; give a whole number from 1")

    def fit(self, train: Interactions) -> ItemWeights:
        """Solve; raises InputError if the solution does not fit memory."""
        known = known_items(train)
        users = np.bincount(known.indices, minlength=known.shape[1])
        penalty = self.l2 + self.dropout / (1 - self.dropout) * users
        return regress("EDLAE", known, penalty, self.neighbours, self.memory_budget)
