"""ComiRec, and MIND: several vectors a history, of which the best for an item scores it.

Cen et al., "Controllable Multi-Interest Framework for Recommendation" (KDD 2020), and Li et al.,
"Multi-Interest Network with Dynamic Routing for Recommendation at Tmall" (CIKM 2019); see
encoders/interests.py.
NOTE: MIND's features of the user, and the layers that join them to the interests, are left out, as
ComiRec leaves them out; so is ComiRec's aggregation for diverse lists.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrec.embedding import embed
from jaxrec.encoders.dropout import Dropout
from jaxrec.encoders.interests import DynamicRouting, Interests, SelfAttentiveInterests
from jaxrec.errors import InputError
from jaxrec.models.next_item import NextItem
from jaxrec.similarity import max_dot
from jaxrec.typing import Batch, Spec


@dataclass(frozen=True)
class ComiRecConfig:
    """The sizes of a ComiRec, or of a MIND: routing "dynamic", adaptive, and a power."""

    embed_dim: int = 64
    """Width of item vectors and of interests."""
    num_interests: int = 4
    """Vectors a history."""
    routing: Literal["self_attention", "dynamic"] = "self_attention"
    """How events are shared out to interests (ComiRec-SA, or MIND's capsules)."""
    hidden_dim: int = 256
    """Width of the hidden layer of the self-attention; ComiRec's is 4 · embed_dim."""
    iterations: int = 3
    """Rounds of dynamic routing."""
    adaptive: bool = False
    """Whether dynamic routing finds fewer interests in short histories: log2 of the events."""
    power: float | None = None
    """p of MIND's label-aware attention, which trains all interests, each as far as its product
    with the target, to the p, says; None: ComiRec's, which trains the best one alone."""
    train_by: Literal["target", "best"] = "target"
    """Which interest scores a negative in training: that of the target, as in both papers, or, as
    when items are retrieved, the negative's own best."""
    dropout: float = 0.2
    """Fraction of the embeddings that is dropped in training."""
    history_length: int = 50
    """How many of the last events are read; batches may show more."""

    def build(self, spec: Spec) -> "ComiRec":
        for name in ("num_interests", "iterations", "history_length"):
            if getattr(self, name) < 1:
                raise InputError(
                    f"model.{name} is {getattr(self, name)}; give a whole number from 1 on"
                )
        if self.power is not None and self.power < 1:
            raise InputError(
                f"model.power is {self.power}; give a number from 1 on, or None for the best "
                "interest alone"
            )
        if self.power is not None and self.train_by == "best":
            raise InputError(
                f'model.power is {self.power}, and model.train_by "best" weighs no interests by '
                'the target; give "target", or leave model.power out'
            )
        if self.adaptive and self.routing != "dynamic":
            raise InputError(
                f'model.adaptive is True, and model.routing "{self.routing}" gives all histories '
                'as many interests; give "dynamic", or leave model.adaptive out'
            )
        return ComiRec(self, spec)


class ComiRec(NextItem):
    """max_k v_k·e_i; in training v·e_i, v being the interest that the target belongs to.

    NOTE: so trained, an interest never meets the negatives of the others' targets, which it may
    then score high when items are retrieved; `train_by` "best" trains what is retrieved.
    """

    config: ComiRecConfig
    inner_product = False

    def setup(self) -> None:
        c = self.config
        self.item_vector = embed(self.spec.num_items + 1, c.embed_dim)
        self.drop = Dropout(c.dropout)
        self.interests = (
            DynamicRouting(c.num_interests, c.history_length, c.iterations, c.adaptive)
            if c.routing == "dynamic"
            else SelfAttentiveInterests(c.num_interests, c.history_length, c.hidden_dim)
        )

    def encode_user(
        self, batch: Batch, train: bool = False
    ) -> Float[Array, "batch queries vectors dim"]:
        """Give all interests or, trained by the target, the one vector that it and all its
        negatives are scored by. Nothing but training reads `batch.target`.
        """
        x = self.drop(self.item_vector(batch.history) * self.config.embed_dim**0.5, train)
        found = self.interests(x, batch.segment_ids, batch.queries)
        if train and self.config.train_by == "target":
            target = self.item_vector(batch.target)
            return of_target(found, target, self.config.power)[:, :, None]
        vectors, there = found
        # An interest that is not there must not win with a score of zero: the first stands for it.
        return jnp.where(there[..., None], vectors, vectors[:, :, :1])

    def score(
        self,
        user: Float[Array, "batch queries vectors dim"],
        item: Float[Array, "... n dim"],
    ) -> Float[Array, "batch queries n"]:
        return max_dot(user, item)


def of_target(
    found: Interests, target: Float[Array, "batch queries dim"], power: float | None
) -> Float[Array, "batch queries dim"]:
    """Pick the interest that fits each target best (ComiRec, eq. 5) or, given a power p, sum all by
    the softmax of their products with the target to the p (MIND, eq. 8), signs kept.
    """
    vectors, there = found
    fit = jnp.einsum("bqkd,bqd->bqk", vectors, target)
    if power is not None:
        fit = jnp.sign(fit) * jnp.abs(fit) ** power
    fit = jnp.where(there, fit, -1e9)
    share = jax.nn.one_hot(fit.argmax(-1), fit.shape[-1]) if power is None else jax.nn.softmax(fit)
    return jnp.einsum("bqk,bqkd->bqd", share, vectors)
