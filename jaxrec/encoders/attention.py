"""Softmax attention with a written-out gradient, and what an event may look at."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from jaxrec.encoders.dropout import keep


@partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def attention(
    q: Float[Array, "batch heads queries dim"],
    k: Float[Array, "batch heads length dim"],
    v: Float[Array, "batch heads length dim"],
    where: Bool[Array, "batch 1 queries length"],
    past_only: bool = True,
    dropout: float = 0.0,
    key: Key[Array, ""] | None = None,
    bias: Float[Array, "batch heads queries length"] | None = None,
) -> Float[Array, "batch heads queries dim"]:
    """Average values by the softmax of the queries' products with the keys, each divided by √dim,
    and the bias; of no key: zero.

    past_only: that, with as many queries as keys, `where` keeps no key after its query: a block of
    queries then meets the keys up to its end only.
    dropout: the fraction of weights, after the softmax, that is dropped; `key` draws which. The
    others are scaled up. A dropped weight is kept for the gradient with a minus in front.
    The gradient is written out (Dao et al., "FlashAttention", 2022, appendix B.2), in which the
    normalisation is done on [length, dim] arrays instead of [length, length] ones.
    """
    return _attention_forward(q, k, v, where, past_only, dropout, key, bias)[0]


def _attention_forward(
    q: Array,
    k: Array,
    v: Array,
    where: Array,
    past_only: bool,
    dropout: float,
    key: Any,
    bias: Array | None,
) -> tuple[Array, tuple]:
    scale = q.shape[-1] ** -0.5
    outs, saved = [], []
    blocks = _blocks(where.shape[2], where.shape[3], past_only)
    for number, (start, stop, end) in enumerate(blocks):
        seen = where[:, :, start:stop, :end]
        scores = _dot("bhqd,bhkd->bhqk", q[:, :, start:stop] * scale, k[:, :, :end])
        if bias is not None:
            scores += bias[:, :, start:stop, :end]
        scores = jnp.where(seen, scores, -1e9)
        weight = jnp.where(seen, jnp.exp(scores - scores.max(-1, keepdims=True)), 0)
        total = jnp.maximum(weight.sum(-1, keepdims=True), 1e-9)
        if dropout:
            kept = keep(jax.random.fold_in(key, number), weight.shape, dropout)
            weight = jnp.where(kept, weight, -weight)
            total *= 1 - dropout
        weight = weight.astype(q.dtype)
        positive = jnp.maximum(weight, 0) if dropout else weight
        outs.append((_dot("bhqk,bhkd->bhqd", positive, v[:, :, :end]) / total).astype(q.dtype))
        saved.append((weight, total))
    out = jnp.concatenate(outs, 2)
    biased = None if bias is None else ()  # in the structure, where it is no traced value
    return out, (q, k, v, saved, out, biased)


def _attention_backward(
    past_only: bool, dropout: float, residuals: tuple, upstream: Array
) -> tuple:
    q, k, v, saved, out, biased = residuals
    scale = q.shape[-1] ** -0.5
    along = _dot("bhqd,bhqd->bhq", upstream, out)[..., None]
    by_q, by_k, by_v, in_blocks = [], jnp.float32(0), jnp.float32(0), []
    blocks = _blocks(q.shape[2], k.shape[2], past_only)
    for (start, stop, end), (weight, total) in zip(blocks, saved, strict=True):
        here = upstream[:, :, start:stop] / total
        by_weight = _dot("bhqd,bhkd->bhqk", here.astype(q.dtype), v[:, :, :end])
        along_here, kept = along[:, :, start:stop] / total, weight
        if dropout:
            along_here *= 1 - dropout  # the softmax divides by the dropped weights as well
            by_weight = jnp.where(weight > 0, by_weight, 0)
            weight, kept = jnp.abs(weight), jnp.maximum(weight, 0)
        by_score = weight * (by_weight - along_here)
        if biased is not None:
            in_blocks.append(jnp.pad(by_score, ((0, 0), (0, 0), (0, 0), (0, k.shape[2] - end))))
        by_score = (by_score * scale).astype(q.dtype)
        by_q.append(_dot("bhqk,bhkd->bhqd", by_score, k[:, :, :end]))
        rest = ((0, 0), (0, 0), (0, k.shape[2] - end), (0, 0))
        by_k += jnp.pad(_dot("bhqk,bhqd->bhkd", by_score, q[:, :, start:stop]), rest)
        by_v += jnp.pad(_dot("bhqk,bhqd->bhkd", kept, here.astype(q.dtype)), rest)
    grads = jnp.concatenate(by_q, 2), by_k, by_v
    by_bias = None if biased is None else jnp.concatenate(in_blocks, 2)
    return *(x.astype(q.dtype) for x in grads), None, None, by_bias


def _blocks(queries: int, length: int, past_only: bool) -> list[tuple[int, int, int]]:
    """Divide queries into blocks, each with a start, a stop, and an end of the keys that it meets.

    Of a square whose queries meet the past only, at most four blocks: five eighths of the products
    are left to compute.
    """
    if queries != length or not past_only:
        return [(0, queries, length)]
    size = -(-length // min(-(-length // 50), 4)) if length else 1
    stops = [min(start + size, length) for start in range(0, length, size)]
    return [(start, stop, stop) for start, stop in zip(range(0, length, size), stops, strict=True)]


def _dot(subscripts: str, x: Array, y: Array) -> Array:
    return jnp.einsum(subscripts, x, y, preferred_element_type=jnp.float32)


attention.defvjp(_attention_forward, _attention_backward)


def causal(segment_ids: Int[Array, "batch length"]) -> Bool[Array, "batch 1 length length"]:
    """Say which columns an event may look at: its own segment, up to itself."""
    length = segment_ids.shape[1]
    same = segment_ids[:, :, None] == segment_ids[:, None, :]
    past = jnp.tril(jnp.ones((length, length), bool))[None]
    return (same & past & (segment_ids > 0)[:, :, None])[:, None]


def bidirectional(segment_ids: Int[Array, "batch length"]) -> Bool[Array, "batch 1 length length"]:
    """Say which columns an event may look at: all of its own segment."""
    same = segment_ids[:, :, None] == segment_ids[:, None, :]
    return (same & (segment_ids > 0)[:, :, None])[:, None]
