"""Histories changed at random: the views of a sequence that contrastive objectives compare.

Each is called as `augment(batch, key) -> batch`, and changes every segment by itself. Its last
event stays in its last column; columns that fall empty stand in front of its events, as padding.
What the batch asks is left as it is, so who asks a view says at which columns. Times go with their
events; items that are shuffled or replaced leave theirs, and one put in front of an event has its.
Xie et al., "Contrastive Learning for Sequential Recommendation" (CL4SRec, ICDE 2022): crop, mask,
reorder. Liu et al., "Contrastive Self-supervised Sequential Recommendation with Robust
Augmentation" (CoSeRec, 2021): substitute, insert.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key

from jaxrec.errors import InputError
from jaxrec.negatives import InBatch, Mixed, Popularity
from jaxrec.typing import Batch

Columns = Int[Array, "batch length"]
Augment = Callable[[Batch, Key[Array, ""]], Batch]


@dataclass(frozen=True)
class Crop:
    """Keep a part of the events that follow each other, one at least."""

    fraction: float = 0.6
    """η: the share of the events that is kept, rounded down."""

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, batch: Batch, key: Key[Array, ""]) -> Batch:
        first, last = ends(batch.segment_ids)
        column, size = _columns(first), last - first + 1
        kept = jnp.maximum(_share(self.fraction, size), 1)
        skipped = _below(size - kept + 1, first, key)  # events after those that are kept
        shown = batch.where & (last - column < kept)

        def moved(x: Columns) -> Columns:
            return jnp.where(shown, _at(x, jnp.maximum(column - skipped, 0)), 0)

        time = jax.tree.map(moved, batch.time)
        return _with(batch, moved(batch.history), jnp.where(shown, batch.segment_ids, 0), time)


@dataclass(frozen=True)
class Mask:
    """Hide the items of some events, which are still there (see masking.py).

    A model that has no vector of its own for what is hidden reads row 0 of its item table there,
    which no padding does, and so learns it as one.
    """

    fraction: float = 0.3
    """γ: the share of the events that is hidden, rounded down."""

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, batch: Batch, key: Key[Array, ""]) -> Batch:
        first, last = ends(batch.segment_ids)
        count = _share(self.fraction, last - first + 1)
        hidden = batch.where & (_rank(first, batch.where, key) < count)
        return _with(batch, jnp.where(hidden, 0, batch.history), batch.segment_ids, batch.time)


@dataclass(frozen=True)
class Reorder:
    """Shuffle a part of the events that follow each other."""

    fraction: float = 0.6
    """β: the share of the events that is shuffled, rounded down."""

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, batch: Batch, key: Key[Array, ""]) -> Batch:
        begin_key, draw_key = jax.random.split(key)
        first, last = ends(batch.segment_ids)
        column, size = _columns(first), last - first + 1
        count = _share(self.fraction, size)
        begin = first + _below(size - count + 1, first, begin_key)
        inside = (column >= begin) & (column < begin + count)
        order = jnp.where(inside, begin + _rank(begin, inside, draw_key), column)
        return _with(batch, _at(batch.history, order), batch.segment_ids, batch.time)


@dataclass(frozen=True)
class Substitute:
    """Put drawn items in the place of some, one at least.

    NOTE: the paper puts the item that is most correlated with the one it replaces; here items are
    drawn for all places alike, by popularity if not told otherwise.
    """

    fraction: float = 0.3
    """The share of the events whose items are replaced, rounded down."""
    drawn: Any = field(default_factory=partial(Popularity, avoid_positives=False))
    """How items are drawn: by Uniform or Popularity, which need no targets."""

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, batch: Batch, key: Key[Array, ""]) -> Batch:
        rank_key, draw_key = jax.random.split(key)
        chosen = _chosen(batch, self.fraction, rank_key)
        drawn = _draw(self.drawn, batch, draw_key)
        history = jnp.where(chosen, drawn, batch.history)
        return _with(batch, history, batch.segment_ids, batch.time)


@dataclass(frozen=True)
class Insert:
    """Put drawn items in front of some events, one at least.

    The events before them move to the front: into padding if there is some, or else out of the
    history, as there is in packed rows only before the first segment.

    NOTE: the paper's items are correlated with those that they stand before, see Substitute.
    """

    fraction: float = 0.3
    """The share of the events that get a drawn one in front, rounded down."""
    drawn: Any = field(default_factory=partial(Popularity, avoid_positives=False))
    """How items are drawn: by Uniform or Popularity, which need no targets."""

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, batch: Batch, key: Key[Array, ""]) -> Batch:
        rank_key, draw_key = jax.random.split(key)
        segment, length = batch.segment_ids, batch.segment_ids.shape[1]
        first, last = ends(segment)
        before = jnp.maximum(first - 1, 0)
        room = jnp.where(_at(segment, before) == 0, _at(first, before), first)
        chosen = _chosen(batch, self.fraction, rank_key)
        inserted = jnp.cumsum(chosen, axis=1, dtype=jnp.int32)
        moved = _columns(first) - (_at(inserted, last) - inserted)
        to = jnp.concatenate(
            [
                jnp.where(batch.where & (moved >= room), moved, length),
                jnp.where(chosen & (moved > room), moved - 1, length),
            ],
            axis=1,
        )
        row = jnp.arange(to.shape[0])[:, None]

        def put(events: Columns, new: Columns) -> Columns:
            both = jnp.concatenate([events, new], axis=1)
            return jnp.zeros_like(events).at[row, to].set(both, mode="drop")

        drawn = _draw(self.drawn, batch, draw_key)
        time = jax.tree.map(lambda x: put(x, x), batch.time)
        return _with(batch, put(batch.history, drawn), put(segment, segment), time)


def augment(batch: Batch, augmentations: Sequence[Augment], key: Key[Array, ""]) -> Batch:
    """Change each segment by one of the augmentations, each as likely; without one, by none."""
    if not augmentations:
        return batch
    choice_key, key = jax.random.split(key)
    # Padding in front of a segment is its room, so that its choice counts there as well.
    _, last = ends(batch.segment_ids)
    following = _at(last, jnp.minimum(last + 1, last.shape[1] - 1))
    owner = jnp.where(batch.segment_ids > 0, last, following)
    choice = _at(jax.random.randint(choice_key, last.shape, 0, len(augmentations)), owner)
    found = jax.tree.map(jnp.zeros_like, (batch.history, batch.segment_ids, batch.time))
    for number, change in enumerate(augmentations):
        new = change(batch, jax.random.fold_in(key, number))
        own = choice == number
        columns = new.history, new.segment_ids, new.time
        found = jax.tree.map(lambda x, y, own=own: jnp.where(own, x, y), columns, found)
    return _with(batch, *found)


def ends(segment: Columns) -> tuple[Columns, Columns]:
    """Tell each column the first and the last column of its run of equal numbers."""
    column = _columns(segment)
    edge = jnp.full_like(segment[:, :1], -1)
    begins = segment != jnp.concatenate([edge, segment[:, :-1]], axis=1)
    stops = segment != jnp.concatenate([segment[:, 1:], edge], axis=1)
    first = jax.lax.cummax(jnp.where(begins, column, 0), axis=1)
    last = jnp.where(stops, column, segment.shape[1])
    return first, jax.lax.cummin(last, axis=1, reverse=True)


def _check(augmentation: Any) -> None:
    if not 0 <= augmentation.fraction <= 1:
        raise InputError(
            f"the fraction of {type(augmentation).__name__} in objective.views is "
            f"{augmentation.fraction}; give a number from 0 to 1."
        )
    drawn = getattr(augmentation, "drawn", None)
    if isinstance(drawn, InBatch | Mixed):
        raise InputError(
            f"the drawn items of {type(augmentation).__name__} in objective.views are those of "
            f"{type(drawn).__name__}, which draws targets; give Uniform or Popularity."
        )


def _columns(like: Columns) -> Columns:
    column = jnp.arange(like.shape[1], dtype=jnp.int32)[None, :]
    return jnp.broadcast_to(column, like.shape)


def _at(x: Columns, columns: Columns) -> Columns:
    return jnp.take_along_axis(x, columns, axis=1)


def _share(fraction: float, size: Columns) -> Columns:
    """Take a fraction of numbers of events, rounded down, but .29 of 100 is 29."""
    return jnp.floor(fraction * size + 1e-4).astype(jnp.int32)


def _below(bound: Columns, first: Columns, key: Key[Array, ""]) -> Columns:
    """Draw a whole number from 0 to bound - 1, the same in all columns of a segment."""
    draw = jnp.take_along_axis(jax.random.uniform(key, first.shape), first, axis=1)
    return jnp.minimum((draw * bound).astype(jnp.int32), bound - 1)


def _rank(first: Columns, where: Bool[Array, "batch length"], key: Key[Array, ""]) -> Columns:
    """Number the columns that share a first one, and that `where` keeps, from 0 at random.

    By counting those with a lower draw, not by sorting: rows are short enough for attention.
    """
    draw, column = jax.random.bits(key, first.shape), _columns(first)
    lower = draw[:, None, :] < draw[:, :, None]
    lower |= (draw[:, None, :] == draw[:, :, None]) & (column[:, None, :] < column[:, :, None])
    together = (first[:, None, :] == first[:, :, None]) & where[:, None, :]
    return (lower & together).sum(-1, dtype=jnp.int32)


def _chosen(batch: Batch, fraction: float, key: Key[Array, ""]) -> Bool[Array, "batch length"]:
    first, last = ends(batch.segment_ids)
    count = jnp.maximum(_share(fraction, last - first + 1), 1)
    return batch.where & (_rank(first, batch.where, key) < count)


def _draw(negatives: Any, batch: Batch, key: Key[Array, ""]) -> Columns:
    many = dataclasses.replace(negatives, num=batch.history.size)
    return many.draw_shared(batch, key).item.reshape(batch.history.shape)


def _with(batch: Batch, history: Columns, segment: Columns, time: Columns | None) -> Batch:
    where = segment > 0
    return dataclasses.replace(batch, history=history, segment_ids=segment, where=where, time=time)
