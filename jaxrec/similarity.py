"""How a user's vector and an item's make a score: a dot, a cosine, or an MLP over both.

A user of several vectors, one an interest, is scored by the best of them (`max_dot`). More that
learn stand in learned_similarity.py.

Each similarity does what it can for a user alone and for an item alone (`user`, `item`), once each;
calling it then crosses the two. So a full ranking by the MLP pays no first layer for each pair.
`inner_product` says whether an index of vectors can serve it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jaxrec.encoders.mlp import flat
from jaxrec.errors import InputError


def dot(
    user: Float[Array, "batch queries dim"],
    item: Float[Array, "n dim"] | Float[Array, "batch n dim"],
) -> Float[Array, "batch queries n"]:
    """Multiply every query with every item: shared ones, or the candidates of its example."""
    if item.ndim == 2:
        return _dot_shared(user, item)
    return jnp.einsum("bqd,bnd->bqn", user, item)


@jax.custom_vjp
def _dot_shared(user: Array, item: Array) -> Array:
    return jnp.einsum("bqd,nd->bqn", user, item)


def _dot_forward(user: Array, item: Array) -> tuple[Array, tuple[Array, Array]]:
    return _dot_shared(user, item), (user, item)


def _dot_backward(vectors: tuple[Array, Array], upstream: Array) -> tuple[Array, Array]:
    # Of the two ways to the items' gradient, autodiff's, upstreamᵀ user, transposes the scores,
    # which took as long on a CPU as the product itself; this one transposes vectors. The barrier is
    # there because XLA, which sees a transposed product, would make the first of it again.
    user, item = vectors
    dims = (((0, 1), (0, 1)), ((), ()))
    by_item = jax.lax.dot_general(user.astype(upstream.dtype), upstream, dims)
    by_item = jax.lax.optimization_barrier(by_item).T
    by_user = jnp.einsum("bqn,nd->bqd", upstream, item)
    return by_user.astype(user.dtype), by_item.astype(item.dtype)


_dot_shared.defvjp(_dot_forward, _dot_backward)


def max_dot(
    user: Float[Array, "batch queries vectors dim"],
    item: Float[Array, "n dim"] | Float[Array, "batch n dim"],
) -> Float[Array, "batch queries n"]:
    """Give the largest product of each item with one of a query's vectors.

    One vector at a time, so that nothing larger than the scores is held.
    """
    return reduce(jnp.maximum, [dot(user[:, :, k], item) for k in range(user.shape[2])])


def unit(vector: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
    """Scale vectors to length 1; a zero vector stays zero, and has a gradient."""
    square = jnp.square(vector).sum(-1, keepdims=True)
    return vector * jax.lax.rsqrt(jnp.maximum(square, 1e-12))


@dataclass(frozen=True)
class Dot:
    """The inner product."""

    inner_product: ClassVar[bool] = True

    def build(self) -> "Dot":
        return self

    def user(self, vector: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        return vector

    def item(self, vector: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        return vector

    def __call__(
        self, user: Float[Array, "batch queries dim"], item: Float[Array, "... n dim"]
    ) -> Float[Array, "batch queries n"]:
        return dot(user, item)


@dataclass(frozen=True)
class Cosine:
    """The cosine of the angle, divided by a temperature."""

    temperature: float = 0.1
    """Scores lie between -1 and 1 over this; small ones make a softmax or sigmoid sharp."""
    inner_product: ClassVar[bool] = True

    def build(self) -> "Cosine":
        return self

    def user(self, vector: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        return unit(vector) / self.temperature

    def item(self, vector: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        return unit(vector)

    def __call__(
        self, user: Float[Array, "batch queries dim"], item: Float[Array, "... n dim"]
    ) -> Float[Array, "batch queries n"]:
        return dot(user, item)


@dataclass(frozen=True)
class Mlp:
    """A multi-layer perceptron over the two vectors, concatenated."""

    hidden_dims: tuple[int, ...] = (64,)
    """Widths of the hidden layers; the first is split into a user part and an item part."""
    inner_product: ClassVar[bool] = False

    def build(self) -> "MlpSimilarity":
        if not self.hidden_dims:
            raise InputError("similarity.hidden_dims is empty; give at least one width")
        return MlpSimilarity(self.hidden_dims)


class MlpSimilarity(nn.Module):
    """W [u, i] + b = (W_u u) + (W_i i + b), then the other layers, then one number."""

    hidden_dims: tuple[int, ...]
    activation: Callable[[Array], Array] = nn.relu
    inner_product: ClassVar[bool] = False

    def setup(self) -> None:
        self.user_part = nn.Dense(self.hidden_dims[0], use_bias=False)
        self.item_part = nn.Dense(self.hidden_dims[0])
        self.others = [nn.Dense(dim) for dim in self.hidden_dims[1:]]
        self.last = nn.Dense(1)

    def user(self, vector: Float[Array, "*batch dim"]) -> Float[Array, "*batch hidden"]:
        return flat(self.user_part, vector)

    def item(self, vector: Float[Array, "*batch dim"]) -> Float[Array, "*batch hidden"]:
        return flat(self.item_part, vector)

    def __call__(
        self, user: Float[Array, "batch queries hidden"], item: Float[Array, "... n hidden"]
    ) -> Float[Array, "batch queries n"]:
        item = item[None, None] if item.ndim == 2 else item[:, None]
        hidden = self.activation(user[:, :, None] + item)
        for layer in self.others:
            hidden = self.activation(flat(layer, hidden))
        return flat(self.last, hidden)[..., 0]
