"""EASE: a linear autoencoder of items that may not predict an item from itself, in closed form.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019. The solution, its sparse
approximation and their memory are those of item_regression.py.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from jaxrec.baselines.item_regression import regress
from jaxrec.baselines.item_weights import ItemWeights, known_items
from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError


@dataclass(frozen=True)
class EASEConfig:
    """How much is regularised, and from how many items an item is predicted."""

    l2: float = 500.0
    """Squared-error penalty of the weights, in users: λ of the paper."""
    neighbours: int | None = None
    """Predict each item from so many nearest ones, which needs no array of items × items; None:
    from all."""
    memory_budget: int = 2**33
    """Bytes that fitting may take; what would take more is refused. On a CPU 4 items^2."""
    history_length: ClassVar[None] = None
    state: ClassVar[type] = ItemWeights

    def __post_init__(self) -> None:
        if not self.l2 > 0:
            raise InputError(f"model.l2 is {self.l2}; give a positive number")
        if self.neighbours is not None and self.neighbours < 1:
            raise InputError(f"model.neighbours is {self.neighbours}; give a whole number from 1")

    def fit(self, train: Interactions) -> ItemWeights:
        """Solve; raises InputError if the solution does not fit memory."""
        known = known_items(train)
        penalty = np.full(known.shape[1], self.l2)
        return regress("EASE", known, penalty, self.neighbours, self.memory_budget)
