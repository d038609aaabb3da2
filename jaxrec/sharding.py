"""Where arrays live on a mesh of devices ("data", "model"): one list of rules for every model."""

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jax.tree_util import keystr
from jaxtyping import Array, Int

from jaxrec.errors import InputError
from jaxrec.typing import Batch

RULES: tuple[tuple[str, PartitionSpec], ...] = (
    (r"(^|/)embedding$", PartitionSpec("model", None)),
    (r"", PartitionSpec()),
)
"""(regular expression searched in a leaf's path, its placement): the first that matches counts.

Embedding tables, and the optimizer's moments of them, are divided by rows; all else is replicated.
"""


def make_mesh(model: int = 1, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Lay the devices out as ("data", "model"), `model` of them sharing one copy of the tables.

    The axes are Auto ones: under Explicit axes, JAX's default, sharded gathers fail.
    """
    devices = jax.devices() if devices is None else devices
    # embedding.py rounds the rows of tables up to a multiple of 64, so that this suffices.
    if model < 1 or len(devices) % model or 64 % model:
        raise InputError(
            f"train.model_parallel is {model}; give a power of two up to 64 that divides the "
            f"number of devices, {len(devices)}"
        )
    shape = (len(devices) // model, model)
    return jax.make_mesh(shape, ("data", "model"), axis_types=(AxisType.Auto,) * 2, devices=devices)


def shardings(tree: Any, mesh: Mesh) -> Any:
    """Map a pytree of arrays or shapes (parameters, a whole state) to the placement of each."""

    def placement(path: tuple[Any, ...], leaf: Any) -> NamedSharding:
        name = keystr(path, simple=True, separator="/")
        spec = next(spec for pattern, spec in RULES if re.search(pattern, name))
        fits = len(spec) <= len(leaf.shape)  # some optimizers keep one number for a whole table
        return NamedSharding(mesh, spec if fits else PartitionSpec())

    return jax.tree_util.tree_map_with_path(placement, tree)


def born_sharded(init: Callable[..., Any], mesh: Mesh, *args: Any) -> Any:
    """Run `init(*args)` so that each leaf of its answer is made where it lives, never whole."""
    placements = shardings(jax.eval_shape(init, *args), mesh)
    return jax.jit(init, out_shardings=placements)(*args)


def replicate(tree: Any, mesh: Mesh) -> Any:
    """Put a pytree (resident data) on every device of the mesh."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def shard_batch(batch: Batch, mesh: Mesh) -> Batch:
    """Divide the examples over the "data" axis; the catalogue stays where it is. For use in jit."""
    parts = mesh.shape["data"]
    size = batch.user.shape[0]
    if mesh.size == 1:
        return batch
    if size % parts:
        raise InputError(
            f"batches.batch_size is {size}; give a multiple of the {parts} devices that share it"
        )
    divided = NamedSharding(mesh, PartitionSpec("data"))
    return _change_own(batch, lambda x: jax.lax.with_sharding_constraint(x, divided))


def take_part(batch: Batch, part: Int[Array, ""] | int, parts: int) -> Batch:
    """Take the examples part, part + parts, …: each device keeps a share of every part."""
    size = batch.user.shape[0]
    if size % parts:
        raise InputError(
            f"batches.batch_size is {size}; give a multiple of train.accumulate, {parts}"
        )
    return _change_own(
        batch,
        lambda x: jax.lax.dynamic_index_in_dim(
            x.reshape(size // parts, parts, *x.shape[1:]), part, 1, keepdims=False
        ),
    )


def _change_own(batch: Batch, change: Callable[[Array], Array]) -> Batch:
    """Change all arrays that have a row for each example; the catalogue stays."""
    names = [field.name for field in dataclasses.fields(batch) if field.name != "catalogue"]
    own = jax.tree.map(change, {name: getattr(batch, name) for name in names})
    return dataclasses.replace(batch, **own)
