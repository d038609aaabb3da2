"""Tables of vectors: divided over devices by rows, and trained by the rows that a step looks up.

A gradient with respect to a whole table is as large as the table, and so is every moment that an
optimizer updates by it. Where a step only looks rows up, `value_and_grad` gives the gradient of
these rows instead: `nn.Embed` calls are intercepted while the loss is traced, and what they answer
is the table's row, a constant, plus a zero whose gradient is the row's. Models do not know.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.extend.core import get_opaque_trace_state
from jaxtyping import Array, Float, Int, PyTree

ROW_MULTIPLE = 64
"""Rows of a table are rounded up to a multiple of it; powers of two up to it shard the table."""

Shapes = dict[str, tuple[tuple[int, ...], ...]]
"""By a table's path in the parameters: the shapes of the ids of each lookup, in their order."""


def embed(
    num_rows: int, features: int, *, scale: float = 0.02, dtype: Any = jnp.float32
) -> nn.Embed:
    """Make an `nn.Embed` for rows 0..num_rows - 1, drawn from N(0, scale²).

    Row 0 (padding, or the unknown user) starts as zero. It stays zero, since masked positions and
    examples of weight 0 give no gradient: no mask is paid for at each lookup.
    """
    rows = -(-num_rows // ROW_MULTIPLE) * ROW_MULTIPLE
    return nn.Embed(rows, features, embedding_init=_zero_row(scale), dtype=dtype)


def _zero_row(scale: float) -> Callable[..., Array]:
    def init(
        key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32
    ) -> Float[Array, "rows features"]:
        table = scale * jax.random.normal(key, shape, dtype)
        return jnp.where(jnp.arange(shape[0])[:, None] > 0, table, 0)

    return init


def tables_of(params: PyTree) -> dict[str, Float[Array, "rows features"]]:
    """Find the embedding tables among the parameters, by their paths."""
    flat = flatten_dict(params, sep="/")
    return {path: x for path, x in flat.items() if path.endswith("embedding") and x.ndim == 2}


class RowGrads(NamedTuple):
    """The gradient of some rows of a table. A row looked up twice stands twice, each its part."""

    row: Int[Array, "n"]
    grad: Float[Array, "n features"]


def lookups(loss: Callable[[PyTree], Any], params: PyTree) -> Shapes:
    """Find the tables of which `loss(params)` does nothing but look up fewer rows than they have.

    A table that is read in any other way (a decoder's `attend`, a regulariser of all of it) or
    inside a loop is left out: its gradient is that of the whole.
    """
    flat, tables = flatten_dict(params, sep="/"), tables_of(params)
    shapes: dict[str, list[tuple[int, ...]]] = {path: [] for path in tables}

    def trace(tables: dict[str, Array]) -> Any:
        outside = get_opaque_trace_state(convention="flax")

        def note(path: str, ids: Array) -> Array | None:
            if get_opaque_trace_state(convention="flax") != outside:
                return None  # what is looked up in a loop could not be told outside it
            shapes[path].append(ids.shape)
            return jnp.zeros((*ids.shape, flat[path].shape[1]), flat[path].dtype)

        with nn.intercept_methods(_answering(note)):
            return loss(unflatten_dict({**flat, **tables}, sep="/"))

    jaxpr = jax.make_jaxpr(trace)(tables).jaxpr
    read = {id(x) for equation in jaxpr.eqns for x in equation.invars} | set(map(id, jaxpr.outvars))
    return {
        path: tuple(shapes[path])
        for path, var in zip(sorted(tables), jaxpr.invars, strict=True)
        if id(var) not in read and 0 < sum(map(math.prod, shapes[path])) < flat[path].shape[0]
    }


def value_and_grad(
    loss: Callable[[PyTree], tuple[Array, Any]], params: PyTree, shapes: Shapes
) -> tuple[tuple[Array, Any], dict[str, Array], dict[str, RowGrads]]:
    """Give what `loss(params)` does, and by path the gradients: whole ones, and those of rows.

    shapes: what `lookups` found; the tables in it get gradients of rows.
    """
    flat = flatten_dict(params, sep="/")
    whole = {path: x for path, x in flat.items() if path not in shapes}
    zeros = {
        path: [jnp.zeros((*shape, flat[path].shape[1]), flat[path].dtype) for shape in found]
        for path, found in shapes.items()
    }

    def traced(whole: dict[str, Array], zeros: dict[str, list[Array]]) -> tuple[Array, Any]:
        asked: dict[str, list[Array]] = {path: [] for path in shapes}

        def look(path: str, ids: Array) -> Array | None:
            if path not in shapes:
                return None
            asked[path].append(ids)
            return jnp.take(flat[path], ids, axis=0) + zeros[path][len(asked[path]) - 1]

        with nn.intercept_methods(_answering(look)):
            value, aux = loss(unflatten_dict({**flat, **whole}, sep="/"))
        return value, (aux, asked)

    (value, (aux, asked)), (grads, parts) = jax.value_and_grad(traced, (0, 1), has_aux=True)(
        whole, zeros
    )
    rows = {
        path: RowGrads(
            jnp.concatenate([ids.reshape(-1) for ids in asked[path]]),
            jnp.concatenate([grad.reshape(-1, grad.shape[-1]) for grad in parts[path]]),
        )
        for path in shapes
    }
    return (value, aux), grads, rows


class Lookup(NamedTuple):
    """What was looked up in a table, and the answer."""

    path: str
    ids: Int[Array, "*n"]
    vectors: Float[Array, "*n features"]


def noting(apply: Callable[..., Any], found: list[Lookup]) -> Callable[..., Any]:
    """Wrap a model's `apply` so that each lookup is also added to `found`.

    Those inside a loop are left out: their values could not be told outside it.
    """
    outside = get_opaque_trace_state(convention="flax")

    def noted(variables: PyTree, *args: Any, mutable: Any = (), **kwargs: Any) -> Any:
        if get_opaque_trace_state(convention="flax") != outside:
            return apply(variables, *args, mutable=mutable or False, **kwargs)
        with nn.intercept_methods(_sowing):
            answer, changed = apply(variables, *args, mutable=[*mutable, _LOOKUPS], **kwargs)
        changed = dict(changed)
        for path, several in flatten_dict(changed.pop(_LOOKUPS, {})).items():
            table = "/".join((*path[:-1], "embedding"))
            found.extend(Lookup(table, ids, vectors) for ids, vectors in several)
        return (answer, changed) if mutable else answer

    return noted


def sum_duplicates(
    found: RowGrads, claims: Int[Array, "rows"]
) -> tuple[RowGrads, Int[Array, "rows"]]:
    """Add up the gradients of each row in one of its places; the others get a row out of bounds.

    claims: one number a row of the table, of any value, to be given back at the next call. Every
    place writes its number at its row and reads there which place was the last: no sort, and no
    time that grows with the table.
    """
    place = jnp.arange(found.row.shape[0], dtype=jnp.int32)
    claims = claims.at[found.row].set(place)
    owner = claims[found.row]
    total = jnp.zeros_like(found.grad).at[owner].add(found.grad)
    return RowGrads(jnp.where(owner == place, found.row, claims.shape[0]), total), claims


def take_rows(table: Float[Array, "rows *d"], row: Int[Array, "n"]) -> Float[Array, "n *d"]:
    """Take rows of a table, or of moments of it; one that is out of bounds gives some other."""
    return table.at[row].get(mode="clip")


def put_rows(
    table: Float[Array, "rows *d"], row: Int[Array, "n"], new: Float[Array, "n *d"]
) -> Float[Array, "rows *d"]:
    """Write rows back, all different; those out of bounds are dropped."""
    return table.at[row].set(new, mode="drop", unique_indices=True)


def _answering(answer: Callable[[str, Array], Array | None]) -> Callable[..., Any]:
    """Intercept calls of `nn.Embed`: answer(path of its table, ids); None: its own answer."""

    def interceptor(call: Callable, args: tuple, kwargs: dict, context: Any) -> Any:
        module = context.module
        if isinstance(module, nn.Embed) and context.method_name == "__call__":
            vectors = answer("/".join((*module.path, "embedding")), args[0])
            if vectors is not None:
                vectors = vectors.astype(module.dtype or vectors.dtype)
                # Interceptors of `noting`, which stand further in, are not asked any more.
                module.sow(_LOOKUPS, "found", (args[0], vectors))
                return vectors
        return call(*args, **kwargs)

    return interceptor


_LOOKUPS = "lookups"
"""The collection that lookups are sown into; where it is not mutable, sowing does nothing."""


def _sowing(call: Callable, args: tuple, kwargs: dict, context: Any) -> Any:
    answer, module = call(*args, **kwargs), context.module
    if isinstance(module, nn.Embed) and context.method_name == "__call__":
        module.sow(_LOOKUPS, "found", (args[0], answer))
    return answer
