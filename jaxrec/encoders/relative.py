"""How far apart two events are, in time and in events, as a bias of attention.

Zhai et al., "Actions Speak Louder than Words" (ICML 2024), section 3.2: the relative attention bias
of HSTU. NOTE: there a query's time is that of the next event; here it is that of its own, the last
one that is known, so that nothing is told of when an answer is wanted.
"""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from jaxrec.errors import InputError

BUCKETS = 72
"""As many as int32 seconds need: each is 1.35 times as long as the one before."""


class RelativeBias(nn.Module):
    """A number of each head for the distance of two events, and one for the time between them."""

    num_heads: int
    max_length: int

    @nn.compact
    def __call__(
        self, bucket: Int[Array, "batch length length"], queries: Int[Array, "#batch queries"]
    ) -> Float[Array, "batch heads queries length"]:
        """Give the bias of all keys for the queries; `bucket` is that of all columns."""
        normal = nn.initializers.normal(0.02)
        distance = self.param("distance", normal, (self.num_heads, self.max_length))
        time = self.param("time", normal, (self.num_heads, BUCKETS))
        length = bucket.shape[2]
        if queries.shape[1] != length:
            bucket = jnp.take_along_axis(bucket, queries[:, :, None], axis=1)
        return looked_up(distance, distances(queries, length)) + looked_up(time, bucket)


def looked_up(
    table: Float[Array, "heads n"], place: Int[Array, "*batch queries length"]
) -> Float[Array, "*batch heads queries length"]:
    """Look a number of each head up; places beyond the table count as its last one."""
    return jnp.moveaxis(jnp.take(table, place, axis=1, mode="clip"), 0, -3)


def distances(
    queries: Int[Array, "#batch queries"], length: int
) -> Int[Array, "#batch queries length"]:
    """Count the events from each query to each column."""
    column = jnp.arange(length, dtype=jnp.int32)[None, None, :]
    return jnp.abs(queries[:, :, None] - column)


def time_buckets(time: Int[Array, "batch length"]) -> Int[Array, "batch length length"]:
    """Number the time between two events: log(seconds) / .301, as the authors' code does."""
    between = jnp.abs(time[:, :, None] - time[:, None, :])
    bucket = jnp.log(jnp.maximum(between, 1).astype(jnp.float32)) / 0.301
    return bucket.astype(jnp.int32)


def told(time: Int[Array, "batch length"] | None) -> Int[Array, "batch length"]:
    """Refuse a batch that tells no times."""
    if time is None:
        raise InputError(
            "the model reads the time between events, but the batches do not tell it; make what "
            "they come from by resident(..., reads_times=True)"
        )
    return time
