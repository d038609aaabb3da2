"""What stays on the device for a whole run, and questions about it: what comes next for whom."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Int

from jaxrec.data.histories import histories, positives, times, window
from jaxrec.data.interactions import Interactions
from jaxrec.data.prepare import Prepared
from jaxrec.typing import CSR, Batch, Catalogue, Features, Items

Window = tuple[Int[Array, "batch length"], Bool[Array, "batch length"]]
Shown = tuple[
    Int[Array, "batch length"], Bool[Array, "batch length"], Int[Array, "batch length"] | None
]


@struct.dataclass
@no_type_check
class Resident:
    """What is passed into jit as an argument, once for a whole run.

    histories:     rows 0..num_users; all known events of each user in their order.
    user_features: rows 0..num_users, row 0 all missing.
    times:         of each entry of the histories, in seconds; None where no model asked for them.
    """

    catalogue: Catalogue
    histories: CSR
    user_features: Features
    times: CSR | None = None

    def knowing(self, events: Interactions) -> "Resident":
        """Let other events be known; the catalogue stays that of those trained on."""
        when = None if self.times is None else jax.device_put(times(events))
        return dataclasses.replace(self, histories=jax.device_put(histories(events)), times=when)


def resident(prepared: Prepared, known: Interactions, reads_times: bool = False) -> Resident:
    """Put the catalogue, the known events and the features of users on the device.

    reads_times: put the times of the known events there too; an InputError if they have none.
    """
    rows = len(known.items) + 1
    counts = np.bincount(known.item, minlength=rows).astype(np.float32)
    user_features, item_features, counts, own, past = jax.device_put(
        (prepared.user_features, prepared.item_features, counts, positives(known), histories(known))
    )
    items = Items(jnp.arange(rows, dtype=jnp.int32), item_features)
    when = jax.device_put(times(known)) if reads_times else None
    return Resident(Catalogue(items, counts, own), past, user_features, when)


def question(resident: Resident, users: Int[Array, "batch"], length: int) -> Batch:
    """Ask what comes next for user rows, given the last `length` items known of each."""
    return _ask(resident, users, shown_of(resident, lambda csr: window(csr, users, length)))


def question_of(resident: Resident, histories: Sequence[Sequence[int]], length: int) -> Batch:
    """Ask what comes next after bare histories of item rows, whose users are unknown.

    A bare history tells no times: a model that reads them takes its events as simultaneous.
    """
    rows = np.zeros((len(histories), length), np.int32)
    for row, items in zip(rows, histories):
        kept = items[-length:] if length else []
        row[length - len(kept) :] = kept
    history = jnp.asarray(rows)
    time = None if resident.times is None else jnp.zeros_like(history)
    return _ask(resident, jnp.zeros(len(histories), jnp.int32), (history, history > 0, time))


def _ask(
    resident: Resident,
    users: Int[Array, "batch"],
    shown: Shown,
) -> Batch:
    size, length = shown[0].shape
    return batch_of(
        resident,
        users,
        shown,
        queries=jnp.full((size, 1), max(length - 1, 0), jnp.int32),
        target=jnp.zeros((size, 1), jnp.int32),
        value=jnp.zeros((size, 1), jnp.float32),
        weights=jnp.ones((size, 1), jnp.float32),
    )


def batch_of(
    resident: Resident,
    user: Int[Array, "batch"],
    shown: Shown,
    **asked: Array,
) -> Batch:
    """Put together a batch of users, what is shown of each, and what is asked."""
    items, where, time = shown
    return Batch(
        user=user,
        history=items,
        where=where,
        segment_ids=where.astype(jnp.int32),
        user_features={name: jnp.take(x, user, 0) for name, x in resident.user_features.items()},
        context={},
        catalogue=resident.catalogue,
        time=time,
        **asked,
    )


def shown_of(resident: Resident, show: Callable[[CSR], Window]) -> Shown:
    """Show events: their items, where there are some and, if models ask for them, their times."""
    items, where = show(resident.histories)
    return items, where, None if resident.times is None else show(resident.times)[0]
