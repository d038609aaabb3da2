"""Several vectors a history, one for each interest: by dynamic routing, or by self-attention.

Li et al., "Multi-Interest Network with Dynamic Routing for Recommendation at Tmall" (MIND, CIKM
2019), section 4.3; Cen et al., "Controllable Multi-Interest Framework for Recommendation" (ComiRec,
KDD 2020), section 3.1.

Each query is answered from the events of its own segment up to itself. Where an event stands is
counted back from the query, so that what one query finds does not depend on the others, nor on
packing. An interest is a weighted sum of one set of vectors, so all prefixes of a row share all but
their weights, [batch queries interests length].
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

Interests = tuple[
    Float[Array, "batch queries interests dim"], Bool[Array, "batch queries interests"]
]
"""The vectors, and which of them there are; the others are zero."""


class DynamicRouting(nn.Module):
    """MIND's behaviour-to-interest routing: events are capsules that choose between interests.

    An event is mapped by one matrix for all interests, and so that these differ, the logits of
    its choice start from draws of N(0, 1), which are never trained: one for each interest and
    place, the same for everybody.
    NOTE: ComiRec-DR starts from zeros, with a matrix for each interest and place instead of one.
    Like its code we route by constants: the gradient is that of the last sums alone.
    """

    num_interests: int
    max_length: int
    """Events before a query that it reads, its own included."""
    iterations: int = 3
    adaptive: bool = False
    """Give a history of n events max(1, min(interests, log2 n)) interests (MIND, eq. 9)."""

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch length dim"],
        segment_ids: Int[Array, "batch length"],
        queries: Int[Array, "batch queries"],
    ) -> Interests:
        """Give the interests at the columns `queries`."""
        seen, age = prefixes(segment_ids, queries, self.max_length)
        size, length, dim = x.shape
        mapped = nn.Dense(dim, use_bias=False, name="bilinear")(x.reshape(-1, dim))
        # One key for all models, as it says where the interests start and nothing else.
        draws = jax.random.normal(jax.random.key(0), (self.num_interests, self.max_length))
        logits = jnp.moveaxis(jnp.take(draws, age, axis=1, mode="clip"), 0, 2)
        count = num_interests(seen.sum(-1), self.num_interests) if self.adaptive else None
        there = _there(seen, self.num_interests, count)
        mapped = mapped.reshape(size, length, dim)
        return route(mapped, logits, seen, there, self.iterations), there


class SelfAttentiveInterests(nn.Module):
    """ComiRec-SA: each interest is the events' mean by a softmax of its own, over v_k·tanh(W x_j).

    NOTE: the paper adds a vector of the event's place, from the history's first, to x_j. Here
    a number of each interest and place, counted back from the query, is added to the logit: so one
    pass over the events serves all prefixes, and an interest can tell recent events from old ones.
    """

    num_interests: int
    max_length: int
    """Events before a query that it reads, its own included."""
    hidden_dim: int

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch length dim"],
        segment_ids: Int[Array, "batch length"],
        queries: Int[Array, "batch queries"],
    ) -> Interests:
        """Give the interests at the columns `queries`."""
        seen, age = prefixes(segment_ids, queries, self.max_length)
        size, length, dim = x.shape
        hidden = nn.tanh(nn.Dense(self.hidden_dim, name="hidden")(x.reshape(-1, dim)))
        of_event = nn.Dense(self.num_interests, use_bias=False, name="of_event")(hidden)
        of_event = jnp.swapaxes(of_event.reshape(size, length, -1), 1, 2)
        shape = self.num_interests, self.max_length
        of_age = self.param("of_age", nn.initializers.zeros, shape)
        logits = jnp.moveaxis(jnp.take(of_age, age, axis=1, mode="clip"), 0, 2)
        kept = seen[:, :, None]
        # A finite floor: a query that sees nothing gets weights without NaN, and then none.
        logits = jnp.where(kept, logits + of_event[:, None], -1e9)
        weights = jnp.where(kept, nn.softmax(logits), 0)
        return jnp.einsum("bqkl,bld->bqkd", weights, x), _there(seen, self.num_interests)


def route(
    x: Float[Array, "batch length dim"],
    logits: Float[Array, "batch queries interests length"],
    seen: Bool[Array, "batch queries length"],
    there: Bool[Array, "batch queries interests"],
    iterations: int,
) -> Float[Array, "batch queries interests dim"]:
    """Let events choose by a softmax over interests; what an interest agrees with adds to the
    logits of the next round (MIND, algorithm 1).
    """

    def gathered(logits: Array, x: Array) -> Float[Array, "batch queries interests dim"]:
        weights = jnp.where(seen[:, :, None], nn.softmax(logits, axis=2), 0)
        return squash(jnp.einsum("bqkl,bld->bqkd", weights, x))

    logits = jnp.where(there[..., None], logits, -1e9)
    constant = jax.lax.stop_gradient(x)
    for _ in range(iterations - 1):
        logits += jnp.einsum("bqkd,bld->bqkl", gathered(logits, constant), constant)
    return jnp.where(there[..., None], gathered(logits, x), 0)


def squash(x: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
    """Shorten vectors of length r to r² / (1 + r²); a zero vector stays zero, with a gradient."""
    square = jnp.square(x).sum(-1, keepdims=True)
    return x * (square / (1 + square) * jax.lax.rsqrt(jnp.maximum(square, 1e-12)))


def num_interests(events: Int[Array, "*n"], most: int) -> Int[Array, "*n"]:
    """Give max(1, min(most, log2 events)), rounded down."""
    powers = 2 ** jnp.arange(1, most + 1, dtype=jnp.int32)
    reached = jnp.sum(events[..., None] >= powers.reshape((1,) * events.ndim + (-1,)), -1)
    return jnp.maximum(reached, 1).astype(jnp.int32)


def prefixes(
    segment_ids: Int[Array, "batch length"], queries: Int[Array, "batch queries"], max_length: int
) -> tuple[Bool[Array, "batch queries length"], Int[Array, "batch queries length"]]:
    """Say which columns each query reads, and how many columns before it they stand."""
    column = jnp.arange(segment_ids.shape[1], dtype=jnp.int32)[None, None]
    age = queries[:, :, None] - column
    own = jnp.take_along_axis(segment_ids, queries, axis=1, mode="clip")[:, :, None]
    seen = (own > 0) & (own == segment_ids[:, None]) & (age >= 0) & (age < max_length)
    return seen, jnp.maximum(age, 0)


def _there(
    seen: Bool[Array, "batch queries length"], most: int, count: Array | None = None
) -> Bool[Array, "batch queries interests"]:
    place = jnp.arange(most, dtype=jnp.int32)[None, None]
    return seen.any(-1, keepdims=True) & (place < (most if count is None else count[..., None]))
