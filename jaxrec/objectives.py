"""What a model is trained for: scores of the targets and of negatives drawn here, and their loss.

Each objective is called as `objective(apply, variables, batch, key) -> (loss, metrics)`. The loss
is a mean over the batch's queries on all devices, weighted by `batch.weights`, plus what the model
sows into the collection "losses".
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from jaxrec import losses
from jaxrec.errors import InputError
from jaxrec.masking import hide
from jaxrec.negatives import Negatives, Uniform
from jaxrec.typing import Batch

Apply = Callable[..., Any]
Result = tuple[Float[Array, ""], dict[str, Float[Array, ""]]]


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """Targets against drawn items, each as a yes or no, elementwise.

    With Pairs it is the pointwise objective; with Sequences, SASRec's own (ICDM 2018, eq. 7).
    """

    negatives: Any = field(default_factory=Uniform)
    """How negatives (label 0) are drawn for each query; None: the events' values are the labels."""

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        loss = losses.binary_cross_entropy
        if self.negatives is None:
            return _of_values(loss, apply, variables, batch, key)
        contrast = _contrast(self.negatives, apply, variables, batch, key)
        return _pointwise(loss, contrast, jnp.ones_like(batch.value), batch.weights)


@dataclass(frozen=True)
class SquaredError:
    """Scores against the values of events (ratings) and, if wanted, drawn items against 0."""

    negatives: Any = None
    """How negatives are drawn for each query, for implicit feedback; None: none."""

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        loss = losses.squared_error
        if self.negatives is None:
            return _of_values(loss, apply, variables, batch, key)
        contrast = _contrast(self.negatives, apply, variables, batch, key)
        return _pointwise(loss, contrast, batch.value, batch.weights)


@dataclass(frozen=True)
class Bpr:
    """Targets above drawn items: -log sigmoid of the difference (Rendle et al., UAI 2009)."""

    negatives: Any = field(default_factory=Uniform)
    """How negatives are drawn for each query; several count by their mean."""

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        contrast = _contrast(self.negatives, apply, variables, batch, key)
        margin = contrast.target - contrast.others
        loss = losses.binary_cross_entropy(margin, jnp.ones_like(margin), reduce_fn=None)
        return _mean(loss, batch.weights[..., None] * contrast.where, contrast.auxiliary)


@dataclass(frozen=True)
class FullSoftmax:
    """The target among all items, by softmax cross-entropy: exact, in chunks that spare memory."""

    chunk: int | None = None
    """Queries scored against the whole catalogue at a time; None: as many as suits the device."""

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        return _full_softmax(apply, variables, batch, key, self.chunk)


@dataclass(frozen=True)
class MaskedItems:
    """Hidden items of each sequence among all items, by softmax cross-entropy (BERT4Rec, eq. 8).

    For models with `encode_masked`, which answers at hidden events; what is hidden, and how many of
    it are asked for, is said in masking.py. `whole` sequences have all events.
    """

    mask_fraction: float = 0.2
    """Probability that an item is hidden; at least one of each sequence is."""
    last_fraction: float = 0.1
    """Share of the sequences whose last item alone is hidden (the authors: one copy in eleven)."""
    chunk: int | None = None
    """Queries scored against the whole catalogue at a time; None: as many as suits the device."""
    hides_items: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.mask_fraction <= 1:
            raise InputError(
                f"objective.mask_fraction is {self.mask_fraction}; "
                "give a number above 0 and of at most 1."
            )
        if not 0 <= self.last_fraction <= 1:
            raise InputError(
                f"objective.last_fraction is {self.last_fraction}; give a number from 0 to 1."
            )

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        hide_key, key = jax.random.split(key)
        batch = hide(batch, self.mask_fraction, self.last_fraction, hide_key)
        return _full_softmax(apply, variables, batch, key, self.chunk, "encode_masked")


@dataclass(frozen=True)
class SampledSoftmax:
    """The target among drawn items, by softmax cross-entropy.

    NOTE: the logarithm of how often a draw is expected is taken off the scores of negatives, not
    off the target's: it is no draw, and so the sum in the denominator estimates the full one
    without bias (Khrylchenko et al., "Correcting the LogQ Correction", RecSys 2025); Bengio &
    Senécal's scheme, as TensorFlow has it, corrects both.
    """

    negatives: Any = field(default_factory=partial(Uniform, 256, avoid_positives=False))
    """How negatives are drawn."""
    shared: bool = True
    """Draw once for the whole batch (one gather, one matrix product), or for each query."""
    correct: bool = True
    """Apply the log-Q correction."""

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        draw = _contrast_shared if self.shared else _contrast
        found = draw(self.negatives, apply, variables, batch, key)
        others = found.others
        if self.correct:
            others -= found.log_q + jnp.log(jnp.float32(self.negatives.num))
        scores = jnp.concatenate([found.target, others], -1)
        where = jnp.concatenate([jnp.ones(found.target.shape, bool), found.where], -1)
        first = jnp.arange(scores.shape[-1])[None, None, :] == 0
        labels = jnp.broadcast_to(first, scores.shape).astype(jnp.float32)
        loss = losses.softmax_cross_entropy(scores, labels, where=where, reduce_fn=None)
        return _mean(loss, batch.weights, found.auxiliary)


@dataclass(frozen=True)
class InBatchSoftmax:
    """The target among the targets of the whole batch, by softmax cross-entropy.

    An item is so many queries' negative as the batch has it: the logarithm of its share of the
    training events is taken off its scores, the target's as well (Yi et al., "Sampling-Bias-
    Corrected Neural Modeling", RecSys 2019, eq. 5). Another query with the same target is no
    negative.
    """

    correct: bool = True
    """Apply the log-Q correction."""

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        counts = batch.catalogue.counts
        # Each item once, with the number of its queries: it is scored once, and none meets itself.
        ids, column, times = jnp.unique(
            batch.target,
            return_inverse=True,
            return_counts=True,
            size=min(batch.target.size, counts.size),
            fill_value=0,
        )
        user, item, auxiliary = _encode(apply, variables, batch, ids, key)
        share = jnp.maximum(counts[ids], 1) / jnp.maximum(counts.sum(), 1)
        log_q = jnp.log(share) if self.correct else jnp.zeros_like(share)

        def score(user: PyTree, item: PyTree) -> Float[Array, "batch queries n"]:
            found = apply(variables, user, item, method="score")
            return found - jax.lax.stop_gradient(log_q)[None, None]

        lowest = jnp.finfo(jnp.float32).min / 2
        total = losses.chunked_softmax(
            score,
            user,
            item,
            column.reshape(batch.target.shape).astype(jnp.int32),
            batch.weights,
            chunk=losses.chunk_for(ids.size),
            extra=jnp.where((ids > 0) & (times > 0), jnp.log(jnp.maximum(times, 1)), lowest),
        )
        return _with(total / jnp.maximum(batch.weights.sum(), 1e-9), auxiliary)


def _full_softmax(
    apply: Apply,
    variables: PyTree,
    batch: Batch,
    key: Key[Array, ""],
    chunk: int | None,
    encode_user: str = "encode_user",
) -> Result:
    user, item, auxiliary = _encode(apply, variables, batch, None, key, encode_user)
    score = partial(apply, variables, method="score")
    chunk = chunk or losses.chunk_for(batch.catalogue.items.id.size)
    # Item 0 is none.
    item, target = jax.tree.map(lambda x: x[1:], item), batch.target - 1
    total = losses.chunked_softmax(score, user, item, target, batch.weights, chunk=chunk)
    return _with(total / jnp.maximum(batch.weights.sum(), 1e-9), auxiliary)


class _Contrast(NamedTuple):
    """Scores of each query's target and negatives; where: False at the target and at non-draws."""

    target: Float[Array, "batch queries 1"]
    others: Float[Array, "batch queries num"]
    log_q: Float[Array, "batch queries num"]
    where: Bool[Array, "batch queries num"]
    auxiliary: Float[Array, ""] | None


def _contrast(
    negatives: Negatives, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
) -> _Contrast:
    """Draw negatives for each query, and score them beside its target."""
    draw_key, key = jax.random.split(key)
    size, queries = batch.target.shape
    draws = negatives.draw(batch.catalogue, batch.user, queries, draw_key)
    candidates = jnp.concatenate([batch.target[..., None], draws.item], -1)
    # Each query becomes an example with candidates of its own.
    ids = candidates.reshape(size * queries, -1)
    user, item, auxiliary = _encode(apply, variables, batch, ids, key)
    scores = apply(variables, _apart(user), item, method="score").reshape(candidates.shape)
    where = (draws.weights > 0) & (draws.item != batch.target[..., None])
    return _Contrast(scores[..., :1], scores[..., 1:], draws.log_q, where, auxiliary)


def _contrast_shared(
    negatives: Negatives, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
) -> _Contrast:
    """Draw negatives once for all queries, and score them beside each one's target."""
    draw_key, key = jax.random.split(key)
    size, queries = batch.target.shape
    draws = negatives.draw_shared(batch.catalogue, draw_key)
    ids = jnp.concatenate([batch.target.reshape(-1), draws.item])
    user, item, auxiliary = _encode(apply, variables, batch, ids, key)
    own = jax.tree.map(lambda x: x[: size * queries, None], item)
    drawn = jax.tree.map(lambda x: x[size * queries :], item)
    target = apply(variables, _apart(user), own, method="score").reshape(size, queries, 1)
    others = apply(variables, user, drawn, method="score")
    log_q = jnp.broadcast_to(draws.log_q[None, None], others.shape)
    where = draws.item[None, None] != batch.target[..., None]
    return _Contrast(target, others, log_q, where, auxiliary)


def _encode(
    apply: Apply,
    variables: PyTree,
    batch: Batch,
    ids: Int[Array, "..."] | None,
    key: Key[Array, ""],
    encode_user: str = "encode_user",
) -> tuple[PyTree, PyTree, Float[Array, ""] | None]:
    """Encode users and items (None: the catalogue) for training; thirdly, sum what they sowed.

    With far more ids than the catalogue has items, each item is encoded once, and then gathered.
    """
    user_key, item_key = jax.random.split(key)
    items = batch.catalogue.items
    chosen = None if ids is None or ids.size >= 2 * items.id.size else ids
    call = partial(apply, variables, mutable=["losses"])
    user, sown_by_user = call(batch, True, method=encode_user, rngs={"dropout": user_key})
    item, sown_by_item = call(
        items if chosen is None else items.take(chosen),
        True,
        method="encode_item",
        rngs={"dropout": item_key},
    )
    if chosen is None and ids is not None:
        item = jax.tree.map(lambda x: jnp.take(x, ids, axis=0), item)
    return user, item, _sum([sown_by_user, sown_by_item])


def _of_values(
    loss_fn: Callable[..., Array],
    apply: Apply,
    variables: PyTree,
    batch: Batch,
    key: Key[Array, ""],
) -> Result:
    """Compare the predictions for the batch's own pairs with the values of their events."""
    scores, sown = apply(
        variables, batch, True, method="predict", rngs={"dropout": key}, mutable=["losses"]
    )
    loss = loss_fn(scores, batch.value[:, -1], reduce_fn=None)
    return _mean(loss, batch.weights[:, -1], _sum(sown))


def _pointwise(
    loss_fn: Callable[..., Array],
    found: _Contrast,
    label: Float[Array, "batch queries"],
    weights: Float[Array, "batch queries"],
) -> Result:
    """Compare targets with their label and negatives with 0, each an element of the mean."""
    scores = jnp.concatenate([found.target, found.others], -1)
    labels = jnp.concatenate([label[..., None], jnp.zeros_like(found.others)], -1)
    where = jnp.concatenate([jnp.ones(found.target.shape, bool), found.where], -1)
    loss = loss_fn(scores, labels, reduce_fn=None)
    return _mean(loss, weights[..., None] * where, found.auxiliary)


def _apart(user: PyTree) -> PyTree:
    """Make each query of each user an example of its own with one query."""
    return jax.tree.map(lambda x: x.reshape(x.shape[0] * x.shape[1], 1, *x.shape[2:]), user)


def _sum(sown: PyTree) -> Float[Array, ""] | None:
    leaves = jax.tree.leaves(sown)
    return sum(leaf.sum() for leaf in leaves) if leaves else None


def _mean(
    loss: Float[Array, "*queries"],
    weights: Float[Array, "*queries"],
    auxiliary: Float[Array, ""] | None,
) -> Result:
    return _with((loss * weights).sum() / jnp.maximum(weights.sum(), 1e-9), auxiliary)


def _with(loss: Float[Array, ""], auxiliary: Float[Array, ""] | None) -> Result:
    if auxiliary is None:
        return loss, {}
    return loss + auxiliary, {"auxiliary": auxiliary}
