"""Bags of events: the mean of a history's vectors, all alike or with old ones fading."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from jaxrec.encoders.rnn import states_at


class FadingBag(nn.Module):
    """The mean of the vectors up to each query, an event n places before it weighing decay^n.

    Each dimension has a decay of its own, which is learned, so that some remember what was met
    last and others all of it.
    """

    decay: float
    """Between 0 and 1, both excluded: where training starts from or, if not `learned`, stays."""
    learned: bool = True

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch length dim"],
        segment_ids: Int[Array, "batch length"],
        queries: Int[Array, "batch queries"],
    ) -> Float[Array, "batch queries dim"]:
        """Give the means at the columns `queries`, at padding zero; as many as there are columns
        means all of them, in order.
        """
        # The logit, so that no step leaves the numbers between 0 and 1.
        start = nn.initializers.constant(jnp.log(self.decay) - jnp.log1p(-self.decay))
        decay = jnp.full(x.shape[-1], self.decay)
        if self.learned:
            decay = nn.sigmoid(self.param("decay", start, (x.shape[-1],)))
        return states_at(fading_mean(x, decay, segment_ids), queries)


def fading_mean(
    x: Float[Array, "batch length dim"],
    decay: Float[Array, "dim"],
    segment_ids: Int[Array, "batch length"],
) -> Float[Array, "batch length dim"]:
    """Average the vectors of each column's segment up to it, at age n with the weight decay^n.

    Sums and weights follow s_i = decay · s_{i-1} + x_i, 0 · s_{i-1} at a segment's first event:
    such steps compose to a step, so a scan of depth log(length) gives those of all prefixes.
    """
    there = (segment_ids > 0)[..., None]
    before = jnp.pad(segment_ids[:, :-1], ((0, 0), (1, 0)))
    kept = jnp.where((before == segment_ids)[..., None], decay[None, None], 0)
    ones = jnp.broadcast_to(there, x.shape).astype(x.dtype)

    def compose(
        first: tuple[Array, Array, Array], second: tuple[Array, Array, Array]
    ) -> tuple[Array, Array, Array]:
        (keep, *sums), (then, *added) = first, second
        total, weight = (then * s + a for s, a in zip(sums, added, strict=True))
        return keep * then, total, weight

    steps = kept, jnp.where(there, x, 0), ones
    _, total, weight = jax.lax.associative_scan(compose, steps, axis=1)
    # An event weighs 1 at its own place, so only at padding is there less.
    return total / jnp.maximum(weight, 1)


def past_mean(
    x: Float[Array, "batch length dim"],
    segment_ids: Int[Array, "batch length"],
    queries: Int[Array, "batch queries"],
) -> Float[Array, "batch queries dim"]:
    """Average, for each query, the vectors of its segment up to it; where none is, give zero.

    One matrix product: for a query or a few, as Pairs ask, faster than means of all prefixes.
    """
    if not x.shape[1]:
        return jnp.zeros((*queries.shape, x.shape[-1]), x.dtype)
    column = jnp.arange(x.shape[1], dtype=jnp.int32)[None, None, :]
    own = jnp.take_along_axis(segment_ids, queries, axis=1)[..., None]
    kept = (column <= queries[..., None]) & (segment_ids[:, None] == own) & (own > 0)
    share = kept / jnp.maximum(kept.sum(-1, keepdims=True), 1)
    return jnp.einsum("bqk,bkd->bqd", share.astype(x.dtype), x)
