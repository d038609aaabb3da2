"""Objectives around objectives, against overfitting: L2, adversarial rows, changed histories.

Each is called as an objective is, holds one, and may hold another of these.
"""

import dataclasses
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Float, Key, PyTree

from jaxrec.augmentation import Mask, Substitute
from jaxrec.contrast import Apply, Around
from jaxrec.embedding import Lookup, noting, tables_of
from jaxrec.errors import InputError
from jaxrec.objectives import Bpr, FullSoftmax, Result
from jaxrec.typing import Batch


@dataclass(frozen=True)
class L2Penalty(Around):
    """An objective and, added to its loss, decay / 2 · |row|² of each row that the batch looks up.

    A row counts once, however often it is looked up. FullSoftmax, and draws of at least twice as
    many items as there are, look up all items.
    """

    objective: Any = field(default_factory=Bpr)
    """What is trained for."""
    decay: float = 1e-4
    """By how much of itself a row is pulled towards zero, as a gradient, in each step."""

    @property
    def whole_batch(self) -> bool:
        """Whether the loss of a batch is no mean of those of its parts."""
        return bool(self.decay)

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        found: list[Lookup] = []
        batch = _without_fillers(batch)
        loss, metrics = self.objective(noting(apply, found), variables, batch, key)
        penalty = self.decay / 2 * _squares(found, tables_of(variables["params"]))
        penalty = jnp.where(batch.weights.sum() > 0, penalty, 0)
        return loss + penalty, {**metrics, "l2": penalty}


@dataclass(frozen=True)
class Adversarial(Around):
    """An objective and, added to its loss, what it is when tables move so that it grows most.

    Every row of a table moves along its gradient, by the same length: the fast gradient method on
    embeddings (He et al., "Adversarial Personalized Ranking", SIGIR 2018). Rows that have no part
    in the loss, and biases (rows of one number), stay.

    NOTE: the authors train without it at first, `jaxrec train --init-from` a run of the objective.
    A step goes forward and back three times instead of once, and tables are updated whole.
    """

    objective: Any = field(default_factory=Bpr)
    """What is trained for."""
    perturbation_norm: float = 0.5
    """ε: the length by which a row moves."""
    share: float = 1.0
    """λ: how much the loss of the moved tables counts."""

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        def loss_at(variables: PyTree, tables: dict[str, Array]) -> Result:
            return self.objective(apply, _with_tables(variables, tables), batch, key)

        tables = {k: x for k, x in tables_of(variables["params"]).items() if x.shape[1] > 1}
        # The direction is a constant, so nothing that it is made of has a gradient.
        still, here = jax.lax.stop_gradient((variables, tables))
        gradient = jax.grad(lambda tables: loss_at(still, tables)[0])(here)
        loss, metrics = loss_at(variables, tables)
        moved = {k: x + self.perturbation_norm * _unit(gradient[k]) for k, x in tables.items()}
        adversarial, _ = loss_at(variables, moved)
        return loss + self.share * adversarial, {**metrics, "adversarial": adversarial}


@dataclass(frozen=True)
class Augmented(Around):
    """An objective on histories of which some items are hidden or replaced, anew in each step.

    Events stay in their columns, so what follows each of them is asked as before.
    """

    objective: Any = field(default_factory=FullSoftmax)
    """What is trained for; one that names what the batch shows would be asked for the changes."""
    change: Any = field(default_factory=partial(Mask, 0.1))
    """Mask or Substitute of augmentation.py; the others move events, and would show targets."""

    def __post_init__(self) -> None:
        if not isinstance(self.change, Mask | Substitute):
            raise InputError(
                f"objective.change is {self.change!r}; give Mask or Substitute, which leave events "
                "where they are."
            )
        self.check_next()

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        key, change_key = jax.random.split(key)
        return self.objective(apply, variables, self.change(batch, change_key), key)


def _without_fillers(batch: Batch) -> Batch:
    """Empty the examples and queries that weigh nothing: they then look up the padding row."""
    asked = batch.weights > 0
    some = asked.any(1)
    return dataclasses.replace(
        batch,
        user=jnp.where(some, batch.user, 0),
        history=jnp.where(some[:, None], batch.history, 0),
        where=batch.where & some[:, None],
        segment_ids=jnp.where(some[:, None], batch.segment_ids, 0),
        target=jnp.where(asked, batch.target, 0),
    )


def _squares(found: list[Lookup], tables: dict[str, Array]) -> Float[Array, ""]:
    """Add up |row|² of the rows that were looked up, each once."""
    by_table = defaultdict(list)
    for lookup in found:
        by_table[lookup.path].append(lookup)
    total = jnp.float32(0)
    for path, several in by_table.items():
        ids = jnp.concatenate([lookup.ids.reshape(-1) for lookup in several])
        squares = [jnp.square(x.vectors.astype(jnp.float32)).sum(-1) for x in several]
        times = jnp.zeros(tables[path].shape[0], jnp.float32).at[ids].add(1)
        total += (jnp.concatenate([x.reshape(-1) for x in squares]) / times[ids]).sum()
    return total


def _with_tables(variables: PyTree, tables: dict[str, Array]) -> PyTree:
    """Put tables in the place of the parameters', and leave out what was propagated from those."""
    params = flatten_dict(variables["params"], sep="/") | tables
    others = {name: x for name, x in variables.items() if name != "graph"}
    return {**others, "params": unflatten_dict(params, sep="/")}


def _unit(rows: Float[Array, "rows features"]) -> Float[Array, "rows features"]:
    """Scale rows to length 1, however short they are; zeros stay."""
    highest = jnp.abs(rows).max(-1, keepdims=True)
    rows = rows / jnp.where(highest > 0, highest, 1)
    length = jnp.sqrt(jnp.square(rows).sum(-1, keepdims=True))
    return rows / jnp.where(highest > 0, length, 1)
