"""Hidden items: events that a model is told of without their items, which it must name.

A hidden event is there (`where`, `segment_ids`), and its item is 0. What stands in its place is the
model's: [MASK] is no row of the item table.
Devlin et al., "BERT" (2019); for recommenders, Sun et al., "BERT4Rec" (CIKM 2019), section 3.6.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key

from jaxrec.errors import InputError
from jaxrec.typing import Batch


def hide(batch: Batch, fraction: float, last_fraction: float, key: Key[Array, ""]) -> Batch:
    """Hide some of the items of each segment, and ask for them, each at its own column.

    An item is hidden with probability `fraction`, that of the lowest draw of its segment in any
    case; in `last_fraction` of the segments it is the last one alone, as at evaluation. The items
    are `batch.target`: after next-item targets, the first event of a segment is left out.

    Every row has the same number of queries, somewhat above the number of hidden items that is
    expected. Where a row has more of them, so many are drawn, and each weighs hidden / queries:
    the weighted sum of a row is without bias. Queries that are left over weigh 0.
    """
    if batch.target.shape != batch.history.shape:
        raise InputError(
            f"the batches show {batch.history.shape[1]} events and ask {batch.target.shape[1]} "
            "times; hidden items need Sequences or PackedSequences"
        )
    hide_key, ask_key = jax.random.split(key)
    hidden = _hidden(batch, fraction, last_fraction, hide_key)
    asked = hidden & (batch.weights > 0)
    length = hidden.shape[1]
    number = num_queries(length, fraction)
    if number < length:
        order = jnp.where(asked, jax.random.uniform(ask_key, asked.shape), -1.0)
        queries = jax.lax.top_k(order, number)[1]
    else:
        queries = jnp.broadcast_to(jnp.arange(length, dtype=jnp.int32)[None], asked.shape)

    def at_queries(x: Array) -> Array:
        return jnp.take_along_axis(x, queries, axis=1)

    surplus = jnp.maximum(asked.sum(1, keepdims=True) / number, 1)
    return dataclasses.replace(
        batch,
        history=jnp.where(hidden, 0, batch.target),
        queries=queries,
        target=at_queries(batch.target),
        value=at_queries(batch.value),
        weights=at_queries(jnp.where(asked, batch.weights, 0)) * surplus,
    )


def num_queries(length: int, fraction: float) -> int:
    """Choose how many hidden items of a row are asked for: a deviation more than expected."""
    expected = fraction * length
    return min(math.ceil(expected + math.sqrt(expected)), length)


def _hidden(
    batch: Batch, fraction: float, last_fraction: float, key: Key[Array, ""]
) -> Bool[Array, "batch length"]:
    segment = batch.segment_ids
    size, length = segment.shape
    draw_key, last_key = jax.random.split(key)
    draw = jax.random.uniform(draw_key, (size, length))

    def lowest_of_segment(draw: Array, segment: Array) -> Array:
        return jax.ops.segment_min(draw, segment, length + 1)[segment]

    some = (draw < fraction) | (draw == jax.vmap(lowest_of_segment)(draw, segment))
    following = jnp.pad(segment[:, 1:], ((0, 0), (0, 1)), constant_values=-1)
    each = jax.random.uniform(last_key, (size, length + 1))
    alone = jnp.take_along_axis(each, segment, axis=1) < last_fraction
    return batch.where & jnp.where(alone, segment != following, some)


def ask_next(batch: Batch, length: int) -> Batch:
    """Make each query an example of its own: the events up to it, and a hidden one after them.

    The examples have `length` columns, the hidden event in the last. Only what describes their
    histories is made for them.
    """

    def at(x: Int[Array, "batch columns"], columns: Array) -> Array:
        x = jnp.pad(x, ((0, 0), (0, 1)))  # so that there is a column where there is no history
        return jnp.take_along_axis(x, columns.reshape(x.shape[0], -1), axis=1)

    column = batch.queries[:, :, None] + jnp.arange(2 - length, 2, dtype=jnp.int32)[None, None]
    known = jnp.maximum(column, 0)
    segment = at(batch.segment_ids, known).reshape(column.shape)
    own = at(batch.segment_ids, batch.queries)[:, :, None]
    shown = (column >= 0) & (segment == own) & (own > 0)
    shown = shown.at[:, :, -1].set(False).reshape(-1, length)
    history = jnp.where(shown, at(batch.history, known).reshape(-1, length), 0)
    where = shown.at[:, -1].set(True)
    return dataclasses.replace(
        batch,
        history=history,
        where=where,
        segment_ids=where.astype(jnp.int32),
        queries=jnp.full((where.shape[0], 1), length - 1, jnp.int32),
    )
