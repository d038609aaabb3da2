"""A Transformer over histories (Vaswani et al. 2017): causal or not, pre-norm or post-norm."""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from jaxrec.encoders.attention import attention, bidirectional, causal
from jaxrec.encoders.dropout import Dropout
from jaxrec.encoders.relative import RelativeBias, time_buckets, told
from jaxrec.errors import InputError

Positions = Literal["learned", "sinusoidal", "rotary", "time"]
Norm = Literal["pre", "post"]
Activation = Literal["gelu", "swiglu"]


class Transformer(nn.Module):
    """Blocks of attention and MLP over the events of a row.

    Each event sees itself and what came before (`causal`), or all of its segment. Events of
    different segments, and padding (segment 0), do not see each other.

    norm:      "pre" normalises what a block reads, and the last states (Xiong et al. 2020); "post"
               normalises the embeddings and each sum, as BERT does.
    positions: counted back from the last event of a segment, so that recency has one meaning
               whatever the length of the history. "learned" adds a table of max_length rows,
               "sinusoidal" fixed waves, and "rotary" turns queries and keys (Su et al. 2021), so
               that attention knows the distance of two events and nothing else. "time" adds a
               bias of this distance and of the time between them to attention (relative.py).
    gated, activation, attention_dropout, kernel_scale: see Block.
    """

    max_length: int
    num_layers: int
    num_heads: int
    mlp_dim: int
    dropout: float = 0.0
    dtype: jnp.dtype = jnp.dtype("float32")
    causal: bool = True
    norm: Norm = "pre"
    positions: Positions = "learned"
    gated: bool = False
    activation: Activation = "gelu"
    attention_dropout: float = 0.0
    kernel_scale: float | None = None

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
        in order. The last block answers for no others. time: of the events, for such positions.
        """
        shape = x.shape
        place, angle, bucket, bias = positions(segment_ids), None, None, None
        if self.positions == "learned":
            size = self.max_length, shape[-1]
            table = self.param("positions", nn.initializers.normal(0.02), size)
            x = x + jnp.take(table, place, axis=0, mode="clip")
        elif self.positions == "sinusoidal":
            x = x + sinusoids(place, shape[-1])
        elif self.positions == "time":
            bucket = time_buckets(told(time))
        else:
            angle = self.angle_of(place, shape[-1])
        # On CPU, gradients of dense layers are twice as fast over one batch axis as over two.
        x = x.astype(self.dtype).reshape(-1, shape[-1])
        x = nn.LayerNorm(dtype=self.dtype)(x) if self.norm == "post" else x
        x = Dropout(self.dropout)(x, train)
        where = causal(segment_ids) if self.causal else bidirectional(segment_ids)
        every = jnp.arange(shape[1], dtype=jnp.int32)[None, :]
        for number in range(self.num_layers):
            asked = queries if number == self.num_layers - 1 else every
            block = Block(
                num_heads=self.num_heads,
                mlp_dim=self.mlp_dim,
                dropout=self.dropout,
                dtype=self.dtype,
                causal=self.causal,
                norm=self.norm,
                gated=self.gated,
                activation=self.activation,
                attention_dropout=self.attention_dropout,
                kernel_scale=self.kernel_scale,
            )
            if bucket is not None:
                bias = RelativeBias(self.num_heads, self.max_length)(bucket, asked)
            x = block(x, where, asked, train, angle, bias)
        x = x if self.num_layers else at_queries(x, queries, shape[1])
        x = nn.LayerNorm(dtype=self.dtype)(x) if self.norm == "pre" else x
        return x.astype(jnp.float32).reshape(shape[0], -1, shape[-1])

    def angle_of(self, place: Int[Array, "batch length"], dim: int) -> Float[Array, "events half"]:
        """Give the angles by which the halves of each head turn at each event."""
        if dim % (2 * self.num_heads):
            raise InputError(
                f"model.embed_dim is {dim}, and rotary positions turn pairs of dimensions; give a "
                f"multiple of 2 * model.num_heads, {2 * self.num_heads}"
            )
        angle = angles(place, dim // self.num_heads)
        return angle.reshape(-1, angle.shape[-1])


class Block(nn.Module):
    """Pre-norm: x + attention(norm(x)), then x + mlp(norm(x)); post-norm: norm(x + …) of both.

    gated:      each update is multiplied by σ(W x + b), x being what it is added to, not normalised
                (Borisyuk et al., "From Features to Transformers", 2025: LiGR).
    activation: the MLP's: W₂ gelu(W₁ x), or "swiglu", W₂ (silu(W₁ x) · W₃ x), which has no biases
                and drops some of its hidden units as well (Shazeer, "GLU Variants", 2020).
    attention_dropout: the fraction of attention's weights that training drops.
    kernel_scale: the standard deviation that matrices start with, such as BERT's .02, by which a
                block starts near the identity; None: 1/√(their inputs).
    """

    num_heads: int
    mlp_dim: int
    dropout: float
    dtype: jnp.dtype
    causal: bool
    norm: Norm
    gated: bool
    activation: Activation
    attention_dropout: float = 0.0
    kernel_scale: float | None = None

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "events dim"],
        where: Bool[Array, "batch 1 length length"],
        queries: Int[Array, "#batch queries"],
        train: bool,
        angle: Float[Array, "events half"] | None,
        bias: Float[Array, "batch heads queries length"] | None = None,
    ) -> Float[Array, "asked dim"]:
        def normed(x: Float[Array, "n dim"], place: Norm) -> Float[Array, "n dim"]:
            return nn.LayerNorm(dtype=self.dtype)(x) if self.norm == place else x

        dim, length = x.shape[-1], where.shape[-1]
        qkv = self.dense(3 * dim)(normed(x, "pre"))
        q, k, v = jnp.split(qkv, 3, axis=-1)
        if angle is not None:
            q, k = (turned(y, angle, self.num_heads) for y in (q, k))
        x, q = (at_queries(y, queries, length) for y in (x, q))
        if queries.shape[1] != length:
            where = jnp.take_along_axis(where, queries[:, None, :, None], axis=2)
        mixed = self.attend(q, k, v, where, train, bias)
        out = Dropout(self.dropout)(self.dense(dim)(mixed), train)
        x = normed(x + self.gate(x, out), "post")
        out = Dropout(self.dropout)(self.mlp(normed(x, "pre"), train), train)
        return normed(x + self.gate(x, out), "post")

    def dense(self, features: int, use_bias: bool = True) -> nn.Dense:
        init, scale = nn.linear.default_kernel_init, self.kernel_scale
        if scale is not None:
            if not 0 < scale < float("inf"):
                raise InputError(
                    f"model.kernel_scale is {scale}; give a positive number, such as 0.02, or None"
                )
            init = nn.initializers.normal(scale)
        return nn.Dense(features, use_bias, dtype=self.dtype, kernel_init=init)

    def gate(self, x: Float[Array, "n dim"], update: Float[Array, "n dim"]) -> Array:
        if not self.gated:
            return update
        return nn.sigmoid(self.dense(x.shape[-1])(x)) * update

    def mlp(self, x: Float[Array, "n dim"], train: bool) -> Float[Array, "n dim"]:
        if self.activation == "gelu":
            hidden = nn.gelu(self.dense(self.mlp_dim)(x))
            return self.dense(x.shape[-1])(hidden)
        both = self.dense(2 * self.mlp_dim, use_bias=False)(x)
        switch, value = jnp.split(both, 2, axis=-1)
        hidden = Dropout(self.dropout)(nn.silu(switch) * value, train)
        return self.dense(x.shape[-1], use_bias=False)(hidden)

    def attend(
        self,
        q: Float[Array, "asked dim"],
        k: Float[Array, "events dim"],
        v: Float[Array, "events dim"],
        where: Bool[Array, "batch 1 queries length"],
        train: bool,
        bias: Float[Array, "batch heads queries length"] | None,
    ) -> Float[Array, "asked dim"]:
        asked, dim = q.shape
        shape = (where.shape[0], -1, self.num_heads, dim // self.num_heads)
        q, k, v = (x.reshape(shape) for x in (q, k, v))
        dropout = self.attention_dropout if train else 0.0
        if not dropout and bias is None and (fused := _fused(q, k)):
            mixed = jax.nn.dot_product_attention(q, k, v, mask=where, implementation=fused)
            return mixed.reshape(asked, dim)
        q, k, v = (jnp.swapaxes(x, 1, 2) for x in (q, k, v))
        key = self.make_rng("dropout") if dropout else None
        mixed = attention(q, k, v, where, self.causal, dropout, key, bias)
        return jnp.swapaxes(mixed, 1, 2).reshape(asked, dim)


def compute_dtype(name: Literal["auto", "float32", "bfloat16"]) -> jnp.dtype:
    """Resolve "auto": bfloat16 where the device multiplies it fastest, float32 elsewhere."""
    if name == "auto":
        fast = jax.devices()[0].platform == "tpu" or _compute_capability() >= 8
        name = "bfloat16" if fast else "float32"
    return jnp.dtype(name)


def _fused(
    q: Float[Array, "batch queries heads dim"], k: Float[Array, "batch length heads dim"]
) -> Literal["cudnn", "xla"] | None:
    """Name XLA's fused attention if it takes such queries under a mask, and gradients of them."""
    even = q.shape[1] % 2 == 0 and k.shape[1] % 2 == 0
    shape_fits = even and q.shape[3] % 8 == 0 and q.shape[3] <= 128
    half = q.dtype in (jnp.bfloat16, jnp.float16)
    return "cudnn" if half and shape_fits and _compute_capability() >= 8 else None


def _compute_capability() -> float:
    device = jax.devices()[0]
    return float(device.compute_capability) if device.device_kind.startswith("NVIDIA") else 0.0


def positions(segment_ids: Int[Array, "batch length"]) -> Int[Array, "batch length"]:
    """Count the columns from each event to the last one of its segment: 0 for the last itself."""
    column = jnp.arange(segment_ids.shape[1], dtype=jnp.int32)[None, :]
    following = jnp.pad(segment_ids[:, 1:], ((0, 0), (0, 1)), constant_values=-1)
    ends = jnp.where(segment_ids != following, column, segment_ids.shape[1])
    return jax.lax.cummin(ends, axis=1, reverse=True) - column


def angles(place: Int[Array, "batch length"], dim: int) -> Float[Array, "batch length half"]:
    """Multiply positions by dim / 2 frequencies, from 1 down to nearly 1 / 10,000."""
    rate = 10_000.0 ** (-jnp.arange(0, dim, 2, dtype=jnp.float32) / dim)
    return place[:, :, None] * rate[None, None]


def sinusoids(place: Int[Array, "batch length"], dim: int) -> Float[Array, "batch length dim"]:
    """Take the sines, then the cosines, of the angles (Vaswani et al. 2017, section 3.5)."""
    angle = angles(place, dim)
    return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], -1)[..., :dim]


def turned(
    x: Float[Array, "events dim"], angle: Float[Array, "events half"], num_heads: int
) -> Float[Array, "events dim"]:
    """Turn each pair of a head's two halves by its angle (Su et al., "RoFormer", 2021, eq. 34)."""
    first, second = jnp.moveaxis(x.reshape(x.shape[0], num_heads, 2, -1), 2, 0)
    cos, sin = jnp.cos(angle)[:, None], jnp.sin(angle)[:, None]
    pairs = [first * cos - second * sin, first * sin + second * cos]
    return jnp.stack(pairs, 2).reshape(x.shape).astype(x.dtype)


def at_queries(
    x: Float[Array, "events dim"], queries: Int[Array, "#batch queries"], length: int
) -> Float[Array, "asked dim"]:
    """Pick the columns asked for; as many as there are columns means all of them, in order."""
    if queries.shape[1] == length:
        return x
    first = jnp.arange(0, x.shape[0], length, dtype=jnp.int32)[:, None]
    return jnp.take(x, (first + queries).reshape(-1), axis=0)
