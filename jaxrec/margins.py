"""Objectives with a margin: a target that is far enough above its negatives costs nothing.

Each is called as those of objectives.py are.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from jaxrec.contrast import Apply, contrast
from jaxrec.errors import InputError
from jaxrec.negatives import Uniform
from jaxrec.objectives import Result, weighted_mean
from jaxrec.typing import Batch


@dataclass(frozen=True)
class Hinge:
    """Targets above drawn items by a margin: max(0, margin - s_i + s_j).

    Several negatives count by their mean (Weimer et al., "Improving Maximum Margin Matrix
    Factorization", Machine Learning 2008).
    """

    negatives: Any = field(default_factory=Uniform)
    """How negatives are drawn for each query."""
    margin: float = 1.0
    """How far above is enough."""

    def __post_init__(self) -> None:
        _check_margin(self.margin, 0, None)

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        found = contrast(self.negatives, apply, variables, batch, key)
        loss = jax.nn.relu(self.margin - found.target + found.others)
        return weighted_mean(loss, batch.weights[..., None] * found.where, found.auxiliary)


@dataclass(frozen=True)
class Warp:
    """The hinge of the first drawn item that comes too near, weighed by the target's rank (WARP).

    That item is the n-th draw; so the rank is about (items - 1) / n, rounded down, and weighs
    1 + 1/2 + … + 1/rank, which is for the top of the list what AUC's weight is not. With no such
    item the loss is 0 (Weston et al., "WSABIE: Scaling Up To Large Vocabulary Image Annotation",
    IJCAI 2011, algorithm 1).

    NOTE: all draws are scored, where the authors stop at the first that fits: the same loss, and
    of fixed shape.
    """

    negatives: Any = field(default_factory=partial(Uniform, 50))
    """How negatives are drawn for each query; their number is the most trials."""
    margin: float = 1.0
    """How far above is enough."""
    whole: bool = False
    """Score all items and pick the drawn ones: faster where draws are not far fewer than items."""

    def __post_init__(self) -> None:
        _check_margin(self.margin, 0, None)

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        found = contrast(self.negatives, apply, variables, batch, key, whole=self.whole)
        hinge = self.margin - found.target + found.others
        violates = found.where & (hinge > 0)
        first = violates.argmax(-1)[..., None]
        # A draw that is the target itself is no trial.
        trials = jnp.cumsum(found.where, axis=-1, dtype=jnp.int32)
        trials = jnp.take_along_axis(trials, first, -1, mode="clip")[..., 0]
        others = batch.catalogue.counts.shape[0] - 2
        weight = harmonic((others // jnp.maximum(trials, 1)).astype(jnp.float32))
        first_hinge = jnp.take_along_axis(hinge, first, -1, mode="clip")[..., 0]
        loss = jnp.where(violates.any(-1), weight * first_hinge, 0)
        return weighted_mean(loss, batch.weights, found.auxiliary)


@dataclass(frozen=True)
class CosineContrastive:
    """Cosines of targets near 1 and those of negatives below a margin: CCL, for cosine scores.

    (1 - s_i) + w · mean_j max(0, s_j - margin): most negatives of many are easy and cost nothing
    (Mao et al., "SimpleX: A Simple and Strong Baseline for Collaborative Filtering", CIKM 2021,
    eq. 6). The model's similarity is Cosine(temperature=1.0).
    """

    negatives: Any = field(default_factory=partial(Uniform, 800))
    """How negatives are drawn; the paper finds that many help, 100 to 2,000."""
    margin: float = 0.4
    """Cosine up to which a negative costs nothing."""
    negative_weight: float = 150.0
    """w: how much the mean over the negatives counts beside the target."""
    shared: bool = True
    """Draw once for the whole batch, which makes one matrix product of all negatives, or for each
    query. NOTE: the paper draws for each. Those of a batch being shared, its steps vary more; the
    loss is the same in expectation, since a user's own items do not count."""
    whole: bool = False
    """For draws for each query: score all items and pick the drawn ones, see Warp."""

    def __post_init__(self) -> None:
        _check_margin(self.margin, -1, 1)
        if self.negative_weight < 0:
            raise InputError(
                f"objective.negative_weight is {self.negative_weight}; give a number from 0 on."
            )

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        found = contrast(
            self.negatives,
            apply,
            variables,
            batch,
            key,
            shared=self.shared,
            whole=self.whole,
            spare_positives=getattr(self.negatives, "avoid_positives", True),
        )
        excess = jnp.where(found.where, jax.nn.relu(found.others - self.margin), 0)
        mean = excess.sum(-1) / jnp.maximum(found.where.sum(-1), 1)
        loss = 1 - found.target[..., 0] + self.negative_weight * mean
        return weighted_mean(loss, batch.weights, found.auxiliary)


def harmonic(n: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Sum 1 + 1/2 + … + 1/n, by the digamma function."""
    return jax.scipy.special.digamma(n + 1) + np.float32(np.euler_gamma)


def _check_margin(margin: float, low: float, high: float | None) -> None:
    if margin < low or (high is not None and margin > high):
        wanted = f"from {low} on" if high is None else f"from {low} to {high}"
        raise InputError(f"objective.margin is {margin}; give a number {wanted}.")
