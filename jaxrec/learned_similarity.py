"""Similarities with weights of their own: weighted interaction, NeuMF, mixture of logits.

Each does what it can for a user alone and for an item alone, as those of similarity.py do, which
leaves little for each pair of the two. Scores are log-odds, as a sigmoid or a softmax takes them.
"""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jaxrec.encoders.mlp import MLP, flat
from jaxrec.errors import InputError
from jaxrec.similarity import MlpSimilarity, dot, unit


class Weights(nn.Module):
    """A weight for each dimension, 1 at first."""

    @nn.compact
    def __call__(self, vector: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        weight = self.param("weight", nn.initializers.ones, vector.shape[-1:])
        return vector * jnp.broadcast_to(weight, vector.shape)


@dataclass(frozen=True)
class Weighted:
    """A weighted interaction: w_u · h_u + w_i · h_i + w_ui · (h_u ⊙ h_i)."""

    inner_product: ClassVar[bool] = True

    def build(self) -> "WeightedSimilarity":
        return WeightedSimilarity()


class WeightedSimilarity(nn.Module):
    """The inner product of [w_ui ⊙ h_u, w_u · h_u, 1] and [h_i, 1, w_i · h_i].

    It begins as that of h_u and h_i.
    """

    inner_product: ClassVar[bool] = True

    def setup(self) -> None:
        self.both = Weights()
        self.of_user, self.of_item = (
            nn.Dense(1, use_bias=False, kernel_init=nn.initializers.zeros) for _ in range(2)
        )

    def user(self, vector: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim_plus_2"]:
        alone = flat(self.of_user, vector)
        return jnp.concatenate([self.both(vector), alone, jnp.ones_like(alone)], -1)

    def item(self, vector: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim_plus_2"]:
        alone = flat(self.of_item, vector)
        return jnp.concatenate([vector, jnp.ones_like(alone), alone], -1)

    def __call__(
        self, user: Float[Array, "batch queries dim"], item: Float[Array, "... n dim"]
    ) -> Float[Array, "batch queries n"]:
        return dot(user, item)


@dataclass(frozen=True)
class NeuMF:
    """A weighted dot product of the first dimensions, and an MLP over the others of both vectors.

    He et al., "Neural Collaborative Filtering" (WWW 2017), eq. 12: its last layer, over the
    products and the MLP's last hidden layer, is the sum of the two.
    """

    factors: int = 8
    """How many dimensions are multiplied; the MLP meets the others."""
    hidden_dims: tuple[int, ...] = (32, 16, 8)
    """Widths of the MLP's hidden layers; the first is split into a user part and an item part."""
    inner_product: ClassVar[bool] = False

    def build(self) -> "NeuMFSimilarity":
        if self.factors < 1 or not self.hidden_dims:
            raise InputError(
                f"similarity.factors is {self.factors}, similarity.hidden_dims {self.hidden_dims}; "
                "give a factor and a width, or use Mlp or Weighted"
            )
        return NeuMFSimilarity(self)


class NeuMFSimilarity(nn.Module):
    """w · (p_u ⊙ q_i) + MLP([m_u, m_i]), where a user's vector is [p_u, m_u]."""

    config: NeuMF
    inner_product: ClassVar[bool] = False

    def setup(self) -> None:
        self.factors = Weights()
        self.mlp = MlpSimilarity(self.config.hidden_dims)

    def user(
        self, vector: Float[Array, "*batch dim"]
    ) -> tuple[Float[Array, "*batch factors"], Float[Array, "*batch hidden"]]:
        own, rest = self._parts(vector)
        return self.factors(own), self.mlp.user(rest)

    def item(
        self, vector: Float[Array, "*batch dim"]
    ) -> tuple[Float[Array, "*batch factors"], Float[Array, "*batch hidden"]]:
        own, rest = self._parts(vector)
        return own, self.mlp.item(rest)

    def __call__(
        self, user: tuple[Array, Array], item: tuple[Array, Array]
    ) -> Float[Array, "batch queries n"]:
        return dot(user[0], item[0]) + self.mlp(user[1], item[1])

    def _parts(self, vector: Float[Array, "*batch dim"]) -> list[Array]:
        if vector.shape[-1] <= self.config.factors:
            raise InputError(
                f"similarity.factors is {self.config.factors}, and vectors have "
                f"{vector.shape[-1]} dimensions; give fewer, so that the MLP has some"
            )
        return jnp.split(vector, [self.config.factors], axis=-1)


@dataclass(frozen=True)
class MixtureOfLogits:
    """Cosines of several vectors of the user and the item, mixed by weights of both and the pair.

    Zhai et al., "Revisiting Neural Retrieval on Accelerators" (KDD 2023). With few dimensions each,
    the mixture is no longer of low rank, as one inner product is.
    """

    user_parts: int = 4
    """Vectors of a user, each of which meets each of the item's."""
    item_parts: int = 4
    """Vectors of an item."""
    part_dim: int = 32
    """Width of these vectors."""
    gate_dim: int = 64
    """Width of the hidden layers that the mixture's weights come from."""
    temperature: float = 0.05
    """Scores lie between -1 and 1 over this; small ones make a softmax or sigmoid sharp."""
    inner_product: ClassVar[bool] = False

    def build(self) -> "MixtureOfLogitsSimilarity":
        for name in ("user_parts", "item_parts", "part_dim", "gate_dim"):
            if getattr(self, name) < 1:
                raise InputError(
                    f"similarity.{name} is {getattr(self, name)}; give a whole number from 1 on"
                )
        if self.temperature <= 0:
            raise InputError(f"similarity.temperature is {self.temperature}; give a number above 0")
        return MixtureOfLogitsSimilarity(self)


class MixtureOfLogitsSimilarity(nn.Module):
    """Σ_p π_p cos_p / τ, π = softmax silu(g(u) ⊙ g(i) + g(cosines)), each g a small MLP.

    NOTE: the authors' code also drops some of π in training, and adds a loss that balances it.
    """

    config: MixtureOfLogits
    inner_product: ClassVar[bool] = False

    def setup(self) -> None:
        c = self.config
        self.user_part = nn.Dense(c.user_parts * c.part_dim)
        self.item_part = nn.Dense(c.item_parts * c.part_dim)
        self.user_gate, self.item_gate, self.pair_gate = (
            MLP((c.gate_dim, c.user_parts * c.item_parts), activation=nn.silu) for _ in range(3)
        )

    def user(
        self, vector: Float[Array, "*batch dim"]
    ) -> tuple[Float[Array, "*batch parts part_dim"], Float[Array, "*batch pairs"]]:
        parts = flat(self.user_part, vector).reshape(*vector.shape[:-1], self.config.user_parts, -1)
        return unit(parts), self.user_gate(vector)

    def item(
        self, vector: Float[Array, "*batch dim"]
    ) -> tuple[Float[Array, "*batch parts part_dim"], Float[Array, "*batch pairs"]]:
        parts = flat(self.item_part, vector).reshape(*vector.shape[:-1], self.config.item_parts, -1)
        return unit(parts), self.item_gate(vector)

    def __call__(
        self, user: tuple[Array, Array], item: tuple[Array, Array]
    ) -> Float[Array, "batch queries n"]:
        cosines, weights = self.mixture(user, item)
        return (weights * cosines).sum(-1) / self.config.temperature

    def mixture(
        self, user: tuple[Array, Array], item: tuple[Array, Array]
    ) -> tuple[Float[Array, "batch queries n pairs"], Float[Array, "batch queries n pairs"]]:
        """Give each pair's cosines, and the weights of them, which sum to one."""
        (user_parts, user_gate), (item_parts, item_gate) = user, item
        shared = item_gate.ndim == 2
        form = "bqkd,nld->bqnkl" if shared else "bqkd,bnld->bqnkl"
        cosines = jnp.einsum(form, user_parts, item_parts)
        cosines = cosines.reshape(*cosines.shape[:3], -1)
        alone = user_gate[:, :, None] * (item_gate[None, None] if shared else item_gate[:, None])
        return cosines, jax.nn.softmax(nn.silu(alone + self.pair_gate(cosines)), axis=-1)
