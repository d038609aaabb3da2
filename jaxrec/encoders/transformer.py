"""A causal Transformer over histories (Vaswani et al. 2017; pre-norm, Xiong et al. 2020)."""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int


class Transformer(nn.Module):
    """Blocks of attention and MLP over the events of a row; each sees itself and what came before.

    Events of different segments, and padding (segment 0), do not see each other. Positions are
    learned, and counted back from the last event of a segment, so that recency has one meaning
    whatever the length of the history.
    """

    max_length: int
    num_layers: int
    num_heads: int
    mlp_dim: int
    dropout: float = 0.0
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch length dim"],
        segment_ids: Int[Array, "batch length"],
        queries: Int[Array, "batch queries"],
        train: bool = False,
    ) -> Float[Array, "batch queries dim"]:
        """Give the states of the columns `queries`; as many as there are columns means all of them,
        in order. The last block answers for no others.
        """
        shape = x.shape
        table = self.param("positions", nn.initializers.normal(0.02), (self.max_length, shape[-1]))
        x = x + jnp.take(table, positions(segment_ids), axis=0, mode="clip")
        # On CPU, gradients of dense layers are twice as fast over one batch axis as over two.
        x = x.astype(self.dtype).reshape(-1, shape[-1])
        x = Dropout(self.dropout)(x, train)
        where, every = causal(segment_ids), jnp.arange(shape[1], dtype=jnp.int32)[None, :]
        for number in range(self.num_layers):
            asked = queries if number == self.num_layers - 1 else every
            block = Block(self.num_heads, self.mlp_dim, self.dropout, self.dtype)
            x = block(x, where, asked, train)
        x = x if self.num_layers else at_queries(x, queries, shape[1])
        x = nn.LayerNorm(dtype=self.dtype)(x).astype(jnp.float32)
        return x.reshape(shape[0], -1, shape[-1])


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    num_heads: int
    mlp_dim: int
    dropout: float
    dtype: jnp.dtype

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "events dim"],
        where: Bool[Array, "batch 1 length length"],
        queries: Int[Array, "#batch queries"],
        train: bool,
    ) -> Float[Array, "asked dim"]:
        dim, length = x.shape[-1], where.shape[-1]
        qkv = nn.Dense(3 * dim, dtype=self.dtype)(nn.LayerNorm(dtype=self.dtype)(x))
        q, k, v = jnp.split(qkv, 3, axis=-1)
        x, q = (at_queries(y, queries, length) for y in (x, q))
        if queries.shape[1] != length:
            where = jnp.take_along_axis(where, queries[:, None, :, None], axis=2)
        mixed = self.attend(q, k, v, where)
        x = x + Dropout(self.dropout)(nn.Dense(dim, dtype=self.dtype)(mixed), train)
        hidden = nn.Dense(self.mlp_dim, dtype=self.dtype)(nn.LayerNorm(dtype=self.dtype)(x))
        out = nn.Dense(dim, dtype=self.dtype)(nn.gelu(hidden))
        return x + Dropout(self.dropout)(out, train)

    def attend(
        self,
        q: Float[Array, "asked dim"],
        k: Float[Array, "events dim"],
        v: Float[Array, "events dim"],
        where: Bool[Array, "batch 1 queries length"],
    ) -> Float[Array, "asked dim"]:
        asked, dim = q.shape
        shape = (where.shape[0], -1, self.num_heads, dim // self.num_heads)
        q, k, v = (x.reshape(shape) for x in (q, k, v))
        if fused := _fused(q, k):
            mixed = jax.nn.dot_product_attention(q, k, v, mask=where, implementation=fused)
            return mixed.reshape(asked, dim)
        q, k, v = (jnp.swapaxes(x, 1, 2) for x in (q, k, v))
        return jnp.swapaxes(attention(q, k, v, where), 1, 2).reshape(asked, dim)


class Dropout(nn.Module):
    """Zero a fraction of the elements in training, and scale up the others.

    NOTE: it draws bytes instead of words, a quarter of the random bits, so that the fraction is
    rounded to 1/256; the scale is that of the rounded fraction.
    """

    rate: float

    @nn.compact
    def __call__(self, x: Float[Array, "*n"], train: bool) -> Float[Array, "*n"]:
        dropped = round(self.rate * 256)
        if not train or not dropped:
            return x
        bits = jax.random.bits(self.make_rng("dropout"), x.shape, jnp.uint8)
        return jnp.where(bits >= dropped, x * (256 / (256 - dropped)), 0)


@jax.custom_vjp
def attention(
    q: Float[Array, "batch heads queries dim"],
    k: Float[Array, "batch heads length dim"],
    v: Float[Array, "batch heads length dim"],
    where: Bool[Array, "batch 1 queries length"],
) -> Float[Array, "batch heads queries dim"]:
    """Average values by the softmax of the queries' products with the keys; of no key: zero.

    With as many queries as keys, `where` must keep no key after its query: a block of queries meets
    the keys up to its end only.
    The gradient is written out (Dao et al., "FlashAttention", 2022, appendix B.2), in which the
    normalisation is done on [length, dim] arrays instead of [length, length] ones.
    """
    return _attention_forward(q, k, v, where)[0]


def _attention_forward(q: Array, k: Array, v: Array, where: Array) -> tuple[Array, tuple]:
    scale = q.shape[-1] ** -0.5
    outs, saved = [], []
    for start, stop, end in _blocks(*where.shape[2:]):
        seen = where[:, :, start:stop, :end]
        scores = _dot("bhqd,bhkd->bhqk", q[:, :, start:stop] * scale, k[:, :, :end])
        scores = jnp.where(seen, scores, -1e9)
        weight = jnp.where(seen, jnp.exp(scores - scores.max(-1, keepdims=True)), 0)
        total = jnp.maximum(weight.sum(-1, keepdims=True), 1e-9)
        weight = weight.astype(q.dtype)
        outs.append((_dot("bhqk,bhkd->bhqd", weight, v[:, :, :end]) / total).astype(q.dtype))
        saved.append((weight, total))
    out = jnp.concatenate(outs, 2)
    return out, (q, k, v, saved, out)


def _attention_backward(residuals: tuple, upstream: Array) -> tuple:
    q, k, v, saved, out = residuals
    scale = q.shape[-1] ** -0.5
    along = _dot("bhqd,bhqd->bhq", upstream, out)[..., None]
    by_q, by_k, by_v = [], jnp.float32(0), jnp.float32(0)
    blocks = _blocks(q.shape[2], k.shape[2])
    for (start, stop, end), (weight, total) in zip(blocks, saved, strict=True):
        here = upstream[:, :, start:stop] / total
        by_weight = _dot("bhqd,bhkd->bhqk", here.astype(q.dtype), v[:, :, :end])
        by_score = weight * (by_weight - along[:, :, start:stop] / total)
        by_score = (by_score * scale).astype(q.dtype)
        by_q.append(_dot("bhqk,bhkd->bhqd", by_score, k[:, :, :end]))
        rest = ((0, 0), (0, 0), (0, k.shape[2] - end), (0, 0))
        by_k += jnp.pad(_dot("bhqk,bhqd->bhkd", by_score, q[:, :, start:stop]), rest)
        by_v += jnp.pad(_dot("bhqk,bhqd->bhkd", weight, here.astype(q.dtype)), rest)
    grads = jnp.concatenate(by_q, 2), by_k, by_v
    return *(x.astype(q.dtype) for x in grads), None


def _blocks(queries: int, length: int) -> list[tuple[int, int, int]]:
    """Divide queries into blocks, each with a start, a stop, and an end of the keys that it meets.

    Of a square at most four blocks: five eighths of the products are left to compute.
    """
    if queries != length:
        return [(0, queries, length)]
    size = -(-length // min(-(-length // 50), 4)) if length else 1
    stops = [min(start + size, length) for start in range(0, length, size)]
    return [(start, stop, stop) for start, stop in zip(range(0, length, size), stops, strict=True)]


def _dot(subscripts: str, x: Array, y: Array) -> Array:
    return jnp.einsum(subscripts, x, y, preferred_element_type=jnp.float32)


attention.defvjp(_attention_forward, _attention_backward)


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


def causal(segment_ids: Int[Array, "batch length"]) -> Bool[Array, "batch 1 length length"]:
    """Say which columns an event may look at: its own segment, up to itself."""
    length = segment_ids.shape[1]
    same = segment_ids[:, :, None] == segment_ids[:, None, :]
    past = jnp.tril(jnp.ones((length, length), bool))[None]
    return (same & past & (segment_ids > 0)[:, :, None])[:, None]


def positions(segment_ids: Int[Array, "batch length"]) -> Int[Array, "batch length"]:
    """Count the columns from each event to the last one of its segment: 0 for the last itself."""
    column = jnp.arange(segment_ids.shape[1], dtype=jnp.int32)[None, :]
    following = jnp.pad(segment_ids[:, 1:], ((0, 0), (0, 1)), constant_values=-1)
    ends = jnp.where(segment_ids != following, column, segment_ids.shape[1])
    return jax.lax.cummin(ends, axis=1, reverse=True) - column


def at_queries(
    x: Float[Array, "events dim"], queries: Int[Array, "#batch queries"], length: int
) -> Float[Array, "asked dim"]:
    """Pick the columns asked for; as many as there are columns means all of them, in order."""
    if queries.shape[1] == length:
        return x
    first = jnp.arange(0, x.shape[0], length, dtype=jnp.int32)[:, None]
    return jnp.take(x, (first + queries).reshape(-1), axis=0)
