"""Objectives around objectives: sequences, or nodes of a graph, told apart from two views of each.

Each adds to the loss of the objective that it holds, which may be one of these again, how well two
views of the same sequence are told from those of others (InfoNCE). Around SASRec's they are the
models CL4SRec and DuoRec; any model of histories will do. `Nodes` is for those of graphs.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from jaxrec import losses
from jaxrec.augmentation import Crop, Mask, Reorder, augment, ends
from jaxrec.contrast import Apply, Around
from jaxrec.errors import InputError
from jaxrec.objectives import Bpr, FullSoftmax, Result
from jaxrec.similarity import unit
from jaxrec.typing import Batch

Vectors = Float[Array, "n dim"]


@dataclass(frozen=True)
class Views(Around):
    """An objective and, added to its loss, two changed forms of each history against all others.

    Both are encoded after the last event (Xie et al., "CL4SRec", ICDE 2022). Each draws its own
    augmentation; the two may be of the same kind. Histories of packed rows are changed in their
    places, so that a form costs what a pass over the batch does.
    """

    objective: Any = field(default_factory=FullSoftmax)
    """What is trained for."""
    views: Any = field(default_factory=lambda: (Crop(), Mask(), Reorder()))
    """What may change a history, of augmentation.py; (): nothing does, and the two forms differ by
    what dropout leaves of them alone."""
    share: float = 0.1
    """λ: how much the views count."""
    temperature: float = 1.0
    """τ: similarities are divided by it."""
    num_sequences: int = 256
    """At most so many sequences of a batch are compared, of each row the same number, drawn."""

    def __post_init__(self) -> None:
        if not isinstance(self.views, tuple | list) or not all(map(callable, self.views)):
            raise InputError(
                f"objective.views is {self.views!r}; give a tuple of augmentations, as in "
                "(Crop(0.6), Mask(0.3))."
            )

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        key, own_key, choice_key = jax.random.split(key, 3)
        loss, metrics = self.objective(apply, variables, batch, key)
        queries, where = last_events(batch, self.num_sequences, choice_key)
        asked = dataclasses.replace(
            batch,
            queries=queries,
            target=jnp.zeros_like(queries),
            value=jnp.zeros(queries.shape, jnp.float32),
            weights=where.astype(jnp.float32),
        )

        def vectors(key: Key[Array, ""]) -> Vectors:
            change_key, dropout_key = jax.random.split(key)
            view = augment(asked, self.views, change_key)
            return _encode(apply, variables, view, dropout_key)

        first, second = map(vectors, jax.random.split(own_key))
        contrast = info_nce(first, second, where.reshape(-1), temperature=self.temperature)
        return loss + self.share * contrast, {**metrics, "views": contrast}


@dataclass(frozen=True)
class SameTarget(Around):
    """An objective and, added to its loss, sequences with the same target against all others.

    The events up to a query are a sequence, its target what comes next. A sequence is paired with
    another of the batch that has the same target, each with a dropout of its own; where there is
    none, with itself. Those with the same target are no negatives (Qiu et al., "DuoRec", WSDM
    2022, section 4). A step encodes the batch twice more, as theirs does.

    NOTE: the authors seek the other sequence in all data; a batch with all queries of its sequences
    has one for most targets, and one with a single query a row has few.
    """

    objective: Any = field(default_factory=FullSoftmax)
    """What is trained for."""
    share: float = 0.1
    """λ: how much the pairs count."""
    temperature: float = 1.0
    """τ: similarities are divided by it."""
    num_sequences: int = 256
    """At most so many pairs of a batch are compared, drawn from all queries."""

    def __post_init__(self) -> None:
        self.check_next()

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        key, pair_key, choice_key, *view_keys = jax.random.split(key, 5)
        loss, metrics = self.objective(apply, variables, batch, key)
        target, where = batch.target.reshape(-1), batch.weights.reshape(-1) > 0
        other = another(jnp.where(where, target, 0), pair_key)
        draw = jnp.where(where, jax.random.uniform(choice_key, where.shape), -1.0)
        chosen = jax.lax.top_k(draw, min(self.num_sequences, draw.size))[1]
        first, second = (_encode(apply, variables, batch, key) for key in view_keys)
        contrast = info_nce(
            first[chosen],
            second[other[chosen]],
            where[chosen],
            temperature=self.temperature,
            group=target[chosen],
        )
        return loss + self.share * contrast, {**metrics, "same_target": contrast}


@dataclass(frozen=True)
class Nodes(Around):
    """An objective and, added to its loss, two views of each user and item against all others.

    For models with `views`, which gives the batch's users and targets twice (SGL, SimGCL). Users
    are told from users and items from items of the batch, by their cosine.

    NOTE: SGL's authors take all users and items as negatives, SimGCL's those of the batch; here
    both views of these are.
    """

    objective: Any = field(default_factory=Bpr)
    """What is trained for."""
    share: float = 0.1
    """λ: how much the views count."""
    temperature: float = 0.2
    """τ: cosines are divided by it."""

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        key, view_key = jax.random.split(key)
        loss, metrics = self.objective(apply, variables, batch, key)
        first, second = apply(variables, batch, method="views", rngs={"dropout": view_key})
        where = batch.weights[:, -1] > 0
        contrast = jnp.float32(0)
        for one, other, ids in zip(first, second, (batch.user, batch.target[:, -1]), strict=True):
            contrast += info_nce(
                unit(one), unit(other), where, temperature=self.temperature, group=ids
            )
        return loss + self.share * contrast, {**metrics, "nodes": contrast}


def info_nce(
    first: Vectors,
    second: Vectors,
    where: Bool[Array, "n"],
    *,
    temperature: float = 1.0,
    group: Int[Array, "n"] | None = None,
) -> Float[Array, ""]:
    """Take -log softmax of the other view's score among those of all 2 (n - 1) views of others.

    The mean over both views of all rows that `where` keeps (Chen et al., "SimCLR", ICML 2020, eq.
    1). group: rows of the same group are no negatives of each other.
    """
    n = first.shape[0]
    both = jnp.concatenate([first, second])
    number = jnp.arange(2 * n, dtype=jnp.int32)
    partner = (number[:, None] + n) % (2 * n) == number[None, :]
    apart = number % n if group is None else jnp.concatenate([group, group])
    kept = jnp.concatenate([where, where])
    negative = (apart[:, None] != apart[None, :]) & kept[None, :]
    loss = losses.softmax_cross_entropy(
        both @ both.T / temperature,
        partner.astype(jnp.float32),
        where=negative | partner,
        reduce_fn=None,
    )
    return jnp.where(kept, loss, 0).sum() / jnp.maximum(kept.sum(), 1)


def last_events(
    batch: Batch, number: int, key: Key[Array, ""]
) -> tuple[Int[Array, "batch queries"], Bool[Array, "batch queries"]]:
    """Find the columns of the segments' last events, `number` in all, as many for each row.

    Where a row has more segments, some are drawn; where it has fewer, the second array is False, as
    it is for rows that weigh nothing. Columns ascend, so that as many as there are, are all.
    """
    size, length = batch.history.shape
    if not length:
        raise InputError("the batches show no history, which views are of; give a history_length.")
    column = jnp.arange(length, dtype=jnp.int32)[None, :]
    _, last = ends(batch.segment_ids)
    there = batch.where & (last == column) & (batch.weights > 0).any(1, keepdims=True)
    draw = jnp.where(there, jax.random.uniform(key, there.shape), -1.0)
    queries = jnp.sort(jax.lax.top_k(draw, min(-(-number // size), length))[1], axis=1)
    return queries, jnp.take_along_axis(there, queries, axis=1)


def another(label: Int[Array, "n"], key: Key[Array, ""]) -> Int[Array, "n"]:
    """Draw for each element another with the same label; its own number where there is none."""
    number = jnp.arange(label.size, dtype=jnp.int32)
    draw = jax.random.bits(key, label.shape)
    label, _, order = jax.lax.sort((label, draw, number), num_keys=2)
    first, last = (x[0] for x in ends(label[None]))
    following = jnp.where(number == last, first, number + 1)
    return jnp.zeros_like(order).at[order].set(order[following])


def _encode(apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]) -> Vectors:
    """Encode users for training, each query a row; of several vectors, one after the other."""
    user, _ = apply(
        variables, batch, True, method="encode_user", rngs={"dropout": key}, mutable=["losses"]
    )
    rows = [x.reshape(x.shape[0] * x.shape[1], -1) for x in jax.tree.leaves(user)]
    return jnp.concatenate(rows, axis=-1).astype(jnp.float32)
