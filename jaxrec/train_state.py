"""What training knows between two steps: arrays only, all of them checkpointed."""

import math
import os
import re
from typing import Any, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax import struct, traverse_util
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from jaxrec.data.batches import Batches
from jaxrec.errors import InputError
from jaxrec.sharding import born_sharded, shardings


@struct.dataclass
@no_type_check
class Monitor:
    """Early stopping's memory: the best validation value so far, its step, evaluations since."""

    best: Float[Array, ""]
    step: Int[Array, ""]
    waited: Int[Array, ""]


@struct.dataclass
@no_type_check
class TrainState:
    """Flax params, Optax opt_state; collections hold batch statistics and the like."""

    step: Int[Array, ""]
    params: PyTree
    opt_state: PyTree
    collections: PyTree
    ema: PyTree | None
    monitor: Monitor

    def variables(self) -> dict[str, Any]:
        """What predictions are made with: the moving average where there is one, else params."""
        return {"params": self.params if self.ema is None else self.ema, **self.collections}


def create(
    model: nn.Module,
    tx: optax.GradientTransformation,
    batches: Batches,
    key: PRNGKeyArray,
    mesh: jax.sharding.Mesh,
    ema: bool,
) -> TrainState:
    """Initialise a state from the shapes of a batch; its arrays are born sharded."""

    def init(key: PRNGKeyArray, data: PyTree) -> TrainState:
        batch = batches.batch_at(data, jnp.int32(0))
        variables = dict(model.init(key, batch, method="predict"))
        params = variables.pop("params")
        variables.pop("losses", None)
        return TrainState(
            step=jnp.int32(0),
            params=params,
            opt_state=tx.init(params),
            collections=variables,
            ema=jax.tree.map(jnp.copy, params) if ema else None,
            monitor=Monitor(jnp.float32(-jnp.inf), jnp.int32(0), jnp.int32(0)),
        )

    check_memory(jax.eval_shape(init, key, batches.data), mesh)
    return born_sharded(init, mesh, key, batches.data)


def check_memory(state: PyTree, mesh: jax.sharding.Mesh) -> None:
    """Refuse a state that no device of the mesh can hold, before anything is allocated."""
    placed = zip(jax.tree.leaves(state), jax.tree.leaves(shardings(state, mesh)), strict=True)
    needed = sum(math.prod(s.shard_shape(x.shape)) * x.dtype.itemsize for x, s in placed)
    limits = mesh.devices.flat[0].memory_stats() or {}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    available = limits.get("bytes_limit", memory)
    if needed > available:
        raise InputError(
            f"Parameters and optimizer state take {needed / 2**30:,.1f} GiB, and the device has "
            f"{available / 2**30:,.1f}; make --model.embed-dim smaller, or shard the tables over "
            "more devices with --train.model-parallel."
        )


def grow(params: PyTree, old: PyTree, rows: dict[str, np.ndarray]) -> PyTree:
    """Start `params` from another run's `old`: same-named arrays are taken over, tables row by row.

    rows: by a regular expression searched in a table's path, for each row of the new table the old
    run's row, or 0 where the old run did not know it; such a row keeps its new initial values, as
    do arrays of another shape that are no tables.
    """
    old_flat = traverse_util.flatten_dict(old, sep="/")

    def start(path: str, new: Array) -> Array:
        if path not in old_flat:
            return new
        source = np.asarray(old_flat[path])
        mapped = next((rows[pattern] for pattern in rows if re.search(pattern, path)), None)
        if mapped is not None and source.shape[1:] == new.shape[1:]:
            taken, known = np.array(new), np.flatnonzero(mapped)
            taken[known] = source[mapped[known]]
            return jax.device_put(taken, new.sharding)
        return jax.device_put(source, new.sharding) if source.shape == new.shape else new

    flat = traverse_util.flatten_dict(params, sep="/")
    return traverse_util.unflatten_dict({p: start(p, x) for p, x in flat.items()}, sep="/")
