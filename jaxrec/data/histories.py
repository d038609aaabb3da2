"""Histories of users as ragged rows (CSR), and fixed-length windows onto their ends."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError
from jaxrec.typing import CSR


def histories(interactions: Interactions) -> CSR:
    """Gather each user's items in the order of their events; row r is user r, row 0 empty."""
    _check_size(interactions)
    counts = np.bincount(interactions.user, minlength=len(interactions.users) + 1)
    return _csr(counts, interactions.item.astype(np.int32, copy=False))


def times(interactions: Interactions) -> CSR:
    """Gather when the events of `histories` were, in seconds from the first of all on."""
    if interactions.order != "time":
        raise InputError(
            "the model reads the time between events, and this data has only the order of each "
            "user's events; name a timestamp column, or choose other model.positions (of hstu: "
            "no model.reads_times)"
        )
    counts = np.bincount(interactions.user, minlength=len(interactions.users) + 1)
    return _csr(counts, elapsed(interactions.timestamp))


def elapsed(timestamp: Float[np.ndarray, "events"]) -> Int[np.ndarray, "events"]:
    """Count the whole seconds from the first time on, as int32."""
    span = np.ptp(timestamp) if len(timestamp) else 0
    if span >= 2**31:
        raise InputError(
            f"the times span {span:.0f} seconds, and a model that reads them can count "
            "2,147,483,647, which are 68 years; give times in seconds"
        )
    return np.floor(timestamp - timestamp.min(initial=np.inf)).astype(np.int32)


def positives(interactions: Interactions) -> CSR:
    """Gather each user's distinct items, ascending; row r is user r, row 0 empty."""
    _check_size(interactions)
    width = len(interactions.items) + 1
    pairs = interactions.user.astype(np.int64) * width + interactions.item
    pairs.sort()
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    counts = np.bincount(pairs // width, minlength=len(interactions.users) + 1)
    return _csr(counts, (pairs % width).astype(np.int32))


def longest(csr: CSR) -> int:
    """Count the entries of the longest row."""
    return int(np.diff(np.asarray(csr.indptr)).max(initial=0))


@functools.partial(jax.jit, static_argnames="length")
def window(
    csr: CSR, rows: Int[Array, "batch"], length: int
) -> tuple[Int[Array, "batch length"], Bool[Array, "batch length"]]:
    """Take the last `length` entries of each row, the last in the last column, 0 in front.

    The second array is True at entries. One compiled call: operation by operation, a wide window
    of many users takes as long as a top-k of their scores.
    """
    indptr, indices = jnp.asarray(csr.indptr), jnp.asarray(csr.indices)
    if indices.shape[0] == 0:
        shape = (rows.shape[0], length)
        return jnp.zeros(shape, jnp.int32), jnp.zeros(shape, bool)
    start, stop = indptr[rows][:, None], indptr[rows + 1][:, None]
    places = stop + jnp.arange(-length, 0, dtype=indptr.dtype)[None, :]
    where = places >= start
    return jnp.where(where, indices[jnp.maximum(places, 0)], 0), where


def multi_hot(
    history: Int[Array, "batch length"], num_items: int
) -> Float[Array, "batch items_plus_1"]:
    """Mark the items of each history with 1; row 0, the padding, is none."""
    users = jnp.arange(history.shape[0])[:, None]
    known = jnp.zeros((history.shape[0], num_items + 1), jnp.float32)
    return known.at[users, history].set(1).at[:, 0].set(0)


def _csr(counts: np.ndarray, indices: Any) -> CSR:
    indptr: Any = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return CSR(indptr, indices)


def _check_size(interactions: Interactions) -> None:
    if len(interactions) >= 2**31:
        raise InputError(
            f"{len(interactions):,} interactions are more than int32 counts, 2,147,483,647; "
            "filter them with the cleaning options"
        )
