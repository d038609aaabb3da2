"""Convolutions over histories, causal and within segments: Caser's filters, NextItNet's blocks.

Tang & Wang, "Personalized Top-N Sequential Recommendation via Convolutional Sequence Embedding"
(WSDM 2018), section 3; Yuan et al., "A Simple Convolutional Generative Network for Next Item
Recommendation" (WSDM 2019), section 3.

A filter answers at each column once, by matrix products, and windows that overlap share its
answers. Windows of their own would have each event multiplied as often as it lies in one.
"""

from collections.abc import Sequence
from functools import partial, reduce

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, Int

from jaxrec.encoders.dropout import Dropout
from jaxrec.encoders.transformer import at_queries


class WindowFilters(nn.Module):
    """Caser's filters over the last `window` events up to each query, joined by a dense layer.

    A horizontal filter spans 1 to `window` neighbouring events in all their dimensions, and gives
    the largest of its answers along the window. A vertical one adds up the window's vectors, each
    place with a weight of its own. Before the segment's first event the window holds zeros.
    NOTE: vertical filters have no bias; that of the dense layer, which follows them, does the same.
    """

    window: int
    num_horizontal: int
    """Filters of each height."""
    num_vertical: int
    dropout: float = 0.0

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch length dim"],
        segment_ids: Int[Array, "batch length"],
        queries: Int[Array, "batch queries"],
        train: bool = False,
    ) -> Float[Array, "batch queries dim"]:
        """Give the vectors of the columns `queries`; as many as there are columns means all of
        them, in order, and the work is shared between them. Fewer have their windows gathered.
        """
        size, length, dim = x.shape
        x = _at_events(x, segment_ids)
        every = queries.shape[1] == length
        if not every:
            x = windows(x, segment_ids, queries, self.window)
            segment_ids = jnp.ones(x.shape[:2], jnp.int32)

        initial, zeros = nn.initializers.lecun_normal(), nn.initializers.zeros
        places = jnp.stack([shifted(x, age, segment_ids) for age in range(self.window)], 2)
        features, kernels, biases = [], [], []
        for height in range(1, self.window + 1) if self.num_horizontal else ():
            shape = (height, dim, self.num_horizontal)
            kernels.append(self.param(f"horizontal_{height}", initial, shape))
            biases.append(self.param(f"horizontal_bias_{height}", zeros, shape[-1:]))
        if kernels:
            answer, bias = horizontal(places, kernels), jnp.concatenate(biases)
            found = largest(answer, segment_ids, self.num_horizontal, not every)
            features.append(nn.relu(found + bias[None, None]))
        if self.num_vertical:
            weights = self.param("vertical", initial, (self.window, self.num_vertical))
            sums = jnp.einsum("bqad,av->bqdv", places if every else places[:, -1:], weights)
            features.append(sums.reshape(*sums.shape[:2], -1))
        hidden = jnp.concatenate(features, -1)
        # On CPU, gradients of dense layers are twice as fast over one batch axis as over two.
        hidden = Dropout(self.dropout)(hidden.reshape(-1, hidden.shape[-1]), train)
        return nn.relu(nn.Dense(dim)(hidden)).reshape(size, -1, dim)


class DilatedConvolutions(nn.Module):
    """NextItNet's residual blocks: x + h(h(x)), h a dilated convolution, layer norm and ReLU.

    dilations: of all convolutions, two to a block. An answer sees (kernel_size - 1) · the sum of
    them events before its own, no further than its segment goes.
    NOTE: dropout is ours; a dense layer stands where the paper has the softmax's own matrix, so
    that items may be scored by the table that embeds them.
    """

    dilations: tuple[int, ...]
    kernel_size: int = 3
    dropout: float = 0.0

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch length dim"],
        segment_ids: Int[Array, "batch length"],
        queries: Int[Array, "batch queries"],
        train: bool = False,
    ) -> Float[Array, "batch queries dim"]:
        """Give the vectors of the columns `queries`; as many as there are columns means all of
        them, in order.
        """
        size, length, dim = x.shape
        x = Dropout(self.dropout)(_at_events(x, segment_ids), train)
        for pair in zip(self.dilations[::2], self.dilations[1::2], strict=True):
            update = x
            for dilation in pair:
                update = DilatedConvolution(self.kernel_size, dilation)(update, segment_ids)
            x = x + Dropout(self.dropout)(update, train)
        x = at_queries(x.reshape(-1, dim), queries, length)
        return nn.Dense(dim)(x).reshape(size, -1, dim)


class DilatedConvolution(nn.Module):
    """A causal convolution that keeps the width, layer norm, ReLU."""

    kernel_size: int
    dilation: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch length dim"], segment_ids: Int[Array, "batch length"]
    ) -> Float[Array, "batch length dim"]:
        dim = x.shape[-1]
        shape = (self.kernel_size, dim, dim)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, (dim,))
        x = causal_conv(x, kernel, segment_ids, self.dilation) + bias[None, None]
        return nn.relu(nn.LayerNorm()(x))


def causal_conv(
    x: Float[Array, "batch length dim"],
    kernel: Float[Array, "taps dim out"],
    segment_ids: Int[Array, "batch length"],
    dilation: int = 1,
) -> Float[Array, "batch length out"]:
    """Add up x kernel[j] of the columns that stand j · dilation before each, in its segment."""
    taps, dim, out = kernel.shape
    products = x.reshape(-1, dim) @ kernel.swapaxes(0, 1).reshape(dim, taps * out)
    parts = jnp.split(products.reshape(*x.shape[:2], taps * out), taps, axis=-1)
    return reduce(jnp.add, [shifted(y, j * dilation, segment_ids) for j, y in enumerate(parts)])


def horizontal(
    places: Float[Array, "batch length window dim"], kernels: Sequence[Float[Array, "_ dim n"]]
) -> Float[Array, "batch length filters"]:
    """Add up places[age] kernel[age] over the ages of each kernel; one of each height is given.

    Kernels are laid side by side, the short ones with zeros for what they do not reach: a matrix
    product for each quarter of the ages, of the kernels that reach it. So there are few operations
    to compile: one for each height and age made a program that windows of 50 never finished.
    """
    window, (_, dim, num) = len(kernels), kernels[0].shape
    kernel = jnp.stack([jnp.pad(x, ((0, window - len(x)), (0, 0), (0, 0))) for x in kernels], 2)
    step, total = -(-window // 4), jnp.float32(0)
    for age in range(0, window, step):
        seen = places[:, :, age : age + step]
        reach = kernel[age : age + step, :, age:].reshape(-1, (window - age) * num)
        part = seen.reshape(-1, seen.shape[2] * dim) @ reach
        total += jnp.pad(part, ((0, 0), (age * num, 0)))
    return total.reshape(*places.shape[:2], -1)


def largest(
    answer: Float[Array, "batch length filters"],
    segment_ids: Int[Array, "batch length"],
    num: int,
    last: bool,
) -> Float[Array, "batch queries filters"]:
    """Give the largest of each filter's answers that lie whole in the window of a column.

    The filters are `num` of each height from 1 to that of the window. Answers of another segment
    are zero. last: answer for the last column alone, of rows as long as the window.
    """
    if not last:
        return _largest(answer, segment_ids, num)
    height = _heights(answer, num)
    age = np.arange(answer.shape[1])[::-1][None, :, None]
    inside = height + age <= height.max()
    return jnp.where(inside, answer, -jnp.inf).max(1, keepdims=True)


def _heights(answer: Array, num: int) -> np.ndarray:
    return np.repeat(np.arange(1, answer.shape[2] // num + 1), num)[None, None]


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _largest(answer: Array, segment_ids: Array, num: int) -> Array:
    return _largest_forward(answer, segment_ids, num)[0]


def _largest_forward(answer: Array, segment_ids: Array, num: int) -> tuple[Array, tuple]:
    # The age of the largest is kept for the gradient: a byte, where autodiff keeps all answers.
    height, length = _heights(answer, num), answer.shape[1]
    ages = height.max()
    past = jnp.pad(answer, ((0, 0), (ages - 1, 0), (0, 0)))
    segments = jnp.pad(segment_ids, ((0, 0), (ages - 1, 0)), constant_values=-1)
    best, found = answer, jnp.zeros(answer.shape, np.min_scalar_type(ages))
    for age in range(1, ages):
        there = slice(ages - 1 - age, ages - 1 - age + length)
        same = (segments[:, there] == segment_ids)[..., None]
        mine = jnp.where(same, past[:, there], 0)
        more = (mine > best) & (height + age <= ages)
        best, found = jnp.where(more, mine, best), jnp.where(more, age, found)
    return best, (found, segment_ids)


def _largest_backward(num: int, saved: tuple, upstream: Array) -> tuple[Array, None]:
    found, segment_ids = saved
    ages, length = found.shape[2] // num, found.shape[1]
    later, found_later = (jnp.pad(x, ((0, 0), (0, ages - 1), (0, 0))) for x in (upstream, found))
    segments = jnp.pad(segment_ids, ((0, 0), (0, ages - 1)), constant_values=-1)
    total = jnp.where(found == 0, upstream, 0)
    for age in range(1, ages):
        there = slice(age, age + length)
        same = (segments[:, there] == segment_ids)[..., None]
        total += jnp.where((found_later[:, there] == age) & same, later[:, there], 0)
    return total, None


_largest.defvjp(_largest_forward, _largest_backward)


def shifted(
    x: Float[Array, "batch length dim"], steps: int, segment_ids: Int[Array, "batch length"]
) -> Float[Array, "batch length dim"]:
    """Give each column what stands `steps` columns before it, or zero in another segment."""
    if not steps:
        return x
    kept = max(x.shape[1] - steps, 0)
    front = (0, 0), (x.shape[1] - kept, 0)
    same = jnp.pad(segment_ids[:, :kept], front) == segment_ids
    return jnp.where(same[..., None], jnp.pad(x[:, :kept], (*front, (0, 0))), 0)


def windows(
    x: Float[Array, "batch length dim"],
    segment_ids: Int[Array, "batch length"],
    queries: Int[Array, "batch queries"],
    size: int,
) -> Float[Array, "asked size dim"]:
    """Give each query a row of the `size` columns up to its own, zero outside its segment."""
    columns = queries[:, :, None] + jnp.arange(1 - size, 1, dtype=jnp.int32)[None, None, :]
    place = jnp.maximum(columns, 0).reshape(len(x), -1)
    take = partial(jnp.take_along_axis, mode="clip")  # all are in bounds: nothing to fill
    segment = take(segment_ids, place, axis=1).reshape(columns.shape)
    same = segment == take(segment_ids, queries, axis=1)[:, :, None]
    found = take(x, place[:, :, None], axis=1).reshape(*columns.shape, -1)
    kept = (same & (columns >= 0))[..., None]
    return jnp.where(kept, found, 0).reshape(-1, size, x.shape[-1])


def _at_events(
    x: Float[Array, "batch length dim"], segment_ids: Int[Array, "batch length"]
) -> Float[Array, "batch length dim"]:
    """Put zero at padding, whose vector then has no gradient even if a query stands there."""
    return jnp.where((segment_ids > 0)[..., None], x, 0)
