"""Objectives with margins, of directions and of graphs, by NumPy; gradients by differences."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.alignment import DirectAU
from jaxrec.constraints import GraphConstraints
from jaxrec.errors import InputError
from jaxrec.margins import CosineContrastive, Hinge, Warp, harmonic
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.models.ultragcn import UltraGCNConfig
from jaxrec.negatives import InBatch, Popularity, Uniform
from jaxrec.objectives import FullSoftmax, SampledSoftmax
from jaxrec.typing import Spec
from tests.contracts import init, random_batch
from tests.test_contrast import ASKED, SCORES, TARGET, Table, parts, sigmoid
from tests.test_objectives import BATCH, KEY, Fixed, run, sasrec

COUNTS = np.asarray(BATCH.catalogue.counts)
NEAR = np.stack([np.arange(21) % 20 + 1, (np.arange(21) + 7) % 20 + 1], -1)
OMEGA = np.random.default_rng(2).uniform(size=(21, 2))
# Queries of different weight, and one user whom training does not know.
WEIGHTS = np.asarray(BATCH.weights) * np.array([1.0, 2.0, 0.5, 1.0, 1.0, 3.0])[:, None]
WEIGHED = BATCH.replace(weights=jnp.asarray(WEIGHTS, jnp.float32), user=BATCH.user.at[2].set(0))


class Graph(Table):
    """Scores that are parameters, and neighbours that a test knows."""

    def neighbours(self, item):
        return jnp.asarray(NEAR, jnp.int32)[item], jnp.asarray(OMEGA, jnp.float32)[item]


def mean(loss):
    return (loss * WEIGHTS[ASKED]).sum() / WEIGHTS[ASKED].sum()


def owned():
    """Which of items 3 and 4 the user of each query has; user 0 has none."""
    rows = [BATCH.catalogue.positives.indices[5 * n : 5 * n + 5] for n in range(6)]
    rows[2] = np.zeros(0)
    of_user = np.array([[3 in row, 4 in row] for row in rows])
    return np.repeat(of_user[:, None], 5, axis=1)[ASKED]


def hinge(scores):
    own, others, kept, _ = parts(scores)
    weights = WEIGHTS[ASKED][:, None] * kept
    return (np.maximum(0, 0.3 - own + others) * weights).sum() / weights.sum()


def warp(scores):
    own, others, kept, _ = parts(scores)
    found = []
    for mine, several, counted in zip(own[:, 0], others, kept):
        loss = 0.0
        for trials, other in enumerate(several[counted], 1):
            if 0.3 - mine + other > 0:
                rank = 19 // trials
                loss = sum(1 / k for k in range(1, rank + 1)) * (0.3 - mine + other)
                break
        found.append(loss)
    return mean(np.array(found))


def contrastive(scores, counted):
    own, others, kept, _ = parts(scores)
    kept = kept & counted
    total = (np.maximum(0, others - 0.2) * kept).sum(-1)
    return mean(1 - own[:, 0] + 5.0 * total / np.maximum(kept.sum(-1), 1))


def contrastive_of_each(scores):
    return contrastive(scores, True)


def contrastive_shared(scores):
    return contrastive(scores, ~owned())


def beta(item):
    degree = np.repeat([[5], [5], [0], [5], [5], [5]], 5, axis=1)[ASKED]
    degree = degree.reshape(-1, *[1] * (item.ndim - 1))
    return np.sqrt(degree + 1) / np.maximum(degree, 1) / np.sqrt(COUNTS[item] + 1)


def graph(scores, counted=True):
    own, others, kept, _ = parts(scores)
    kept = kept & counted
    loss = -(0.1 + 2 * beta(TARGET)) * np.log(sigmoid(own[:, 0]))
    drawn = -(0.2 + 3 * beta(np.tile([3, 4], (len(own), 1)))) * np.log(sigmoid(-others))
    loss += 7.0 * (drawn * kept).sum(-1) / np.maximum(kept.sum(-1), 1)
    near = np.take_along_axis(scores[ASKED], NEAR[TARGET], 1)
    loss -= 0.5 * (OMEGA[TARGET] * np.log(sigmoid(near))).sum(-1)
    return mean(loss)


def graph_shared(scores):
    return graph(scores, ~owned())


CONSTRAINTS = GraphConstraints(
    Fixed(),
    negative_weight=7.0,
    base=(0.1, 0.2),
    degree=(2.0, 3.0),
    neighbour_weight=0.5,
)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (Hinge(Fixed(), margin=0.3), hinge),
        (Warp(Fixed(), margin=0.3), warp),
        (Warp(Fixed(), margin=0.3, whole=True), warp),
        (CosineContrastive(Fixed(), 0.2, 5.0, shared=False), contrastive_of_each),
        (CosineContrastive(Fixed(), 0.2, 5.0, shared=False, whole=True), contrastive_of_each),
        (CosineContrastive(Fixed(), 0.2, 5.0), contrastive_shared),
        (CONSTRAINTS, graph),
        (dataclasses.replace(CONSTRAINTS, whole=True), graph),
        (dataclasses.replace(CONSTRAINTS, shared=True), graph_shared),
    ],
    ids=lambda x: getattr(x, "__name__", type(x).__name__),
)
def test_losses_and_gradients_are_those_of_numpy(objective, expected):
    def loss(scores):
        return objective(Graph().apply, {"params": {"scores": scores}}, WEIGHED, KEY)[0]

    value, gradient = jax.jit(jax.value_and_grad(loss))(jnp.asarray(SCORES, jnp.float32))
    assert value == pytest.approx(expected(SCORES), rel=1e-5)
    # Of each query its target, the two draws, the neighbours, and one that has no part.
    for row, place in enumerate(np.argwhere(ASKED)):
        for item in {TARGET[row], 3, 4, *NEAR[TARGET[row]], 9}:
            step = np.zeros_like(SCORES)
            step[(*place, item)] = 1e-5
            slope = (expected(SCORES + step) - expected(SCORES - step)) / 2e-5
            assert gradient[(*place, item)] == pytest.approx(slope, abs=1e-6, rel=1e-4)


def factors(biases=False, config=MatrixFactorizationConfig):
    """A model of random vectors, and the batch that its objectives meet: one query a user."""
    batch = random_batch(size=6, length=1, seed=4)
    weights = jnp.array([[1.0], [0.0], [2.0], [0.5], [1.0], [1.0]]) * batch.weights
    batch = batch.replace(weights=weights)
    spec = Spec(6, 20, 0, positives=batch.catalogue.positives)
    model = config(embed_dim=4, scale=1.0, biases=biases).build(spec)
    return model, init(model, KEY, batch), batch


def test_directau_aligns_and_spreads_as_numpy_does():
    model, variables, batch = factors()
    loss, metrics = run(DirectAU(uniformity_weight=0.7), model, variables, batch)
    tables = variables["params"]
    weights = np.asarray(batch.weights)[:, 0]
    x, y = (
        np.asarray(tables[f"{name}_vector"]["embedding"])[rows]
        for name, rows in (("user", batch.user), ("item", batch.target[:, 0]))
    )
    x, y = (a / np.maximum(np.linalg.norm(a, axis=1, keepdims=True), 1e-6) for a in (x, y))
    align = (weights * np.square(x - y).sum(1)).sum() / weights.sum()
    spread = []
    for a in (x, y):
        pairs = [(n, m) for n in range(6) for m in range(6) if n != m]
        w = np.array([weights[n] * weights[m] for n, m in pairs])
        near = np.array([np.exp(-2 * np.square(a[n] - a[m]).sum()) for n, m in pairs])
        spread.append(np.log((w * near).sum() / w.sum()))
    assert metrics["alignment"] == pytest.approx(align, rel=1e-5)
    assert loss == pytest.approx(align + 0.7 * np.mean(spread), rel=1e-4)


def test_graph_constraints_hold_tables_down_beside_a_sum():
    model, variables, batch = factors(config=UltraGCNConfig)
    loss, metrics = run(GraphConstraints(Fixed(), decay=0.2), model, variables, batch)
    plain, _ = run(GraphConstraints(Fixed(), decay=0.0), model, variables, batch)
    tables = jax.tree.leaves(variables["params"])
    squares = sum(np.square(np.asarray(table)).sum() for table in tables)
    assert len(tables) == 2
    assert metrics["l2"] == pytest.approx(0.1 * squares / float(batch.weights.sum()), rel=1e-5)
    assert loss == pytest.approx(float(plain + metrics["l2"]), rel=1e-5)


@pytest.mark.parametrize(
    "objective",
    [
        Hinge(Uniform(4)),
        Warp(Uniform(4)),
        CosineContrastive(Uniform(4)),
        CosineContrastive(InBatch(4)),
        CosineContrastive(Uniform(4), shared=False),
        GraphConstraints(Uniform(4), neighbour_weight=0.0),
        GraphConstraints(Uniform(4), neighbour_weight=0.0, shared=True),
        DirectAU(),
    ],
    ids=str,
)
def test_a_batch_of_weight_0_has_no_loss_and_no_gradient(objective):
    model, variables = sasrec()
    batch = BATCH.replace(weights=jnp.zeros_like(BATCH.weights))

    def loss(variables):
        return objective(model.apply, variables, batch, KEY)[0]

    value, gradient = jax.jit(jax.value_and_grad(loss))(variables)
    assert value == 0
    assert all(jnp.all(g == 0) for g in jax.tree.leaves(gradient))


@pytest.mark.parametrize("shared", [False, True])
def test_a_user_without_items_and_one_with_all_have_finite_losses(shared):
    model, variables, batch = factors(config=UltraGCNConfig)
    indptr = jnp.array([0, 0, 0, 20, 20, 20, 20, 20], jnp.int32)
    every = jnp.concatenate([jnp.arange(1, 21, dtype=jnp.int32), jnp.zeros(5, jnp.int32)])
    own = batch.catalogue.positives.replace(indptr=indptr, indices=every)
    counts = batch.catalogue.counts.at[3:].set(0)
    batch = batch.replace(
        catalogue=batch.catalogue.replace(positives=own, counts=counts),
        weights=jnp.ones_like(batch.weights),
    )
    for objective in (
        GraphConstraints(Uniform(4), shared=shared),
        CosineContrastive(Uniform(4), shared=shared),
    ):

        def loss(variables, objective=objective):
            graph = {"graph": variables["graph"]}
            found = objective(model.apply, {"params": variables["params"], **graph}, batch, KEY)
            return found[0]

        value = jax.jit(loss)(variables)
        slopes = jax.jit(jax.grad(loss, allow_int=True))(variables)["params"]
        assert jnp.isfinite(value)
        assert all(jnp.isfinite(slope).all() for slope in jax.tree.leaves(slopes))


def test_the_corrected_sampled_softmax_has_the_full_ones_expected_gradient():
    """Negatives drawn by popularity; the mean gradient of many draws meets the full softmax's.

    Its bias vanishes as the number of draws grows; without the correction it would not.
    """
    model, variables, batch = factors()
    # Item n is drawn n times as often as the first.
    counts = jnp.arange(21, dtype=jnp.float32)
    batch = batch.replace(catalogue=batch.catalogue.replace(counts=counts))

    def gradient(objective, key):
        def loss(params):
            return objective(model.apply, {"params": params}, batch, key)[0]

        return jax.grad(loss)(variables["params"])["item_vector"]["embedding"][1:21]

    keys = jax.random.split(jax.random.key(5), 200)
    exact = jax.jit(lambda key: gradient(FullSoftmax(), key))(KEY)

    def apart(correct):
        negatives = Popularity(500, power=1.0, avoid_positives=False)
        objective = SampledSoftmax(negatives, correct=correct)
        found = jax.jit(jax.vmap(lambda key: gradient(objective, key)))(keys)
        error = found.std(0) / len(keys) ** 0.5
        return jnp.abs(found.mean(0) - exact), error

    difference, error = apart(True)
    assert jnp.all(difference < 5 * error + 2e-3)
    difference, error = apart(False)
    assert jnp.any(difference > 20 * error + 2e-3)


def test_harmonic_numbers_are_sums():
    n = np.array([0, 1, 2, 10, 3_000])
    expected = [sum(1 / k for k in range(1, x + 1)) for x in n]
    np.testing.assert_allclose(
        harmonic(jnp.asarray(n, jnp.float32)), expected, rtol=1e-5, atol=1e-6
    )


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match=r"objective\.margin is -1; give a number from 0 on"):
        Warp(margin=-1)
    with pytest.raises(InputError, match=r"objective\.margin is 2; give a number from -1 to 1"):
        CosineContrastive(margin=2)
    with pytest.raises(InputError, match=r"objective\.negative_weight is -1"):
        CosineContrastive(negative_weight=-1)
    with pytest.raises(InputError, match=r"objective\.decay is -1; give a number from 0 on"):
        GraphConstraints(decay=-1)
    with pytest.raises(InputError, match=r"objective\.uniformity_weight is -1"):
        DirectAU(uniformity_weight=-1)
    model, variables, batch = factors()
    with pytest.raises(InputError, match=r"neighbour_weight is 0\.001, and the model has no item"):
        run(GraphConstraints(), model, variables, batch)
