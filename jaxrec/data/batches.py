"""Batches as pure functions of a step, from data that lives on the device.

An epoch is a pass over all examples in the order of a Feistel permutation of its own, so there is
no index array, no iterator and nothing to save: `batch_at(data, step)` answers for any step.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int, Key

from jaxrec.data.histories import longest
from jaxrec.data.interactions import Interactions
from jaxrec.data.packing import packed_places
from jaxrec.data.resident import Resident, Window, batch_of, shown_of
from jaxrec.data.shuffle import permute
from jaxrec.errors import InputError
from jaxrec.typing import CSR, Batch


@dataclass(frozen=True, eq=False)
class Batches:
    """Training examples: `batch_at(data, step)` is pure and traceable, `data` an argument of it."""

    data: Any
    steps_per_epoch: int
    examples_per_epoch: int
    batch_at: Callable[[Any, Int[Array, ""]], Batch]


@struct.dataclass
@no_type_check
class _PairData:
    resident: Resident
    key: Key[Array, ""]
    user: Int[Array, "events"]
    value: Float[Array, "events"]


@dataclass(frozen=True)
class Pairs:
    """One example an event: its user, its item, and what the user had met before it."""

    batch_size: int = 1024
    """Examples a step; the last batch of an epoch is filled up with examples of weight 0."""
    history_length: int = 0
    """How many of the user's items before the event the batch shows; 0 shows none."""
    around: bool = False
    """Go on with the user's last items where those before the event end, so that it is shown up to
    history_length of all others: for models of sets, and data without an order."""

    def build(self, train: Interactions, resident: Resident, seed: int) -> Batches:
        """Number the events; `resident` must have been made from the same ones."""
        if len(train) != resident.histories.indices.shape[0]:
            raise ValueError(f"the resident histories were not made from these {len(train)} events")
        user, value = jax.device_put((train.user, train.value))
        data = _PairData(resident, jax.random.key(seed), user, value)
        size = len(train)
        steps = steps_per_epoch(size, self.batch_size)

        def batch_at(data: _PairData, step: Int[Array, ""]) -> Batch:
            event, weights = _examples(data.key, step, size, self.batch_size)
            known = data.resident.histories
            user = jnp.where(weights > 0, data.user[event], 0)
            # The events stand in the order of the histories, so those before one are to its left.
            show = _around if self.around else _before
            return batch_of(
                data.resident,
                user,
                shown_of(data.resident, lambda csr: show(csr, user, event, self.history_length)),
                queries=jnp.full((self.batch_size, 1), max(self.history_length - 1, 0), jnp.int32),
                target=jnp.where(weights > 0, known.indices[event], 0)[:, None],
                value=data.value[event][:, None],
                weights=weights[:, None],
            )

        return Batches(data, steps, size, batch_at)


@struct.dataclass
@no_type_check
class _SequenceData:
    resident: Resident
    key: Key[Array, ""]
    crop_key: Key[Array, ""]
    users: Int[Array, "examples"]
    value: Float[Array, "events"]


@dataclass(frozen=True)
class Sequences:
    """One example a user: a window of the history, and at every place the next item as target."""

    batch_size: int = 128
    """Users a step; the last batch of an epoch is filled up with examples of weight 0."""
    length: int = 100
    """Events that the window shows; the event after each is its target."""
    random_crop: bool = False
    """Draw the window of a longer history anew each epoch, instead of always taking its end."""
    whole: bool = False
    """Show the last event as well, each event being its own target: for objectives that hide it."""

    def build(self, train: Interactions, resident: Resident, seed: int) -> Batches:
        """Find the users with at least two events; `resident` must hold the same events."""
        users = _with_targets(np.asarray(resident.histories.indptr))
        users, value = jax.device_put((users.astype(np.int32), train.value))
        key, crop_key = jax.random.split(jax.random.key(seed))
        data = _SequenceData(resident, key, crop_key, users, value)
        size, ahead = len(users), 0 if self.whole else 1
        steps = steps_per_epoch(size, self.batch_size)

        def batch_at(data: _SequenceData, step: Int[Array, ""]) -> Batch:
            example, weights = _examples(data.key, step, size, self.batch_size)
            known, width = data.resident.histories, self.length + ahead
            user = jnp.where(weights > 0, data.users[example], 0)
            start, stop = known.indptr[user], known.indptr[user + 1]
            if self.random_crop:
                spare = jnp.maximum(stop - start - width, 0)
                key = jax.random.fold_in(data.crop_key, step)
                stop = stop - jax.random.randint(key, spare.shape, 0, spare + 1)
            shown = shown_of(data.resident, lambda csr: _before(csr, user, stop, width))
            items, where, time = jax.tree.map(lambda x: x[:, : self.length], shown)
            last = jnp.maximum(stop[:, None] - jnp.arange(self.length)[::-1][None, :] - 1, 0)
            return batch_of(
                data.resident,
                user,
                (items, where, time),
                queries=_every(self.batch_size, self.length),
                target=jnp.where(where, shown[0][:, ahead:], 0),
                value=jnp.where(where, data.value[last], 0),
                weights=where.astype(jnp.float32),
            )

        return Batches(data, steps, size, batch_at)


@struct.dataclass
@no_type_check
class _PackedData:
    resident: Resident
    key: Key[Array, ""]
    place: Int[Array, "rows length"]
    segment: Int[Array, "rows length"]
    value: Float[Array, "events"]


@dataclass(frozen=True)
class PackedSequences:
    """Sequences of several users in one row, told apart by `segment_ids`: less padding to compute.

    Which users share a row is fixed, and their row has no user (0). So it suits FullSoftmax and
    shared negatives; those drawn for each query could not avoid the positives of its user.
    """

    batch_size: int = 64
    """Rows a step; the last batch of an epoch is filled up with rows of weight 0."""
    length: int = 100
    """Columns of a row, and the most events that are shown of one user."""
    whole: bool = False
    """Show the last event as well, each event being its own target: for objectives that hide it."""

    def build(self, train: Interactions, resident: Resident, seed: int) -> Batches:
        """Pack the ends of the histories with at least two events into rows."""
        starts = np.asarray(resident.histories.indptr).astype(np.int64)
        users = _with_targets(starts)
        ahead = 0 if self.whole else 1
        shown = np.minimum(np.diff(starts)[users] - ahead, self.length)
        first = starts[users + 1] - ahead - shown
        place, segment = packed_places(first, shown, self.length)
        place, segment, value = jax.device_put((place, segment, train.value))
        data = _PackedData(resident, jax.random.key(seed), place, segment, value)
        size = len(place)

        def batch_at(data: _PackedData, step: Int[Array, ""]) -> Batch:
            row, kept = _examples(data.key, step, size, self.batch_size)
            place, items = data.place[row], data.resident.histories.indices
            where = (place >= 0) & (kept > 0)[:, None]

            def show(csr: CSR) -> Window:
                return jnp.where(where, csr.indices[place], 0), where

            batch = batch_of(
                data.resident,
                jnp.zeros(self.batch_size, jnp.int32),
                shown_of(data.resident, show),
                queries=_every(self.batch_size, self.length),
                target=jnp.where(where, items[place + ahead], 0),
                value=jnp.where(where, data.value[place + ahead], 0),
                weights=where.astype(jnp.float32),
            )
            return dataclasses.replace(batch, segment_ids=jnp.where(where, data.segment[row], 0))

        return Batches(data, steps_per_epoch(size, self.batch_size), len(users), batch_at)


@struct.dataclass
@no_type_check
class _UserData:
    resident: Resident
    key: Key[Array, ""]
    users: Int[Array, "examples"]
    value: Float[Array, "events"]


@dataclass(frozen=True)
class Users:
    """One example a user: all of the history, for objectives that ask for what is shown.

    The one query stands at the last event, which is its target.
    """

    batch_size: int = 500
    """Users a step; the last batch of an epoch is filled up with examples of weight 0."""
    length: int | None = None
    """How many of the user's last items the batch shows; None: all."""
    whole: ClassVar[bool] = True

    def build(self, train: Interactions, resident: Resident, seed: int) -> Batches:
        """Find the users with events; `resident` must hold the same events."""
        users = np.flatnonzero(np.diff(np.asarray(resident.histories.indptr)))
        users, value = jax.device_put((users.astype(np.int32), train.value))
        data = _UserData(resident, jax.random.key(seed), users, value)
        length = longest(resident.histories) if self.length is None else self.length
        size = len(users)

        def batch_at(data: _UserData, step: Int[Array, ""]) -> Batch:
            example, weights = _examples(data.key, step, size, self.batch_size)
            known = data.resident.histories
            user = jnp.where(weights > 0, data.users[example], 0)
            last = known.indptr[user + 1] - 1
            shown = shown_of(data.resident, lambda csr: _before(csr, user, last + 1, length))
            return batch_of(
                data.resident,
                user,
                shown,
                queries=jnp.full((self.batch_size, 1), length - 1, jnp.int32),
                target=shown[0][:, -1:],
                value=jnp.where(weights > 0, data.value[jnp.maximum(last, 0)], 0)[:, None],
                weights=weights[:, None],
            )

        return Batches(data, steps_per_epoch(size, self.batch_size), size, batch_at)


def _with_targets(starts: np.ndarray) -> np.ndarray:
    """Find the users with at least two events; raises InputError where there are none."""
    users = np.flatnonzero(np.diff(starts) >= 2)
    if not len(users):
        raise InputError(
            "no user has two training events, which a sequence model needs; "
            "use Pairs, or a split that leaves more in training"
        )
    return users


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Count the batches of an epoch, the one that is filled up included."""
    return -(-examples // batch_size)


def _examples(
    key: Key[Array, ""], step: Int[Array, ""], size: int, batch_size: int
) -> tuple[Int[Array, "batch"], Float[Array, "batch"]]:
    """Number the examples of a step, and weigh them 0 beyond the epoch's end."""
    steps = steps_per_epoch(size, batch_size)
    order = jax.random.fold_in(key, step // steps)
    place = (step % steps) * batch_size + jnp.arange(batch_size, dtype=jnp.int32)
    example = permute(jnp.minimum(place, size - 1), size, order)
    return example, (place < size).astype(jnp.float32)


def _before(
    known: CSR, user: Int[Array, "batch"], stop: Int[Array, "batch"], length: int
) -> Window:
    """Take the last `length` entries of each user's row that stand before the place `stop`."""
    place = stop[:, None] + jnp.arange(-length, 0, dtype=jnp.int32)[None, :]
    where = place >= known.indptr[user][:, None]
    return jnp.where(where, known.indices[jnp.maximum(place, 0)], 0), where


def _around(
    known: CSR, user: Int[Array, "batch"], event: Int[Array, "batch"], length: int
) -> Window:
    """Take up to `length` other entries of each user's row: backwards from the event, in a ring."""
    start, stop = (known.indptr[user + more][:, None] for more in (0, 1))
    back = jnp.arange(length, 0, -1, dtype=jnp.int32)[None, :]
    where = back < stop - start
    place = start + (event[:, None] - start - back) % jnp.maximum(stop - start, 1)
    return jnp.where(where, known.indices[jnp.where(where, place, 0)], 0), where


def _every(batch_size: int, length: int) -> Int[Array, "batch length"]:
    columns = jnp.arange(length, dtype=jnp.int32)[None, :]
    return jnp.broadcast_to(columns, (batch_size, length))
