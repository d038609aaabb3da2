"""Batches made on the host, a call ahead, where the training events do not fit on the device.

The host's CPU runs the very `batch_at` that the device would, for all steps of a call, in a thread:
a slab. The device gets two at a time, the one in use and the next. So a batch is the same bit for
bit wherever it was made, for every kind of batches, and a slab depends on its steps alone.
"""

import dataclasses
import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Int, PyTree

from jaxrec.data.batches import Batches
from jaxrec.typing import CSR, Batch, Catalogue, Features

SLACK = 9 / 8
"""How much larger than the positives it must hold a slab is made, so that the next fits too."""


@struct.dataclass
@no_type_check
class Slab:
    """The batches of some steps, from `first` on, stacked, and what they share.

    The catalogue's positives hold the rows of the users of these batches only.
    """

    first: Int[Array, ""]
    batches: Batch
    catalogue: Catalogue
    user_features: Features


def batch_at(slab: Slab, step: Int[Array, ""]) -> Batch:
    """Take the batch of a step that the slab holds."""
    batch = jax.tree.map(lambda x: x[step - slab.first], slab.batches)
    features = {name: jnp.take(x, batch.user, 0) for name, x in slab.user_features.items()}
    return dataclasses.replace(batch, user_features=features, catalogue=slab.catalogue)


def host() -> jax.Device | None:
    """Find the CPU that JAX uses beside an accelerator; None where JAX_PLATFORMS leaves it out."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        return None


def fits(data: PyTree, budget: int | None, memory: int | None) -> bool:
    """Tell whether training data takes at most `budget` bytes; None: half of a device's memory."""
    if budget is None and memory is not None:
        budget = memory // 2
    return budget is None or sum(x.nbytes for x in jax.tree.leaves(data)) <= budget


class Stream:
    """Slabs of batches whose data lies on the host; called as `stream(step, n)` before each call.

    most: steps that a call has at most. length: of a step, how many steps the call has that begins
    there, by which the next slab is begun before it is asked for.
    """

    def __init__(
        self, batches: Batches, mesh: jax.sharding.Mesh, most: int, length: Callable[[int], int]
    ):
        resident = batches.data.resident
        self._data, self._length, self._most = batches.data, length, most
        self._make = jax.jit(functools.partial(_stack, batches.batch_at, most))
        self._own = jax.tree.map(np.asarray, resident.catalogue.positives)
        self._everywhere = NamedSharding(mesh, PartitionSpec())
        bare = dataclasses.replace(resident.catalogue, positives=None)
        self._shared = jax.device_put((bare, resident.user_features), self._everywhere)
        self._entries = 1  # nothing can be gathered from an array of none
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="jaxrec-stream")
        self._ahead: tuple[int, int, Future[Slab]] | None = None

    def __call__(self, step: int, n: int) -> Slab:
        """Wait for the slab of n steps, and begin the next one."""
        if self._ahead is None or self._ahead[0] != step or self._ahead[1] < n:
            self._begin(step, n)
        assert self._ahead is not None
        slab = self._ahead[2].result()
        if (following := self._length(step + n)) > 0:
            self._begin(step + n, following)
        return slab

    def _begin(self, step: int, n: int) -> None:
        self._ahead = step, n, self._thread.submit(self._slab, step, n)

    def _slab(self, step: int, n: int) -> Slab:
        batches = self._make(self._data, np.int32(step), np.int32(n))
        own = self._of_users(np.asarray(batches.user))
        catalogue, user_features = self._shared
        first, batches, own = jax.device_put((np.int32(step), batches, own), self._everywhere)
        return Slab(first, batches, dataclasses.replace(catalogue, positives=own), user_features)

    def _of_users(self, users: np.ndarray) -> CSR:
        """Gather the positives of users, filled up to shapes that seldom change."""
        rows = np.unique(users)
        counts = self._own.indptr[rows + 1] - self._own.indptr[rows]
        indptr = np.append(np.int32(0), np.cumsum(counts, dtype=np.int32))
        total = int(indptr[-1])
        place = np.repeat(self._own.indptr[rows] - indptr[:-1], counts) + np.arange(total)
        if total > self._entries:
            self._entries = int(total * SLACK) + 1
        capacity = min(users.size, len(self._own.indptr) - 1) - len(rows)
        return CSR(
            np.pad(indptr, (0, capacity), "edge"),  # type: ignore[arg-type]
            np.pad(self._own.indices[place], (0, self._entries - total)),  # type: ignore[arg-type]
            np.pad(rows, (0, capacity), constant_values=np.iinfo(np.int32).max),  # type: ignore[arg-type]
        )


def _stack(
    batch_at: Callable[[PyTree, Int[Array, ""]], Batch],
    most: int,
    data: PyTree,
    first: Int[Array, ""],
    n: Int[Array, ""],
) -> Batch:
    """Make n batches from step `first` on, at the front of room for `most`."""

    def bare(step: Int[Array, ""]) -> Any:
        shared: dict[str, Any] = {"user_features": {}, "catalogue": None}
        return dataclasses.replace(batch_at(data, step), **shared)

    room = jax.tree.map(
        lambda x: jnp.zeros((most, *x.shape), x.dtype), jax.eval_shape(bare, jnp.int32(0))
    )

    def put(i: Int[Array, ""], stacked: Any) -> Any:
        return jax.tree.map(lambda all_, one: all_.at[i].set(one), stacked, bare(first + i))

    return jax.lax.fori_loop(0, n, put, room)
