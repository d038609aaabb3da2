"""Items to contrast a target with, drawn on the device, and how likely each draw was.

A draw picks one of a number of tickets: every item has one (`Uniform`), or as many as its
popularity is worth (`Popularity`). To leave a user's own items out, r is drawn below the number of
tickets of the others, and the r-th of those is found by a binary search over how many tickets of
others lie below each own item: exact, without rejection, in a fixed number of steps.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, no_type_check, runtime_checkable

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Int, Key

from jaxrec.typing import CSR, Catalogue


@struct.dataclass
@no_type_check
class Draws:
    """Drawn items; leading axes as asked.

    log_q:   logarithm of each draw's probability.
    weights: 0 where the user has every item, so that there was nothing to draw (the item is 0).
    """

    item: Int[Array, "*n"]
    log_q: Float[Array, "*n"]
    weights: Float[Array, "*n"]


@runtime_checkable
class Negatives(Protocol):
    """How negatives are drawn, with replacement."""

    num: int

    def draw(
        self, catalogue: Catalogue, user: Int[Array, "batch"], queries: int, key: Key[Array, ""]
    ) -> Draws:
        """Draw `num` items for each query of each user: [batch, queries, num]."""
        ...

    def draw_shared(self, catalogue: Catalogue, key: Key[Array, ""]) -> Draws:
        """Draw `num` items for a whole batch: [num]. They may be anybody's positives."""
        ...


@dataclass(frozen=True)
class Uniform:
    """Every item alike."""

    num: int = 1
    """Draws for each query, or for the whole batch where they are shared."""
    avoid_positives: bool = True
    """Never draw an item that the user has in training (shared draws ignore this)."""

    def draw(
        self, catalogue: Catalogue, user: Int[Array, "batch"], queries: int, key: Key[Array, ""]
    ) -> Draws:
        shape = (user.shape[0], queries, self.num)
        if not self.avoid_positives:
            return self._any(catalogue, shape, key)
        own = catalogue.positives
        start, stop = _rows(own, user)
        free = catalogue.counts.shape[0] - 1 - (stop - start)
        ticket = _below(free, shape, key)

        def others_below(place: Int[Array, "batch n"]) -> Int[Array, "batch n"]:
            return own.indices[place] - 1 - (place - start)

        passed = _passed(ticket, others_below, start, stop, catalogue.counts.shape[0] - 1)
        item = jnp.where(free > 0, ticket + 1 + passed, 0)
        log_q = jnp.broadcast_to(-jnp.log(jnp.maximum(free, 1)), item.shape)
        return _shaped(item, log_q, free > 0, shape)

    def draw_shared(self, catalogue: Catalogue, key: Key[Array, ""]) -> Draws:
        return self._any(catalogue, (self.num,), key)

    def _any(self, catalogue: Catalogue, shape: tuple[int, ...], key: Key[Array, ""]) -> Draws:
        num_items = catalogue.counts.shape[0] - 1
        item = jax.random.randint(key, shape, 1, num_items + 1, jnp.int32)
        log_q = jnp.full(shape, -jnp.log(jnp.float32(num_items)))
        return Draws(item, log_q, jnp.ones(shape, jnp.float32))


@dataclass(frozen=True)
class Popularity:
    """Items in proportion to a power of how often training has them; unseen items never.

    NOTE: with avoid_positives a step sums over all training events once (unless the compiler lifts
    that out of the loop), so prefer shared draws for very large data.
    """

    num: int = 1
    """Draws for each query, or for the whole batch where they are shared."""
    power: float = 0.75
    """0 makes all seen items alike, 1 draws them as often as training has them (word2vec: .75)."""
    avoid_positives: bool = True
    """Never draw an item that the user has in training (shared draws ignore this)."""

    def draw(
        self, catalogue: Catalogue, user: Int[Array, "batch"], queries: int, key: Key[Array, ""]
    ) -> Draws:
        shape = (user.shape[0], queries, self.num)
        if not self.avoid_positives:
            return self._any(catalogue, shape, key)
        tickets, upto = self._tickets(catalogue)
        own = catalogue.positives
        start, stop = _rows(own, user)
        # With many events the sums wrap around in int32; their differences come out right.
        sums = jnp.pad(jnp.cumsum(tickets[own.indices], dtype=jnp.int32), (1, 0))
        free = upto[-1] - (sums[stop] - sums[start])
        ticket = _below(free, shape, key)

        def others_below(place: Int[Array, "batch n"]) -> Int[Array, "batch n"]:
            item = own.indices[place]
            return upto[item] - tickets[item] - (sums[place] - sums[start])

        passed = _passed(ticket, others_below, start, stop, catalogue.counts.shape[0] - 1)
        ticket = ticket + sums[start + passed] - sums[start]
        item = jnp.where(free > 0, jnp.searchsorted(upto, ticket, side="right"), 0)
        log_q = jnp.log(jnp.maximum(tickets[item], 1) / jnp.maximum(free, 1))
        return _shaped(item.astype(jnp.int32), log_q, free > 0, shape)

    def draw_shared(self, catalogue: Catalogue, key: Key[Array, ""]) -> Draws:
        return self._any(catalogue, (self.num,), key)

    def _any(self, catalogue: Catalogue, shape: tuple[int, ...], key: Key[Array, ""]) -> Draws:
        tickets, upto = self._tickets(catalogue)
        ticket = _below(upto[-1:][:, None], (1, 1, math.prod(shape)), key).reshape(shape)
        item = jnp.searchsorted(upto, ticket, side="right").astype(jnp.int32)
        return Draws(item, jnp.log(tickets[item] / upto[-1]), jnp.ones(shape, jnp.float32))

    def _tickets(
        self, catalogue: Catalogue
    ) -> tuple[Int[Array, "items_plus_1"], Int[Array, "items_plus_1"]]:
        """Give each item its tickets, about 2^27 in all, and the sums of them up to each item."""
        seen = (catalogue.counts > 0).at[0].set(False)
        worth = jnp.where(seen, jnp.where(seen, catalogue.counts, 1.0) ** self.power, 0.0)
        share = worth / jnp.maximum(worth.sum(), 1e-30)
        tickets = jnp.where(seen, jnp.maximum(jnp.round(share * 2**27), 1), 0).astype(jnp.int32)
        return tickets, jnp.cumsum(tickets, dtype=jnp.int32)


def _rows(
    own: CSR, user: Int[Array, "batch"]
) -> tuple[Int[Array, "batch 1"], Int[Array, "batch 1"]]:
    start, stop = own.bounds(user)
    return start[:, None], stop[:, None]


def _below(
    limit: Int[Array, "batch 1"], shape: tuple[int, int, int], key: Key[Array, ""]
) -> Int[Array, "batch n"]:
    """Draw from 0..limit - 1: the upper word of (32 random bits) · limit.

    jax.random.randint takes them modulo the limit instead, which favours the lower tickets by up to
    limit / 2^32; here the same inequality is spread evenly.
    """
    bits = jax.random.bits(key, (shape[0], shape[1] * shape[2]), jnp.uint32)
    limit = jnp.maximum(limit, 1).astype(jnp.uint32)
    high, low = bits >> 16, bits & 0xFFFF
    limit_high, limit_low = limit >> 16, limit & 0xFFFF
    middle = high * limit_low + ((low * limit_low) >> 16)
    other = low * limit_high + (middle & 0xFFFF)
    return (high * limit_high + (middle >> 16) + (other >> 16)).astype(jnp.int32)


def _passed(
    ticket: Int[Array, "batch n"],
    key_at: Callable[[Int[Array, "batch n"]], Int[Array, "batch n"]],
    start: Int[Array, "batch 1"],
    stop: Int[Array, "batch 1"],
    longest: int,
) -> Int[Array, "batch n"]:
    """Count the places of each row whose key, which must ascend along it, is at most the ticket."""

    def halve(_: Any, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = low + ((high - low) >> 1)
        passes = (low < high) & (key_at(middle) <= ticket)
        return jnp.where(passes, middle + 1, low), jnp.where(passes, high, middle)

    ends = jnp.broadcast_to(start, ticket.shape), jnp.broadcast_to(stop, ticket.shape)
    low, _ = jax.lax.fori_loop(0, longest.bit_length(), halve, ends)
    return low - start


def _shaped(
    item: Int[Array, "batch n"],
    log_q: Float[Array, "batch n"],
    any_free: Bool[Array, "batch 1"],
    shape: tuple[int, int, int],
) -> Draws:
    weights = jnp.broadcast_to(any_free, item.shape).astype(jnp.float32)
    return Draws(item.reshape(shape), log_q.reshape(shape), weights.reshape(shape))
