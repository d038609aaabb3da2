"""Convolutions over histories, causal and within segments: Caser's filters, NextItNet's blocks.

Tang & Wang, "Personalized Top-N Sequential Recommendation via Convolutional Sequence Embedding"
(WSDM 2018), section 3; Yuan et al., "A Simple Convolutional Generative Network for Next Item
Recommendation" (WSDM 2019), section 3.

A filter's products with a row are taken first, each once, in one matrix product; then they are
shifted and added, where they stay within a segment. Windows gathered for every column would have
each event multiplied as often as it lies in a window: 2.6 times the time of value and gradient.
"""

from functools import partial, reduce

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from jaxrec.encoders.transformer import Dropout, at_queries


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

        def before(y: Float[Array, "rows columns n"], age: int) -> Float[Array, "rows asked n"]:
            """Give what stands `age` columns before each query, or zero."""
            return shifted(y, age, segment_ids) if every else y[:, self.window - 1 - age, None]

        initial, zeros = nn.initializers.lecun_normal(), nn.initializers.zeros
        features = []
        for height in range(1, self.window + 1) if self.num_horizontal else ():
            shape = (height, dim, self.num_horizontal)
            kernel = self.param(f"horizontal_{height}", initial, shape)
            bias = self.param(f"horizontal_bias_{height}", zeros, shape[-1:])
            answer = causal_conv(x, kernel, segment_ids)
            ages = range(self.window - height + 1)
            largest = reduce(jnp.maximum, [before(answer, age) for age in ages])
            features.append(nn.relu(largest + bias[None, None]))
        if self.num_vertical:
            weights = self.param("vertical", initial, (self.window, self.num_vertical))
            # Held whole for a matrix product, whose gradient is faster than that of weighted sums.
            places = jnp.stack([before(x, age) for age in range(self.window)], -1)
            sums = places.reshape(-1, self.window) @ weights
            features.append(sums.reshape(*places.shape[:2], -1))
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
