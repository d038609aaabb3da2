"""Items to contrast a target with, drawn on the device, and how likely each draw was.

A draw picks one of a number of tickets: every item has one (`Uniform`), or as many as its
popularity is worth (`Popularity`). To leave a user's own items out, r is drawn below the number of
tickets of the others, and the r-th of those is found by a binary search over how many tickets of
others lie below each own item: exact, without rejection, in a fixed number of steps. `InBatch`
draws what the batch asks for, and `Mixed` joins two of them. Hard negatives need scores:
`hardest` of an objective keeps the best of what is drawn.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, no_type_check, runtime_checkable

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Int, Key

from jaxrec.typing import CSR, Batch, Catalogue

Ids = Int[Array, "batch queries n"] | Int[Array, "n"]
LogQ = Float[Array, "batch queries n"] | Float[Array, "n"]


@struct.dataclass
@no_type_check
class Draws:
    """Drawn items; leading axes as asked.

    log_q:   logarithm of each draw's probability.
    weights: 0 where a draw does not count: the user has every item, so that there was nothing to
             draw (the item is 0), or has this one.
    """

    item: Int[Array, "*n"]
    log_q: Float[Array, "*n"]
    weights: Float[Array, "*n"]


@runtime_checkable
class Negatives(Protocol):
    """How negatives are drawn, with replacement."""

    num: int

    def draw(self, batch: Batch, key: Key[Array, ""]) -> Draws:
        """Draw `num` items for each query of each user: [batch, queries, num]."""
        ...

    def draw_shared(self, batch: Batch, key: Key[Array, ""]) -> Draws:
        """Draw `num` items for the whole batch: [num]. They may be anybody's positives."""
        ...

    def log_q(self, batch: Batch, item: Ids) -> LogQ:
        """Say how likely a draw is these items, [n] if it is shared; -inf where it never is."""
        ...


@dataclass(frozen=True)
class Uniform:
    """Every item alike."""

    num: int = 1
    """Draws for each query, or for the whole batch where they are shared."""
    avoid_positives: bool = True
    """Never draw an item that the user has in training (shared draws ignore this)."""

    def draw(self, batch: Batch, key: Key[Array, ""]) -> Draws:
        size, queries = batch.target.shape
        shape = (size, queries, self.num)
        if not self.avoid_positives:
            return self._any(batch.catalogue, shape, key)
        own = batch.catalogue.positives
        start, stop = _rows(own, batch.user)
        num_items = batch.catalogue.counts.shape[0] - 1
        free = num_items - (stop - start)
        ticket = _below(free, shape, key)

        def others_below(place: Int[Array, "batch n"]) -> Int[Array, "batch n"]:
            return own.indices[place] - 1 - (place - start)

        passed = _passed(ticket, others_below, start, stop, num_items)
        item = jnp.where(free > 0, ticket + 1 + passed, 0)
        log_q = jnp.broadcast_to(-jnp.log(jnp.maximum(free, 1)), item.shape)
        return _shaped(item, log_q, free > 0, shape)

    def draw_shared(self, batch: Batch, key: Key[Array, ""]) -> Draws:
        return self._any(batch.catalogue, (self.num,), key)

    def log_q(self, batch: Batch, item: Ids) -> LogQ:
        num_items = batch.catalogue.counts.shape[0] - 1
        if item.ndim == 1 or not self.avoid_positives:
            return jnp.full(item.shape, -jnp.log(jnp.float32(num_items)))
        start, stop = _rows(batch.catalogue.positives, batch.user)
        free = jnp.maximum(num_items - (stop - start), 1)[..., None]
        return jnp.where(owned(batch, item), -jnp.inf, -jnp.log(free))

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

    def draw(self, batch: Batch, key: Key[Array, ""]) -> Draws:
        catalogue, (size, queries) = batch.catalogue, batch.target.shape
        shape = (size, queries, self.num)
        if not self.avoid_positives:
            return self._any(catalogue, shape, key)
        tickets, upto = self._tickets(catalogue)
        own = catalogue.positives
        start, stop = _rows(own, batch.user)
        sums = _sums(tickets, own)
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

    def draw_shared(self, batch: Batch, key: Key[Array, ""]) -> Draws:
        return self._any(batch.catalogue, (self.num,), key)

    def log_q(self, batch: Batch, item: Ids) -> LogQ:
        tickets, upto = self._tickets(batch.catalogue)
        if item.ndim == 1 or not self.avoid_positives:
            return jnp.log(tickets[item] / upto[-1])
        own = batch.catalogue.positives
        start, stop = _rows(own, batch.user)
        sums = _sums(tickets, own)
        free = jnp.maximum(upto[-1] - (sums[stop] - sums[start]), 1)[..., None]
        return jnp.where(owned(batch, item), -jnp.inf, jnp.log(tickets[item] / free))

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


@dataclass(frozen=True)
class InBatch:
    """Items that the batch itself asks for, drawn as often as its queries do.

    NOTE: log_q is each item's share of the training events, which is how often some batch asks for
    it, not how often this one does: an item that it lacks could have been asked for, too.
    """

    num: int = 1
    """Draws for each query, or for the whole batch where they are shared."""
    avoid_positives: bool = True
    """Do not count an item that the user has in training (shared draws ignore this)."""

    def draw(self, batch: Batch, key: Key[Array, ""]) -> Draws:
        draws = self._any(batch, (*batch.target.shape, self.num), key)
        if not self.avoid_positives:
            return draws
        counted = draws.weights * ~owned(batch, draws.item)
        return dataclasses.replace(draws, weights=counted)

    def draw_shared(self, batch: Batch, key: Key[Array, ""]) -> Draws:
        return self._any(batch, (self.num,), key)

    def log_q(self, batch: Batch, item: Ids) -> LogQ:
        counts = batch.catalogue.counts
        log_q = jnp.log(counts[item] / jnp.maximum(counts.sum(), 1))
        if item.ndim == 1 or not self.avoid_positives:
            return log_q
        return jnp.where(owned(batch, item), -jnp.inf, log_q)

    def _any(self, batch: Batch, shape: tuple[int, ...], key: Key[Array, ""]) -> Draws:
        asked = (batch.weights > 0) & (batch.target > 0)
        upto = jnp.cumsum(asked.reshape(-1), dtype=jnp.int32)
        ticket = _below(upto[-1:][:, None], (1, 1, math.prod(shape)), key).reshape(shape)
        place = jnp.searchsorted(upto, ticket, side="right")
        item = jnp.where(upto[-1] > 0, batch.target.reshape(-1).at[place].get(mode="clip"), 0)
        counted = jnp.broadcast_to(upto[-1] > 0, shape).astype(jnp.float32)
        counts = batch.catalogue.counts
        log_q = jnp.log(jnp.maximum(counts[item], 1) / jnp.maximum(counts.sum(), 1))
        return Draws(item, log_q, counted)


@dataclass(frozen=True)
class Mixed:
    """Some draws of one kind, some of another (Yang et al., "Mixed Negative Sampling", WWW 2020).

    log_q is that of the mixture, whichever of the two a draw came from, so that the log-Q
    correction stays unbiased and no draw weighs much more than the others.
    """

    first: Any = field(default_factory=partial(Uniform, 128, avoid_positives=False))
    """One way of drawing negatives, with its number."""
    second: Any = field(default_factory=partial(InBatch, 128, avoid_positives=False))
    """The other, with its number."""

    @property
    def num(self) -> int:
        return self.first.num + self.second.num

    def draw(self, batch: Batch, key: Key[Array, ""]) -> Draws:
        keys = jax.random.split(key)
        return self._join(batch, self.first.draw(batch, keys[0]), self.second.draw(batch, keys[1]))

    def draw_shared(self, batch: Batch, key: Key[Array, ""]) -> Draws:
        keys = jax.random.split(key)
        drawn = self.first.draw_shared(batch, keys[0]), self.second.draw_shared(batch, keys[1])
        return self._join(batch, *drawn)

    def log_q(self, batch: Batch, item: Ids) -> LogQ:
        return jnp.logaddexp(
            self.first.log_q(batch, item) + math.log(self.first.num / self.num),
            self.second.log_q(batch, item) + math.log(self.second.num / self.num),
        )

    def _join(self, batch: Batch, first: Draws, second: Draws) -> Draws:
        item = jnp.concatenate([first.item, second.item], -1)
        weights = jnp.concatenate([first.weights, second.weights], -1)
        log_q = jnp.where(weights > 0, self.log_q(batch, item), 0)
        return Draws(item, log_q, weights)


def _rows(
    own: CSR, user: Int[Array, "batch"]
) -> tuple[Int[Array, "batch 1"], Int[Array, "batch 1"]]:
    start, stop = own.bounds(user)
    return start[:, None], stop[:, None]


def owned(batch: Batch, item: Int[Array, "batch queries n"]) -> Bool[Array, "batch queries n"]:
    """Tell which items a user has in training, by a binary search in the user's row."""
    own = batch.catalogue.positives
    start, stop = _rows(own, batch.user)
    flat = item.reshape(item.shape[0], -1)
    longest = batch.catalogue.counts.shape[0] - 1
    passed = _passed(flat, lambda place: own.indices[place], start, stop, longest)
    last = own.indices[jnp.maximum(start + passed - 1, 0)]
    return ((passed > 0) & (last == flat)).reshape(item.shape)


def _sums(tickets: Int[Array, "items_plus_1"], own: CSR) -> Int[Array, "entries_plus_1"]:
    """Sum the tickets of all positives up to each place."""
    # With many events the sums wrap around in int32; their differences come out right.
    return jnp.pad(jnp.cumsum(tickets[own.indices], dtype=jnp.int32), (1, 0))


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
