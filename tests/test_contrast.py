"""Objectives by NumPy, their gradients by differences: a model whose parameters are its scores."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxrec.errors import InputError
from jaxrec.negatives import Uniform
from jaxrec.objectives import (
    BinaryCrossEntropy,
    Bpr,
    BprMax,
    FullSoftmax,
    Gbce,
    InBatchSoftmax,
    SampledSoftmax,
    Top1Max,
)
from jaxrec.similarity import dot
from tests.test_objectives import BATCH, KEY, Fixed, run, sasrec


class Table(nn.Module):
    """A model whose scores are its parameters, so that gradients are those of scores."""

    def setup(self):
        self.scores = self.param("scores", nn.initializers.normal(), (6, 5, 21))

    def encode_user(self, batch, train=False):
        return self.scores

    def encode_item(self, items, train=False):
        return jax.nn.one_hot(items.id, 21)

    def score(self, user, item):
        return dot(user, item)


SCORES = np.random.default_rng(1).normal(size=(6, 5, 21))
ASKED = np.asarray(BATCH.weights) > 0
TARGET = np.asarray(BATCH.target)[ASKED]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def parts(scores):
    """Of all queries that count: the target's score, those of items 3 and 4, and which of them is
    a negative; then the softmax of the negatives."""
    rows = scores[ASKED]
    own, others = rows[np.arange(len(rows)), TARGET][:, None], rows[:, 3:5]
    kept = TARGET[:, None] != [3, 4]
    odds = np.exp(others) * kept
    return own, others, kept, odds / odds.sum(-1, keepdims=True)


def gbce(scores):
    own, others, kept, _ = parts(scores)
    alpha = 2 / 19
    beta = alpha * (0.75 * (1 - 1 / alpha) + 1 / alpha)
    loss = -np.log(sigmoid(own) ** beta).sum() - (kept * np.log(1 - sigmoid(others))).sum()
    return loss / (len(own) + kept.sum())


def bpr_max(scores):
    own, others, _, share = parts(scores)
    above = -np.log((share * sigmoid(own - others)).sum(-1))
    return (above + 0.5 * (share * others**2).sum(-1)).mean()


def top1_max(scores):
    own, others, _, share = parts(scores)
    return (share * (sigmoid(others - own) + sigmoid(others**2))).sum(-1).mean()


def hardest_bpr(scores):
    own, others, kept, _ = parts(scores)
    return -np.log(sigmoid(own[:, 0] - np.where(kept, others, -np.inf).max(-1))).mean()


def hardest_cross_entropy(scores):
    own, others, kept, _ = parts(scores)
    strongest = np.where(kept, others, -np.inf).max(-1)
    return -(np.log(sigmoid(own[:, 0])) + np.log(1 - sigmoid(strongest))).mean() / 2


def smoothed(columns, labels):
    """The cross-entropy of logits [queries, n] and labels."""
    return -(labels * np.log(np.exp(columns) / np.exp(columns).sum(-1, keepdims=True))).sum(-1)


def smoothed_full(scores):
    labels = 0.8 * (np.arange(1, 21) == TARGET[:, None]) + 0.2 / 20
    return smoothed(scores[ASKED][:, 1:], labels).mean()


def smoothed_sampled(scores):
    own, others, kept, _ = parts(scores)
    columns = np.concatenate([own, np.where(kept, others, -40.0)], -1)
    labels = 0.2 * np.insert(kept, 0, True, axis=1) / (1 + kept.sum(-1, keepdims=True))
    labels[:, 0] += 0.8
    return smoothed(columns, labels).mean()


def smoothed_in_batch(scores):
    items, times = np.unique(TARGET, return_counts=True)
    own = items == TARGET[:, None]
    columns = scores[ASKED][:, items] + np.where(own, 0, np.log(times))
    return smoothed(columns, 0.8 * own + 0.2 / len(items)).mean()


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (Gbce(Fixed()), gbce),
        (Gbce(Fixed(), shared=True), gbce),
        (Gbce(Fixed(), whole=True), gbce),
        (BprMax(Fixed(), score_decay=0.5), bpr_max),
        (BprMax(Fixed(), shared=False, score_decay=0.5), bpr_max),
        (Top1Max(Fixed()), top1_max),
        (Bpr(Fixed(), hardest=1), hardest_bpr),
        (BinaryCrossEntropy(Fixed(), hardest=1), hardest_cross_entropy),
        (FullSoftmax(chunk=7, smoothing=0.2), smoothed_full),
        (SampledSoftmax(Fixed(), smoothing=0.2), smoothed_sampled),
        (InBatchSoftmax(correct=False, smoothing=0.2), smoothed_in_batch),
    ],
    ids=lambda x: getattr(x, "__name__", str(x)),
)
def test_losses_and_gradients_are_those_of_numpy(objective, expected):
    def loss(scores):
        return objective(Table().apply, {"params": {"scores": scores}}, BATCH, KEY)[0]

    value, gradient = jax.jit(jax.value_and_grad(loss))(jnp.asarray(SCORES, jnp.float32))
    assert value == pytest.approx(expected(SCORES), rel=1e-5)
    by_difference = np.zeros_like(SCORES)
    for place in np.argwhere(np.broadcast_to(ASKED[..., None], SCORES.shape)):
        step = np.zeros_like(SCORES)
        step[tuple(place)] = 1e-5
        slope = (expected(SCORES + step) - expected(SCORES - step)) / 2e-5
        by_difference[tuple(place)] = slope
    np.testing.assert_allclose(gradient, by_difference, atol=1e-6, rtol=1e-4)


EVERY = [
    FullSoftmax(smoothing=0.1),
    SampledSoftmax(Fixed(), smoothing=0.1),
    InBatchSoftmax(smoothing=0.1),
    BinaryCrossEntropy(Fixed(), hardest=1),
    Bpr(Fixed(), hardest=1),
    Gbce(Fixed()),
    BprMax(Fixed()),
    Top1Max(Fixed()),
]


@pytest.mark.parametrize("objective", EVERY, ids=str)
@pytest.mark.parametrize("size", [1e2, 1e6])
def test_extreme_scores_have_finite_losses_and_gradients(objective, size):
    def loss(scores):
        return objective(Table().apply, {"params": {"scores": scores}}, BATCH, KEY)[0]

    extreme = size * jnp.sign(jnp.asarray(SCORES, jnp.float32))
    value, gradient = jax.jit(jax.value_and_grad(loss))(extreme)
    assert jnp.isfinite(value)
    assert jnp.isfinite(gradient).all()


@pytest.mark.parametrize(
    "objective", [Gbce(Uniform(30)), SampledSoftmax(Uniform(30), shared=False)], ids=str
)
def test_scoring_all_items_and_picking_the_drawn_is_the_same(objective):
    model, variables = sasrec()

    def loss(variables, objective):
        return objective(model.apply, variables, BATCH, KEY)[0]

    whole = dataclasses.replace(objective, whole=True)
    found, expected = (
        jax.jit(jax.value_and_grad(partial(loss, objective=one)))(variables)
        for one in (whole, objective)
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), found, expected
    )


def test_without_calibration_gbce_is_the_plain_cross_entropy():
    model, variables = sasrec()
    plain, _ = run(BinaryCrossEntropy(Fixed()), model, variables)
    assert run(Gbce(Fixed(), calibration=0.0), model, variables)[0] == pytest.approx(float(plain))


def test_negatives_of_which_there_are_too_few_are_refused():
    with pytest.raises(InputError, match=r"objective\.hardest is 3; give a number from 1 to .* 2"):
        Bpr(Fixed(), hardest=3)
    with pytest.raises(InputError, match=r"objective\.hardest is 1"):
        BinaryCrossEntropy(negatives=None, hardest=1)
    with pytest.raises(InputError, match=r"objective\.calibration is 1\.5; give a number from 0"):
        Gbce(calibration=1.5)
