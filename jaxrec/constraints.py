"""UltraGCN's objective: what infinitely many layers of a graph convolution converge to, as a loss.

Mao et al., "UltraGCN: Ultra Simplification of Graph Convolutional Networks for Recommendation"
(CIKM 2021).
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from jaxrec.contrast import Apply, contrast
from jaxrec.embedding import tables_of
from jaxrec.errors import InputError
from jaxrec.negatives import Uniform
from jaxrec.objectives import Result, weighted_mean
from jaxrec.typing import Batch


@dataclass(frozen=True)
class GraphConstraints:
    """Binary cross-entropy, weighed by degrees, of targets, their neighbours, and drawn items.

    A pair weighs 1 + β_ui or, apart, base + degree · β_ui, with β_ui = (1 / d_u) · √((d_u + 1) /
    (d_i + 1)) of the numbers of training items and users (eq. 7 to 9, 14). The user is drawn to
    the target's neighbours j of the item graph, each by its ω_ij (eq. 10 to 13); for models with
    `neighbours`, as UltraGCN has.
    """

    negatives: Any = field(default_factory=partial(Uniform, 200))
    """How negatives are drawn for each query."""
    negative_weight: float = 200.0
    """How much the mean over the negatives counts beside the target."""
    base: tuple[float, float] = (1e-6, 1e-6)
    """What every target, and every negative, weighs (the authors' w1 and w3)."""
    degree: tuple[float, float] = (1.0, 1.0)
    """How much β adds to it, for targets and for negatives (the authors' w2 and w4)."""
    neighbour_weight: float = 1e-3
    """λ: how much the neighbours of the target count; 0 asks for none."""
    decay: float = 1e-4
    """γ: of the L2 penalty γ / 2 · ‖tables‖², beside a sum over the batch's queries. The loss here
    is a mean, so the penalty is divided by their number as well."""
    shared: bool = False
    """Draw once for the whole batch, see CosineContrastive."""
    whole: bool = False
    """For draws for each query: score all items and pick the drawn ones, see Warp."""

    @property
    def whole_batch(self) -> bool:
        """Whether the loss of a batch is no mean of those of its parts."""
        return bool(self.decay)

    def __post_init__(self) -> None:
        for name in ("negative_weight", "neighbour_weight", "decay"):
            if getattr(self, name) < 0:
                raise InputError(
                    f"objective.{name} is {getattr(self, name)}; give a number from 0 on."
                )

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        near, omega = self._neighbours(apply, variables, batch)
        found = contrast(
            self.negatives,
            apply,
            variables,
            batch,
            key,
            shared=self.shared,
            whole=self.whole,
            spare_positives=getattr(self.negatives, "avoid_positives", True),
            beside=near,
        )
        weigh = partial(self._weight, batch)
        loss = weigh(batch.target[..., None], 0) * jax.nn.softplus(-found.target)
        near_loss = (omega * jax.nn.softplus(-found.beside)).sum(-1)
        others = weigh(found.item, 1) * jax.nn.softplus(found.others)
        others = jnp.where(found.where, others, 0).sum(-1) / jnp.maximum(found.where.sum(-1), 1)
        loss = loss[..., 0] + self.negative_weight * others + self.neighbour_weight * near_loss
        mean, metrics = weighted_mean(loss, batch.weights, found.auxiliary)
        if not self.decay:
            return mean, metrics
        squares = sum(jnp.square(x).sum() for x in tables_of(variables["params"]).values())
        penalty = self.decay / 2 * squares / jnp.maximum(batch.weights.sum(), 1e-9)
        penalty = jnp.where(batch.weights.sum() > 0, penalty, 0)
        return mean + penalty, {**metrics, "l2": penalty}

    def _weight(
        self, batch: Batch, item: Int[Array, "batch queries n"], side: int
    ) -> Float[Array, "batch queries n"]:
        start, stop = batch.catalogue.positives.bounds(batch.user)
        of_user = (stop - start).astype(jnp.float32)[:, None, None]
        beta = jnp.sqrt(of_user + 1) / jnp.maximum(of_user, 1)
        beta *= jax.lax.rsqrt(batch.catalogue.counts + 1)[item]
        return self.base[side] + self.degree[side] * beta

    def _neighbours(
        self, apply: Apply, variables: PyTree, batch: Batch
    ) -> tuple[Int[Array, "batch queries k"], Float[Array, "batch queries k"]]:
        if not self.neighbour_weight:
            shape = (*batch.target.shape, 0)
            return jnp.zeros(shape, jnp.int32), jnp.zeros(shape, jnp.float32)
        try:
            found: Any = apply(variables, batch.target, method="neighbours")
        except AttributeError as error:
            raise InputError(
                f"objective.neighbour_weight is {self.neighbour_weight}, and the model has no "
                "item graph; give 0, or the model UltraGCN."
            ) from error
        return found
