"""Events in batches in which no user and no item occurs twice, so that a batch is updated at once.

Stochastic gradient descent goes from event to event, and an update touches the rows of one user and
one item. Events that share neither can be taken in any order, or all at the same time: such batches
are the colours of an edge colouring of the graph of users and items. There are at least as many as
the largest number of events of one user or item, and hardly more are found here.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxrec.data.interactions import Interactions

BATCHES, SIZE = 256, 32
"""What the numbers of batches and of their events are rounded up to: few shapes are compiled."""


class ConflictFree(NamedTuple):
    """Batches, filled up with user 0 and item 0; those from `number` on are all filling."""

    user: Int[Array, "batches size"]
    item: Int[Array, "batches size"]
    value: Float[Array, "batches size"]
    number: Int[Array, ""]

    @staticmethod
    def build(train: Interactions) -> "ConflictFree":
        """Divide the events; within a batch they stand in their own order."""
        batch = colours(train.user, train.item)
        counts = np.bincount(batch)
        order = np.argsort(batch, kind="stable")
        starts = np.cumsum(counts) - counts
        place = batch[order], np.arange(len(batch)) - np.repeat(starts, counts)
        shape = -(-len(counts) // BATCHES) * BATCHES, -(-counts.max() // SIZE) * SIZE

        def lay(column: np.ndarray) -> Any:
            laid = np.zeros(shape, column.dtype)
            laid[place] = column[order]
            return jnp.asarray(laid)

        number = jnp.int32(len(counts))
        return ConflictFree(lay(train.user), lay(train.item), lay(train.value), number)


def colours(user: np.ndarray, item: np.ndarray) -> np.ndarray:
    """Give each event a colour from 0 that no other event of its user or item has.

    Greedy: events of busy users and items come first; each takes the next colour after the last
    one's that is free, so that the colours are used alike.
    """
    events = np.bincount(user)[user], np.bincount(item)[item]
    order = np.argsort(-np.maximum(*events), kind="stable")
    number = int(max(events[0].max(), events[1].max()))
    # The colours of a user or an item are the bits of an integer.
    taken_by_user, taken_by_item = [0] * (user.max() + 1), [0] * (item.max() + 1)
    colour, found = 0, []
    for u, i in zip(user[order].tolist(), item[order].tolist()):
        taken = taken_by_user[u] | taken_by_item[i]
        rest = taken >> colour
        free = (~rest & (rest + 1)) << colour
        if free >> number:
            free = ~taken & (taken + 1)
        taken_by_user[u] |= free
        taken_by_item[i] |= free
        found.append(free.bit_length() - 1)
        colour = (found[-1] + 1) % number
    result = np.empty(len(user), np.int64)
    result[order] = found
    return result
