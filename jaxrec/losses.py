"""Losses of scores against labels; the last axis is the list, the others are batch axes.

All share the arguments of rax (Jagerman et al. 2022): `where` keeps elements, `weights` scales
them, `reduce_fn` (jnp.mean, jnp.sum, or None to keep the axes) joins what is kept; where nothing is
kept the loss is 0. Scores are taken to float32.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

Reduce = Callable[..., Array]
Columns = tuple[Array | None, Array | None]
"""What is added to each column where it is not the target, and its part of a smoothed label."""


def squared_error(
    scores: Float[Array, "*batch n"],
    labels: Float[Array, "*batch n"],
    *,
    where: Bool[Array, "*batch n"] | None = None,
    weights: Float[Array, "*batch n"] | None = None,
    reduce_fn: Reduce | None = jnp.mean,
) -> Float[Array, "..."]:
    """Square the difference, elementwise."""
    loss = jnp.square(scores.astype(jnp.float32) - labels)
    return _reduce(_weighted(loss, weights), where, reduce_fn)


def binary_cross_entropy(
    scores: Float[Array, "*batch n"],
    labels: Float[Array, "*batch n"],
    *,
    where: Bool[Array, "*batch n"] | None = None,
    weights: Float[Array, "*batch n"] | None = None,
    reduce_fn: Reduce | None = jnp.mean,
    beta: float = 1.0,
) -> Float[Array, "..."]:
    """Take the negative log-likelihood of labels in [0, 1], given scores that are log-odds.

    beta: label 1 has this power of its probability (gBCE, Petrov & Macdonald, RecSys 2023). The
    power itself, which 32 bits may not hold, is never taken: -log p^β is -β log p.
    """
    scores = scores.astype(jnp.float32)
    loss = beta * labels * jax.nn.softplus(-scores) + (1 - labels) * jax.nn.softplus(scores)
    return _reduce(_weighted(loss, weights), where, reduce_fn)


def bpr(
    scores: Float[Array, "*batch n"],
    labels: Float[Array, "*batch n"],
    *,
    where: Bool[Array, "*batch n"] | None = None,
    weights: Float[Array, "*batch n"] | None = None,
    reduce_fn: Reduce | None = jnp.mean,
) -> Float[Array, "..."]:
    """Take -log sigmoid(s_i - s_j) of each pair with the higher label at i (Rendle et al. 2009).

    Pairs weigh as their i does; the axes kept without reduce_fn are [*batch, i, j].
    """
    scores = scores.astype(jnp.float32)
    pairs = labels[..., :, None] > labels[..., None, :]
    if where is not None:
        pairs &= where[..., :, None] & where[..., None, :]
    loss = jax.nn.softplus(scores[..., None, :] - scores[..., :, None])
    return _reduce(
        _weighted(loss, None if weights is None else weights[..., None]), pairs, reduce_fn
    )


def softmax_cross_entropy(
    scores: Float[Array, "*batch n"],
    labels: Float[Array, "*batch n"],
    *,
    where: Bool[Array, "*batch n"] | None = None,
    weights: Float[Array, "*batch n"] | None = None,
    reduce_fn: Reduce | None = jnp.mean,
    smoothing: float = 0.0,
) -> Float[Array, "..."]:
    """Take -Σ_i y_i log softmax(s)_i of each list; a list that is masked whole does not count.

    smoothing: the share of y that all elements get alike (Szegedy et al., CVPR 2016, section 7).
    """
    scores = scores.astype(jnp.float32)
    kept = jnp.ones(scores.shape, bool) if where is None else where
    if smoothing:
        alike = kept / jnp.maximum(kept.sum(-1, keepdims=True), 1)
        labels = (1 - smoothing) * labels + smoothing * alike
    # A finite floor: -inf would turn the gradient of an empty list into NaN.
    masked = jnp.where(kept, scores, jnp.finfo(jnp.float32).min)
    log_prob = masked - jax.nn.logsumexp(masked, axis=-1, keepdims=True)
    loss = -jnp.where(kept, _weighted(labels, weights) * log_prob, 0).sum(-1)
    return _reduce(loss, None if where is None else where.any(-1), reduce_fn)


def chunk_for(num_items: int) -> int:
    """Choose a chunk whose scores stay in a CPU's cache (6 MiB), or take 256 MiB of an accelerator.

    Fewer than 128 queries would not make a matrix product of it.
    """
    memory = 6 * 2**20 if jax.default_backend() == "cpu" else 2**28
    return max(memory // (4 * num_items), 128)


def chunked_softmax(
    score: Callable[..., Array],
    user: PyTree[Float[Array, "batch queries ..."]],
    item: PyTree[Float[Array, "n ..."]],
    target: Int[Array, "batch queries"],
    weights: Float[Array, "batch queries"],
    *,
    chunk: int,
    extra: Float[Array, "n"] | None = None,
    where: Bool[Array, "n"] | None = None,
    smoothing: float = 0.0,
) -> Float[Array, ""]:
    """Sum weights · -log softmax(score(user, item))[target] over all queries; target is a column.

    At most about `chunk` queries are scored at a time, and their gradient is taken at once, while
    the scores are in the cache: nothing of the size queries × n is ever stored or computed twice.
    Where several examples have that many, all queries of one are scored together, so that `score`
    may share between them what it does for the example.
    extra: added to the scores of each column wherever it is not the target. It and `weights` are
    constants to the gradient. where: columns that count. smoothing: see softmax_cross_entropy.
    """
    alike: Array | None = None
    if smoothing:
        n = jax.tree.leaves(item)[0].shape[0]
        kept = jnp.ones(n, bool) if where is None else where
        alike = smoothing * kept / jnp.maximum(kept.sum(), 1)
    if where is not None:
        extra = jnp.where(where, 0 if extra is None else extra, jnp.finfo(jnp.float32).min / 2)
    examples, queries = target.shape
    if 8 * queries > chunk:
        # Of so few examples a part's would not be shared well between devices: divide the queries.
        examples, queries = target.size, 1
    parts = _parts(examples, chunk // queries)
    each = -(-examples // parts)

    def divide(x: Array) -> Array:
        # Part p holds the examples p, p + parts, …, so each device keeps a share of every part.
        x = x.reshape(examples, queries, *x.shape[2:])
        x = jnp.pad(x, [(0, each * parts - examples)] + [(0, 0)] * (x.ndim - 1))
        return x.reshape(each, parts, *x.shape[1:])

    user, target, weights = jax.tree.map(divide, (user, target, weights))
    example = jax.tree.map(lambda x: x[:, 0], user)
    # What score closes over (parameters) must be an argument to have a gradient.
    score, captured = jax.closure_convert(score, example, item)
    return _softmax_sum(score, (user, item, captured), target, weights, (extra, alike))


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _softmax_sum(
    score: Callable, inputs: PyTree, target: Array, weights: Array, columns: Columns
) -> Array:
    user, item, captured = inputs

    def add(total: Array, part: Array) -> tuple[Array, None]:
        mine, asked, weight = _part((user, target, weights), part)
        return total + _softmax_part(score, (mine, item, captured), asked, weight, columns), None

    return jax.lax.scan(add, jnp.float32(0), jnp.arange(target.shape[1]))[0]


def _softmax_sum_forward(
    score: Callable, inputs: PyTree, target: Array, weights: Array, columns: Columns
) -> tuple[Array, PyTree]:
    user, *shared = inputs

    def add(sums: tuple[Array, PyTree], part: Array) -> tuple[tuple[Array, PyTree], PyTree]:
        mine, asked, weight = _part((user, target, weights), part)
        total, (by_user, *by_shared) = jax.value_and_grad(_softmax_part, 1)(
            score, (mine, *shared), asked, weight, columns
        )
        return jax.tree.map(jnp.add, sums, (total, by_shared)), by_user

    zeros = jnp.float32(0), jax.tree.map(jnp.zeros_like, shared)
    (total, by_shared), by_user = jax.lax.scan(add, zeros, jnp.arange(target.shape[1]))
    by_user = jax.tree.map(lambda x: jnp.moveaxis(x, 0, 1), by_user)
    return total, (by_user, *by_shared)


def _softmax_sum_backward(score: Callable, grads: PyTree, upstream: Array) -> tuple:
    return jax.tree.map(lambda x: x * upstream, grads), None, None, None


_softmax_sum.defvjp(_softmax_sum_forward, _softmax_sum_backward)


def _part(arrays: PyTree, part: Int[Array, ""]) -> PyTree:
    return jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, part, 1, False), arrays)


def _parts(examples: int, most: int) -> int:
    """Choose into how many parts of at most `most` examples to divide, for little padding."""
    least = -(-examples // most)

    def padding(parts: int) -> int:
        return 32 * (-examples % parts) // examples

    return min(range(least, 2 * least), key=padding)


def _softmax_part(
    score: Callable, inputs: PyTree, target: Array, weights: Array, columns: Columns
) -> Array:
    user, item, captured = inputs
    scores = score(user, item, *captured).astype(jnp.float32)
    return _cross_entropy(scores, target, weights, columns)


@jax.custom_vjp
def _cross_entropy(scores: Array, target: Array, weights: Array, columns: Columns) -> Array:
    return _cross_entropy_forward(scores, target, weights, columns)[0]


def _cross_entropy_forward(
    scores: Array, target: Array, weights: Array, columns: Columns
) -> tuple[Array, tuple]:
    extra, alike = columns
    if extra is not None:
        scores += jnp.where(_is(target, scores), 0, extra[None, None])
    highest = scores.max(-1, keepdims=True)
    odds = jnp.exp(scores - highest)
    total = odds.sum(-1, keepdims=True)
    own = jnp.take_along_axis(scores, target[..., None], -1, mode="clip")
    if alike is not None:
        own = (1 - alike.sum()) * own + (scores * alike[None, None]).sum(-1, keepdims=True)
    nll = (highest + jnp.log(total) - own)[..., 0]
    return jnp.where(weights > 0, weights * nll, 0).sum(), (odds, total, target, weights, alike)


def _cross_entropy_backward(saved: tuple, upstream: Array) -> tuple:
    odds, total, target, weights, alike = saved
    weights = weights[..., None] * upstream
    if alike is None:
        label = jnp.where(_is(target, odds), weights, 0)
    else:
        label = weights * (jnp.where(_is(target, odds), 1 - alike.sum(), 0) + alike[None, None])
    return odds * (weights / total) - label, None, None, None


_cross_entropy.defvjp(_cross_entropy_forward, _cross_entropy_backward)


def _is(target: Array, scores: Array) -> Array:
    """Mark the target's column, by a comparison: the gradient of a gather would be a scatter."""
    column = jnp.arange(scores.shape[-1], dtype=target.dtype)
    return column[None, None] == target[..., None]


def _weighted(
    loss: Float[Array, "..."], weights: Float[Array, "..."] | None
) -> Float[Array, "..."]:
    return loss if weights is None else loss * weights


def _reduce(
    loss: Float[Array, "..."], where: Bool[Array, "..."] | None, reduce_fn: Reduce | None
) -> Float[Array, "..."]:
    if where is None:
        return loss if reduce_fn is None else reduce_fn(loss)
    loss = jnp.where(where, loss, 0)
    if reduce_fn is None:
        return loss
    # With nothing kept, reduce the zeros: no 0 / 0, neither here nor in the gradient.
    return reduce_fn(loss, where=where | ~where.any())
