"""What a model is trained for: scores of the targets and of negatives drawn here, and their loss.

Each objective is called as `objective(apply, variables, batch, key) -> (loss, metrics)`. The loss
is a mean over the batch's queries on all devices, weighted by `batch.weights`, plus what the model
sows into the collection "losses".
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from jaxrec import losses
from jaxrec.contrast import Apply, Contrast, contrast, encode, keep_hardest, sum_sown
from jaxrec.errors import InputError
from jaxrec.masking import hide
from jaxrec.negatives import Negatives, Popularity, Uniform
from jaxrec.typing import Batch

Result = tuple[Float[Array, ""], dict[str, Float[Array, ""]]]


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """Targets against drawn items, each as a yes or no, elementwise.

    With Pairs it is the pointwise objective; with Sequences, SASRec's own (ICDM 2018, eq. 7).
    """

    negatives: Any = field(default_factory=Uniform)
    """How negatives (label 0) are drawn for each query; None: the events' values are the labels."""
    hardest: int | None = None
    """So many of each query's negatives, those that score highest, count (Zhang et al., "Dynamic
    Negative Item Sampling", SIGIR 2013); None: all."""

    def __post_init__(self) -> None:
        _check_hardest(self.hardest, self.negatives)

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        loss = losses.binary_cross_entropy
        if self.negatives is None:
            return _of_values(loss, apply, variables, batch, key)
        found = contrast(self.negatives, apply, variables, batch, key)
        found = keep_hardest(found, self.hardest)
        return _pointwise(loss, found, jnp.ones_like(batch.value), batch.weights)


@dataclass(frozen=True)
class Gbce:
    """Binary cross-entropy with the target's probability raised to the power β ("gBCE").

    Of many items few are negatives, which makes a model overconfident; with the share α of them
    drawn, β = α (t (1 - 1/α) + 1/α) undoes it (Petrov & Macdonald, "gSASRec", RecSys 2023).
    """

    negatives: Any = field(default_factory=partial(Uniform, 256, avoid_positives=False))
    """How negatives are drawn; α is their number over that of the items less one, at most 1."""
    calibration: float = 0.75
    """t: 0 is the plain binary cross-entropy, 1 undoes all of the overconfidence."""
    shared: bool = False
    """Draw once for the whole batch (one gather, one matrix product), or for each query."""
    whole: bool = False
    """For draws for each query: score all items and pick the drawn ones. Faster where scores are
    products and the draws not far fewer than the items."""

    def __post_init__(self) -> None:
        if not 0 <= self.calibration <= 1:
            raise InputError(
                f"objective.calibration is {self.calibration}; give a number from 0 to 1."
            )

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        found = contrast(
            self.negatives, apply, variables, batch, key, shared=self.shared, whole=self.whole
        )
        alpha = min(self.negatives.num / max(batch.catalogue.items.id.size - 2, 1), 1)
        beta = alpha * (self.calibration * (1 - 1 / alpha) + 1 / alpha)
        loss = partial(losses.binary_cross_entropy, beta=beta)
        return _pointwise(loss, found, jnp.ones_like(batch.value), batch.weights)


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
        found = contrast(self.negatives, apply, variables, batch, key)
        return _pointwise(loss, found, batch.value, batch.weights)


@dataclass(frozen=True)
class Bpr:
    """Targets above drawn items: -log sigmoid of the difference (Rendle et al., UAI 2009)."""

    negatives: Any = field(default_factory=Uniform)
    """How negatives are drawn for each query; several count by their mean."""
    hardest: int | None = None
    """So many of each query's negatives, those that score highest, count (Zhang et al., "Dynamic
    Negative Item Sampling", SIGIR 2013); None: all."""

    def __post_init__(self) -> None:
        _check_hardest(self.hardest, self.negatives)

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        found = contrast(self.negatives, apply, variables, batch, key)
        found = keep_hardest(found, self.hardest)
        margin = found.target - found.others
        loss = losses.binary_cross_entropy(margin, jnp.ones_like(margin), reduce_fn=None)
        return weighted_mean(loss, batch.weights[..., None] * found.where, found.auxiliary)


@dataclass(frozen=True)
class BprMax:
    """Targets above their strongest negatives: -log Σ_j w_j σ(s_i - s_j) + c Σ_j w_j s_j².

    w is the softmax of the negatives' scores. Hidasi & Karatzoglou, "Recurrent Neural Networks with
    Top-k Gains for Session-based Recommendations" (CIKM 2018).
    """

    negatives: Any = field(default_factory=partial(Popularity, 2048, avoid_positives=False))
    """How negatives are drawn."""
    shared: bool = True
    """Draw once for the whole batch (one gather, one matrix product), or for each query."""
    score_decay: float = 1.0
    """c: how strongly large scores of negatives are held down."""

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        found = contrast(self.negatives, apply, variables, batch, key, shared=self.shared)
        log_share = _log_share(found)
        log_above = jax.nn.log_sigmoid(found.target - found.others)
        loss = -jax.nn.logsumexp(log_share + log_above, axis=-1)
        loss += self.score_decay * (jnp.exp(log_share) * jnp.square(found.others)).sum(-1)
        return weighted_mean(loss, batch.weights * found.where.any(-1), found.auxiliary)


@dataclass(frozen=True)
class Top1Max:
    """Targets above their strongest negatives: Σ_j w_j (σ(s_j - s_i) + σ(s_j²)).

    w is the softmax of the negatives' scores (Hidasi & Karatzoglou, CIKM 2018, as above).
    """

    negatives: Any = field(default_factory=partial(Popularity, 2048, avoid_positives=False))
    """How negatives are drawn."""
    shared: bool = True
    """Draw once for the whole batch (one gather, one matrix product), or for each query."""

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        found = contrast(self.negatives, apply, variables, batch, key, shared=self.shared)
        below = jax.nn.sigmoid(found.others - found.target)
        each = below + jax.nn.sigmoid(jnp.square(found.others))
        loss = (jnp.exp(_log_share(found)) * each).sum(-1)
        return weighted_mean(loss, batch.weights * found.where.any(-1), found.auxiliary)


@dataclass(frozen=True)
class FullSoftmax:
    """The target among all items, by softmax cross-entropy: exact, in chunks that spare memory."""

    chunk: int | None = None
    """Queries scored against the whole catalogue at a time; None: as many as suits the device."""
    smoothing: float = 0.0
    """Share of the label that all items get alike, instead of the target (label smoothing)."""

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        return _full_softmax(apply, variables, batch, key, self.chunk, self.smoothing)


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
    smoothing: float = 0.0
    """Share of the label that all items get alike, instead of the target (label smoothing)."""
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
        return _full_softmax(
            apply, variables, batch, key, self.chunk, self.smoothing, "encode_masked"
        )


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
    whole: bool = False
    """For draws for each query: score all items and pick the drawn ones, see Gbce."""
    correct: bool = True
    """Apply the log-Q correction."""
    smoothing: float = 0.0
    """Share of the label that the target and its negatives get alike (label smoothing)."""

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        found = contrast(
            self.negatives, apply, variables, batch, key, shared=self.shared, whole=self.whole
        )
        others = found.others
        if self.correct:
            others -= found.log_q + jnp.log(jnp.float32(self.negatives.num))
        scores = jnp.concatenate([found.target, others], -1)
        where = jnp.concatenate([jnp.ones(found.target.shape, bool), found.where], -1)
        first = jnp.arange(scores.shape[-1])[None, None, :] == 0
        labels = jnp.broadcast_to(first, scores.shape).astype(jnp.float32)
        loss = losses.softmax_cross_entropy(
            scores, labels, where=where, reduce_fn=None, smoothing=self.smoothing
        )
        return weighted_mean(loss, batch.weights, found.auxiliary)


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
    smoothing: float = 0.0
    """Share of the label that the batch's items get alike, instead of the target."""

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        counts = batch.catalogue.counts
        # Each item once, with the number of its queries: it is scored once, and none meets itself.
        ids, column, times = jnp.unique(
            jnp.where(batch.weights > 0, batch.target, 0),
            return_inverse=True,
            return_counts=True,
            size=min(batch.target.size, counts.size),
            fill_value=0,
        )
        user, item, auxiliary = encode(apply, variables, batch, ids, key)
        share = jnp.maximum(counts[ids], 1) / jnp.maximum(counts.sum(), 1)
        log_q = jnp.log(share) if self.correct else jnp.zeros_like(share)

        def score(user: PyTree, item: PyTree) -> Float[Array, "batch queries n"]:
            found = apply(variables, user, item, method="score")
            return found - jax.lax.stop_gradient(log_q)[None, None]

        total = losses.chunked_softmax(
            score,
            user,
            item,
            column.reshape(batch.target.shape).astype(jnp.int32),
            batch.weights,
            chunk=losses.chunk_for(ids.size),
            extra=jnp.log(jnp.maximum(times, 1)),
            where=(ids > 0) & (times > 0),
            smoothing=self.smoothing,
        )
        return _with(total / jnp.maximum(batch.weights.sum(), 1e-9), auxiliary)


def _full_softmax(
    apply: Apply,
    variables: PyTree,
    batch: Batch,
    key: Key[Array, ""],
    chunk: int | None,
    smoothing: float,
    encode_user: str = "encode_user",
) -> Result:
    user, item, auxiliary = encode(apply, variables, batch, None, key, encode_user)
    score = partial(apply, variables, method="score")
    chunk = chunk or losses.chunk_for(batch.catalogue.items.id.size)
    # Item 0 is none.
    item, target = jax.tree.map(lambda x: x[1:], item), batch.target - 1
    total = losses.chunked_softmax(
        score, user, item, target, batch.weights, chunk=chunk, smoothing=smoothing
    )
    return _with(total / jnp.maximum(batch.weights.sum(), 1e-9), auxiliary)


def _log_share(found: Contrast) -> Float[Array, "batch queries num"]:
    """Take the log-softmax of each query's negatives; what is none has no share."""
    # A finite floor: -inf would turn the gradient of a query without negatives into NaN.
    kept = jnp.where(found.where, found.others, jnp.finfo(jnp.float32).min / 2)
    return kept - jax.nn.logsumexp(kept, axis=-1, keepdims=True)


def _check_hardest(hardest: int | None, negatives: Negatives | None) -> None:
    drawn = 0 if negatives is None else negatives.num
    if hardest is not None and not 1 <= hardest <= drawn:
        raise InputError(
            f"objective.hardest is {hardest}; give a number from 1 to that of the negatives, "
            f"{drawn}."
        )


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
    return weighted_mean(loss, batch.weights[:, -1], sum_sown(sown))


def _pointwise(
    loss_fn: Callable[..., Array],
    found: Contrast,
    label: Float[Array, "batch queries"],
    weights: Float[Array, "batch queries"],
) -> Result:
    """Compare targets with their label and negatives with 0, each an element of the mean."""
    scores = jnp.concatenate([found.target, found.others], -1)
    labels = jnp.concatenate([label[..., None], jnp.zeros_like(found.others)], -1)
    where = jnp.concatenate([jnp.ones(found.target.shape, bool), found.where], -1)
    loss = loss_fn(scores, labels, reduce_fn=None)
    return weighted_mean(loss, weights[..., None] * where, found.auxiliary)


def weighted_mean(
    loss: Float[Array, "*queries"],
    weights: Float[Array, "*queries"],
    auxiliary: Float[Array, ""] | None,
) -> Result:
    """Average what counts, and add the losses that the model sowed."""
    return _with((loss * weights).sum() / jnp.maximum(weights.sum(), 1e-9), auxiliary)


def _with(loss: Float[Array, ""], auxiliary: Float[Array, ""] | None) -> Result:
    if auxiliary is None:
        return loss, {}
    return loss + auxiliary, {"auxiliary": auxiliary}
