import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxrec import losses
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.models.sasrec import SASRecConfig
from jaxrec.negatives import Draws, InBatch, Mixed, Popularity, Uniform
from jaxrec.objectives import (
    BinaryCrossEntropy,
    Bpr,
    BprMax,
    FullSoftmax,
    Gbce,
    InBatchSoftmax,
    SampledSoftmax,
    SquaredError,
    Top1Max,
)
from jaxrec.typing import Spec
from tests.contracts import init, random_batch

KEY = jax.random.key(3)
BATCH = random_batch(size=6, length=5, num_items=20)


@dataclasses.dataclass(frozen=True)
class Fixed:
    """Negatives that a test knows: items 3 and 4 for everyone."""

    num: int = 2

    def draw(self, batch, key):
        item = jnp.broadcast_to(jnp.array([3, 4], jnp.int32), (*batch.target.shape, 2))
        return Draws(item, jnp.full(item.shape, jnp.log(0.5)), jnp.ones(item.shape))

    def draw_shared(self, batch, key):
        return Draws(jnp.array([3, 4], jnp.int32), jnp.full(2, jnp.log(0.5)), jnp.ones(2))

    def log_q(self, batch, item):
        return jnp.full(item.shape, jnp.log(0.5))


def sasrec(dropout=0.0):
    config = SASRecConfig(embed_dim=8, num_layers=1, dropout=dropout, history_length=5)
    model = config.build(Spec(6, 20, 5))
    return model, jax.jit(partial(model.init, method="predict"))(jax.random.key(0), BATCH)


def run(objective, model, variables, batch=BATCH, key=KEY):
    """Call an objective as the training step does, in jit."""
    return jax.jit(lambda v, b, k: objective(model.apply, v, b, k))(variables, batch, key)


def all_scores(model, variables):
    def ask(model, batch):
        return model.score(model.encode_user(batch), model.encode_item(batch.catalogue.items))

    return jax.jit(partial(model.apply, method=ask))(variables, BATCH)


def own_and_others():
    """The scores of the targets and of items 3 and 4, and whether those are not the target."""
    model, variables = sasrec()
    scores = all_scores(model, variables)
    own = jnp.take_along_axis(scores, BATCH.target[..., None], -1)
    others = scores[..., 3:5]
    where = BATCH.target[..., None] != jnp.array([3, 4])[None, None]
    return model, variables, own, others, where


def mean(loss, weights):
    return float((loss * weights).sum() / weights.sum())


def test_full_softmax_is_the_cross_entropy_over_all_items():
    model, variables = sasrec()
    loss, metrics = run(FullSoftmax(chunk=7), model, variables)
    log_prob = jax.nn.log_softmax(all_scores(model, variables)[..., 1:])
    target = jnp.maximum(BATCH.target - 1, 0)
    own = jnp.take_along_axis(log_prob, target[..., None], -1)[..., 0]
    assert metrics == {}
    assert loss == pytest.approx(mean(-own, BATCH.weights), rel=1e-5)


def test_bpr_is_the_pairwise_loss_of_targets_and_negatives():
    model, variables, own, others, where = own_and_others()
    loss, _ = run(Bpr(Fixed()), model, variables)
    pair = jax.nn.softplus(others - own)
    assert loss == pytest.approx(mean(pair, BATCH.weights[..., None] * where), rel=1e-5)
    scores = jnp.concatenate([own, others], -1)[1, 4]
    labels = jnp.array([1.0, 0.0, 0.0])
    assert losses.bpr(scores, labels) == pytest.approx(float(pair[1, 4].mean()), rel=1e-5)


def test_binary_cross_entropy_labels_targets_1_and_negatives_0():
    model, variables, own, others, where = own_and_others()
    loss, _ = run(BinaryCrossEntropy(Fixed()), model, variables)
    parts = jnp.concatenate([jax.nn.softplus(-own), jax.nn.softplus(others)], -1)
    kept = jnp.concatenate([jnp.ones_like(own, bool), where], -1)
    assert loss == pytest.approx(mean(parts, BATCH.weights[..., None] * kept), rel=1e-5)


def test_squared_error_compares_with_values_and_zeros():
    model, variables, own, others, where = own_and_others()
    batch = BATCH.replace(value=2 * BATCH.value)
    loss, _ = run(SquaredError(Fixed()), model, variables, batch)
    parts = jnp.concatenate([jnp.square(own - 2), jnp.square(others)], -1)
    kept = jnp.concatenate([jnp.ones_like(own, bool), where], -1)
    assert loss == pytest.approx(mean(parts, BATCH.weights[..., None] * kept), rel=1e-5)


@pytest.mark.parametrize(
    ("objective", "loss_fn"),
    [
        (SquaredError(), losses.squared_error),
        (BinaryCrossEntropy(negatives=None), losses.binary_cross_entropy),
    ],
)
def test_without_negatives_predictions_meet_the_values(objective, loss_fn):
    model = MatrixFactorizationConfig(embed_dim=4).build(Spec(6, 20, 0))
    batch = random_batch(size=6, length=1)
    batch = batch.replace(weights=jnp.array([[1.0], [0.5], [2.0], [0.0], [1.0], [1.0]]))
    variables = init(model, KEY, batch)
    loss, _ = run(objective, model, variables, batch)
    predicted = model.apply(variables, batch, method="predict")
    expected = loss_fn(predicted, batch.value[:, 0], reduce_fn=None)
    assert loss == pytest.approx(mean(expected, batch.weights[:, 0]), rel=1e-5)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("correct", [False, True])
def test_sampled_softmax_corrects_negatives_and_masks_hits(shared, correct):
    model, variables, own, others, where = own_and_others()
    objective = SampledSoftmax(Fixed(), shared=shared, correct=correct)
    loss, _ = run(objective, model, variables)
    # Two draws of probability one half each: one is expected, so that the correction is 0.
    total = jnp.exp(own[..., 0]) + jnp.where(where, jnp.exp(others), 0).sum(-1)
    assert loss == pytest.approx(mean(jnp.log(total) - own[..., 0], BATCH.weights), rel=1e-5)


@pytest.mark.parametrize(
    "negatives",
    [
        Uniform(20_000, avoid_positives=False),
        Mixed(Uniform(10_000), Popularity(10_000, avoid_positives=False)),
    ],
    ids=str,
)
def test_many_corrected_samples_estimate_the_full_softmax(negatives):
    model, variables = sasrec()
    full, _ = run(FullSoftmax(), model, variables)
    found, _ = run(SampledSoftmax(negatives), model, variables)
    assert found == pytest.approx(float(full), rel=2e-3)


@pytest.mark.parametrize("correct", [False, True])
def test_in_batch_softmax_contrasts_a_target_with_the_others_of_the_batch(correct):
    model, variables = sasrec()
    loss, _ = run(InBatchSoftmax(correct=correct), model, variables)
    scores, target, counts = (
        np.asarray(x) for x in (all_scores(model, variables), BATCH.target, BATCH.catalogue.counts)
    )
    share = np.log(np.maximum(counts, 1) / counts.sum()) if correct else np.zeros(21)
    asked = target[target > 0]
    assert len(np.unique(asked)) < len(asked), "some query has the same target as another"
    expected = []
    for logits, own in zip(scores[target > 0] - share, asked):
        # Each other query counts once, also where two of them ask for one item.
        total = np.exp(logits[own]) + np.exp(logits[asked[asked != own]]).sum()
        expected.append(np.log(total) - logits[own])
    assert loss == pytest.approx(np.mean(expected), rel=1e-5)


class Sowing(nn.Module):
    """A model with auxiliary losses of 2 for users and 1 for items."""

    def setup(self):
        self.table = nn.Embed(21, 4)

    def encode_user(self, batch, train=False):
        self.sow("losses", "user", jnp.float32(2.0))
        return self.table(batch.user)[:, None]

    def encode_item(self, items, train=False):
        self.sow("losses", "item", jnp.float32(1.0))
        return self.table(items.id)

    def score(self, user, item):
        shared = item.ndim == 2
        return jnp.einsum("bqd,nd->bqn" if shared else "bqd,bnd->bqn", user, item)


@pytest.mark.parametrize(
    "objective", [FullSoftmax(), Bpr(), InBatchSoftmax(), SampledSoftmax(Uniform(3))]
)
def test_sown_losses_are_added_and_reported(objective):
    batch = random_batch(size=6, length=1)
    model = Sowing()
    variables = model.init(KEY, batch, method=lambda m, b: m.table(b.user))
    loss, metrics = run(objective, model, variables, batch)
    assert metrics["auxiliary"] == 3.0
    assert loss > 3.0


@pytest.mark.parametrize(
    "objective",
    [
        FullSoftmax(),
        Bpr(),
        InBatchSoftmax(),
        SampledSoftmax(Uniform(3)),
        SampledSoftmax(Mixed(Uniform(3), InBatch(3)), shared=False, smoothing=0.1),
        FullSoftmax(smoothing=0.1),
        BinaryCrossEntropy(),
        BinaryCrossEntropy(Uniform(4), hardest=2),
        SquaredError(),
        Gbce(Uniform(3)),
        Gbce(Uniform(3), whole=True),
        BprMax(Popularity(5)),
        Top1Max(InBatch(5)),
    ],
)
def test_a_batch_of_weight_0_has_no_loss_and_no_gradient(objective):
    model, variables = sasrec()
    batch = BATCH.replace(weights=jnp.zeros_like(BATCH.weights))

    def loss(variables):
        return objective(model.apply, variables, batch, KEY)[0]

    value, gradient = jax.jit(jax.value_and_grad(loss))(variables)
    assert value == 0
    assert all(jnp.all(g == 0) for g in jax.tree.leaves(gradient))


def test_the_key_moves_dropout_and_negatives():
    model, variables = sasrec(dropout=0.5)
    found = [run(Bpr(), model, variables, key=jax.random.key(k))[0] for k in (0, 0, 1)]
    assert found[0] == found[1]
    assert found[0] != found[2]
