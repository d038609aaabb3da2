"""Sequential rules: what came some steps after the last item, nearer steps counting more.

Ludewig & Jannach, "Evaluation of Session-based Recommendation Algorithms" (UMUAI 2018), section 3.1
(SR), after Kamehkhosh, Jannach & Ludewig (RecTemp 2017):

    score(u, j) = sum of 1 / d over the events of j that are d <= max_steps after u's last item

anywhere in training. NOTE: the paper divides by a constant of the last item, which orders nothing,
and its code keeps only the 20 best rules of an item; here all are kept.
"""

from dataclasses import dataclass
from typing import ClassVar, no_type_check

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int

from jaxrec.baselines.markov import transitions
from jaxrec.baselines.sparse_rows import SparseRows
from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError
from jaxrec.typing import Batch


@struct.dataclass
@no_type_check
class SequentialRulesState:
    """Row i of `rules` holds the weights of the items that came after i."""

    rules: SparseRows

    def scores(
        self, batch: Batch, items: Int[Array, "batch n"] | None = None
    ) -> Float[Array, "batch n"]:
        """Score each user's candidates, or all items; what no rule reaches scores 0."""
        last = batch.history[:, -1:]
        num_columns = batch.catalogue.counts.shape[0]
        scores = self.rules.weighted_sum(last, jnp.ones(last.shape), num_columns)
        return scores if items is None else jnp.take_along_axis(scores, items, 1)


@dataclass(frozen=True)
class SequentialRulesConfig:
    """How far a rule reaches."""

    max_steps: int = 10
    """Farthest that the second item of a rule comes after the first; with 1, what Markov counts."""
    history_length: ClassVar[int] = 1
    state: ClassVar[type] = SequentialRulesState

    def __post_init__(self) -> None:
        if self.max_steps < 1:
            raise InputError(f"model.max_steps is {self.max_steps}; give a whole number from 1")

    def fit(self, train: Interactions) -> SequentialRulesState:
        """Sum up the weights of all rules."""
        return SequentialRulesState(SparseRows.build(transitions(train, self.max_steps)))
