"""Hierarchical sequential transduction units over histories (Zhai et al., ICML 2024)."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from jaxrec.encoders.attention import causal
from jaxrec.encoders.dropout import Dropout
from jaxrec.encoders.relative import BUCKETS, distances, looked_up, time_buckets
from jaxrec.encoders.transformer import at_queries


class Hstu(nn.Module):
    """Units over the events of a row; each event sees its own segment up to itself.

    A unit weighs by SiLU, not by a softmax, so that how much of a kind was met is not lost; and its
    output is gated, which takes the place of an MLP. How long ago an event was is told by a bias of
    each head and distance in events alone, so that packed segments are as if each had its own row;
    where `time` is given, by one of the time between events as well (relative.py).
    """

    max_length: int
    num_layers: int
    num_heads: int
    dropout: float = 0.0

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch length dim"],
        segment_ids: Int[Array, "batch length"],
        queries: Int[Array, "batch queries"],
        train: bool = False,
        time: Int[Array, "batch length"] | None = None,
    ) -> Float[Array, "batch queries dim"]:
        """Give the states of the columns `queries`; as many as there are columns means all of them,
        in order. The last unit answers for no others.
        """
        shape = x.shape
        x = Dropout(self.dropout)(x.reshape(-1, shape[-1]), train)
        bucket = None if time is None else time_buckets(time)
        where, every = causal(segment_ids), jnp.arange(shape[1], dtype=jnp.int32)[None, :]
        for number in range(self.num_layers):
            asked = queries if number == self.num_layers - 1 else every
            unit = Unit(self.num_heads, self.max_length, self.dropout)
            x = unit(x, where, asked, train, bucket)
        x = x if self.num_layers else at_queries(x, queries, shape[1])
        return nn.LayerNorm()(x).reshape(shape[0], -1, shape[-1])


class Unit(nn.Module):
    """x + dense(gate · norm(attention(norm(x))))."""

    num_heads: int
    max_length: int
    dropout: float

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "events dim"],
        where: Bool[Array, "batch 1 length length"],
        queries: Int[Array, "#batch queries"],
        train: bool,
        bucket: Int[Array, "batch length length"] | None = None,
    ) -> Float[Array, "asked dim"]:
        dim, length = x.shape[-1], where.shape[-1]
        mixed = nn.silu(nn.Dense(4 * dim)(nn.LayerNorm()(x)))
        gate, q, k, v = jnp.split(mixed, 4, axis=-1)
        x, gate, q = (at_queries(y, queries, length) for y in (x, gate, q))
        if queries.shape[1] != length:
            where = jnp.take_along_axis(where, queries[:, None, :, None], axis=2)
            if bucket is not None:
                bucket = jnp.take_along_axis(bucket, queries[:, :, None], axis=1)
        found = nn.LayerNorm()(self.attend(q, k, v, where, queries, bucket))
        return x + nn.Dense(dim)(Dropout(self.dropout)(gate * found, train))

    def attend(
        self,
        q: Float[Array, "asked dim"],
        k: Float[Array, "events dim"],
        v: Float[Array, "events dim"],
        where: Bool[Array, "batch 1 queries length"],
        queries: Int[Array, "#batch queries"],
        bucket: Int[Array, "batch queries length"] | None,
    ) -> Float[Array, "asked dim"]:
        """Sum the values by SiLU of product and bias, divided by the longest history's length."""
        asked, dim = q.shape
        shape = (where.shape[0], -1, self.num_heads, dim // self.num_heads)
        q, k, v = (x.reshape(shape) for x in (q, k, v))
        normal = nn.initializers.normal(0.02)
        bias = self.param("distance", normal, (self.num_heads, self.max_length))
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k)
        scores += looked_up(bias, distances(queries, where.shape[-1]))
        if bucket is not None:
            bias = self.param("time", normal, (self.num_heads, BUCKETS))
            scores += looked_up(bias, bucket)
        weight = jnp.where(where, jax.nn.silu(scores) / self.max_length, 0)
        return jnp.einsum("bhqk,bkhd->bqhd", weight, v).reshape(asked, dim)
