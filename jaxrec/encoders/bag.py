"""Bags of events: the mean of a history's vectors, all alike or with old ones fading; and sets of
items as vectors with a place for each item of the catalogue, which autoencoders read.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from jaxrec.data.histories import multi_hot
from jaxrec.embedding import embed
from jaxrec.encoders.dropout import Dropout
from jaxrec.encoders.interests import prefixes
from jaxrec.encoders.mlp import flat
from jaxrec.encoders.rnn import states_at

GLOROT = nn.initializers.glorot_uniform()
NARROW = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
"""Uniform up to 1 / √inputs, as PyTorch starts its layers."""


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


class ItemSet(nn.Module):
    """W x + b of the items up to each query: x is 1 at each of them, then scaled to length 1.

    In training a fraction of x is dropped. It is one product with the whole table: of 500 users and
    3,584 items a CPU took a fifth of the time, with the gradient, that a gather and sum of 256 rows
    a user did.
    """

    num_items: int
    features: int
    dropout: float = 0.0
    scale: float = 0.02
    """Standard deviation of W at first."""

    def setup(self) -> None:
        self.item_weight = embed(self.num_items + 1, self.features, scale=self.scale)
        self.bias = self.param("bias", nn.initializers.zeros, (self.features,))
        self.drop = Dropout(self.dropout)

    def __call__(
        self,
        history: Int[Array, "batch length"],
        segment_ids: Int[Array, "batch length"],
        queries: Int[Array, "batch queries"],
        train: bool = False,
        whole: Bool[Array, ""] | None = None,
    ) -> Float[Array, "batch queries features"]:
        """Read the segment of each query up to it; whole: where True, nothing is dropped."""
        size, length = history.shape
        seen, _ = prefixes(segment_ids, queries, length)
        items = jnp.where(seen, history[:, None], 0).reshape(-1, length)
        x = multi_hot(items, self.item_weight.num_embeddings - 1)
        x *= jax.lax.rsqrt(jnp.maximum(x.sum(-1, keepdims=True), 1))
        dropped = self.drop(x, train)
        x = dropped if whole is None else jnp.where(whole, x, dropped)
        # Not a lookup: each row has a part in it.
        found = x @ self.item_weight.embedding + self.bias[None]
        return found.reshape(size, -1, self.features)


class TanhSet(nn.Module):
    """A set of items through dense layers, with tanh between them (Liang et al., WWW 2018)."""

    num_items: int
    dims: Sequence[int]
    """Widths of the layers; the last is linear."""
    dropout: float = 0.0

    @nn.compact
    def __call__(
        self,
        history: Int[Array, "batch length"],
        segment_ids: Int[Array, "batch length"],
        queries: Int[Array, "batch queries"],
        train: bool = False,
    ) -> Float[Array, "batch queries out"]:
        scale = glorot_scale(self.num_items, self.dims[0])
        first = ItemSet(self.num_items, self.dims[0], self.dropout, scale, name="items")
        x = first(history, segment_ids, queries, train)
        for dim in self.dims[1:]:
            x = flat(nn.Dense(dim, kernel_init=GLOROT), nn.tanh(x))
        return x


class DenseSet(nn.Module):
    """A set of items through layers that each add up all before them (RecVAE, WSDM 2020, fig. 2).

    Each is a swish of the sum, normalised; the last layer is linear.
    """

    num_items: int
    hidden_dim: int
    num_layers: int
    out_dim: int
    dropout: float = 0.0

    @nn.compact
    def __call__(
        self,
        history: Int[Array, "batch length"],
        segment_ids: Int[Array, "batch length"],
        queries: Int[Array, "batch queries"],
        train: bool = False,
        whole: Bool[Array, ""] | None = None,
    ) -> Float[Array, "batch queries out"]:
        scale = (3 * self.num_items) ** -0.5
        first = ItemSet(self.num_items, self.hidden_dim, self.dropout, scale, name="items")
        x, total = first(history, segment_ids, queries, train, whole), jnp.float32(0)
        for layer in range(self.num_layers):
            if layer:
                x = flat(nn.Dense(self.hidden_dim, kernel_init=NARROW), x)
            # The authors' ε.
            x = nn.LayerNorm(epsilon=0.1)(nn.swish(x + total))
            total = total + x
        return flat(nn.Dense(self.out_dim, kernel_init=NARROW), x)


def glorot_scale(inputs: int, outputs: int) -> float:
    """Give the standard deviation that keeps variances alike forwards and backwards (Glorot)."""
    return (2 / (inputs + outputs)) ** 0.5
