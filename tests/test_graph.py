"""Graphs: the product against dense algebra, the models and their contracts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.encoders.graph import Graph, neighbour_sum, propagate
from jaxrec.errors import InputError
from jaxrec.models.lightgcn import LightGCNConfig
from jaxrec.models.sgl import SGLConfig
from jaxrec.models.simgcl import SimGCLConfig
from jaxrec.objectives import Bpr
from jaxrec.regularisation import Adversarial, L2Penalty
from jaxrec.typing import CSR, Spec
from jaxrec.views import Nodes
from tests.contracts import ModelContract, eight_devices_later, init, random_batch

USERS, ITEMS = 60, 200


class TestLightGCN(ModelContract):
    config = LightGCNConfig(embed_dim=8, num_layers=2)
    objective = L2Penalty(Bpr(), 1e-6)


class TestSGL(ModelContract):
    config = SGLConfig(embed_dim=8, num_layers=2)
    objective = Nodes(Bpr(), share=0.01)
    test_eight_devices_give_the_loss_of_one = eight_devices_later


@pytest.mark.slow
class TestSimGCL(ModelContract):
    config = SimGCLConfig(embed_dim=8, num_layers=2, noise=0.01)
    objective = Nodes(Bpr(), share=0.001)
    steps = 200


def random_graph(seed=0):
    """Users 0 and 3 and some items have no edges; item 1 has all other users, user 1 most items."""
    rng = np.random.default_rng(seed)
    known = rng.random((USERS, ITEMS)) < 0.1
    known[:, 1], known[1, 1 : ITEMS - 5] = True, True
    known[[0, 3]] = False
    known[:, 0] = known[:, -5:] = False
    user, item = np.nonzero(known)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=USERS))])
    graph = Graph.build(CSR(indptr, item), USERS, ITEMS)
    return graph, known, np.stack([user, item + USERS])


def dense(known, kept=None, ends=None):
    """The adjacency of all nodes."""
    whole = np.zeros((USERS + ITEMS,) * 2)
    whole[:USERS, USERS:] = known
    if kept is not None:
        whole[ends[0][~kept], ends[1][~kept]] = 0
    return whole + whole.T


def normalised(whole):
    degree = whole.sum(1)
    scale = np.where(degree > 0, 1 / np.sqrt(np.maximum(degree, 1)), 0)
    return scale[:, None] * whole * scale[None, :]


def vectors(seed=1):
    x = np.random.default_rng(seed).normal(size=(USERS + ITEMS, 5)).astype(np.float32)
    x[0] = 0
    return x


def test_a_graph_has_several_levels_and_all_edges():
    graph, _, ends = random_graph()
    assert len(graph.levels) == 3
    np.testing.assert_array_equal(graph.ends, ends)
    assert np.bincount(graph.edges[graph.levels[0] > 0]).tolist() == [2] * ends.shape[1]


@pytest.mark.parametrize("dropped", [False, True])
def test_the_sum_of_neighbours_is_the_dense_product(dropped):
    graph, known, ends = random_graph()
    kept = np.random.default_rng(2).random(ends.shape[1]) < 0.7 if dropped else None
    found = neighbour_sum(graph, jnp.asarray(vectors()), None if kept is None else jnp.array(kept))
    np.testing.assert_allclose(found, dense(known, kept, ends) @ vectors(), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("dropped", [False, True])
def test_propagation_equals_dense_algebra_with_its_gradient(dropped):
    graph, known, ends = random_graph()
    kept = np.random.default_rng(2).random(ends.shape[1]) < 0.7 if dropped else None
    mask = None if kept is None else jnp.asarray(kept)
    matrix = normalised(dense(known, kept, ends))
    powers = matrix + matrix @ matrix + matrix @ matrix @ matrix
    found = propagate(graph, jnp.asarray(vectors()), 3, kept=mask)
    np.testing.assert_allclose(found, powers @ vectors(), rtol=1e-4, atol=1e-5)
    upstream = vectors(3)
    gradient = jax.grad(lambda x: (propagate(graph, x, 3, kept=mask) * upstream).sum())(
        jnp.asarray(vectors())
    )
    np.testing.assert_allclose(gradient, powers.T @ upstream, rtol=1e-4, atol=1e-5)


def test_noise_has_its_length_and_keeps_the_orthant():
    graph, _, _ = random_graph()
    x = jnp.asarray(vectors())
    plain, noisy = propagate(graph, x, 1), propagate(graph, x, 1, noise=0.1, key=jax.random.key(0))
    reached = np.abs(np.asarray(plain)).sum(1) > 0
    moved = np.asarray(noisy - plain)
    np.testing.assert_allclose(np.linalg.norm(moved[reached], axis=1), 0.1, rtol=1e-3)
    assert not moved[~reached].any()
    assert (np.sign(moved) * np.sign(plain) >= 0).all()


def test_a_graph_without_edges_gives_nothing():
    graph = Graph.build(CSR(np.zeros(USERS + 1, int), np.zeros(0, int)), USERS, ITEMS)
    assert not np.asarray(propagate(graph, jnp.asarray(vectors()), 2)).any()


def _model(config):
    batch = random_batch()
    spec = Spec(8, 20, 0, positives=batch.catalogue.positives)
    model = config.build(spec)
    return model, init(model, jax.random.key(0), batch), batch


def test_a_table_that_moves_does_so_in_all_layers():
    """What was propagated before the objective is propagated again, from the tables that moved."""
    model, variables, _ = _model(LightGCNConfig(embed_dim=4, num_layers=2, scale=0.5))
    batch = random_batch(length=1)
    objective = Adversarial(Bpr(), perturbation_norm=0.3)
    found, expected = (
        objective(model.apply, given, batch, jax.random.key(2))[1]["adversarial"]
        for given in (model.precompute(variables), variables)
    )
    assert found == pytest.approx(float(expected), rel=1e-5)


def test_lightgcn_averages_all_layers():
    model, variables, batch = _model(LightGCNConfig(embed_dim=4, num_layers=2))
    tables = [variables["params"][f"{x}_vector"]["embedding"] for x in ("user", "item")]
    nodes = np.concatenate(tables)
    whole = np.zeros((len(nodes),) * 2)
    whole[tuple(model.graph.ends)] = 1
    matrix = normalised(whole + whole.T)
    mean = (nodes + matrix @ nodes + matrix @ matrix @ nodes) / 3
    users, items = mean[1:9], mean[len(tables[0]) :][:21]
    for known in (variables, model.precompute(variables)):
        user = model.apply(known, batch, method="encode_user")
        item = model.apply(known, batch.catalogue.items, method="encode_item")
        np.testing.assert_allclose(user[:, 0], users, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(item, items, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "config",
    [SGLConfig(embed_dim=4, num_layers=2, edge_dropout=0.3), SimGCLConfig(embed_dim=4)],
    ids=["sgl", "simgcl"],
)
def test_the_contrast_of_nodes_is_written_out(config):
    model, variables, batch = _model(config)
    key = jax.random.key(5)
    objective = Nodes(lambda *_: (jnp.float32(0), {}), share=0.5, temperature=0.2)
    loss, metrics = objective(model.apply, variables, batch, key)
    view_key = jax.random.split(key)[1]
    first, second = model.apply(variables, batch, method="views", rngs={"dropout": view_key})
    assert float(np.abs(first[0] - second[0]).max()) > 0
    total = 0.0
    kept = np.asarray(batch.weights[:, -1]) > 0
    for one, other, ids in zip(first, second, (batch.user, batch.target[:, -1]), strict=True):
        both = np.concatenate([one[kept], other[kept]]).astype(np.float64)
        both /= np.maximum(np.linalg.norm(both, axis=1, keepdims=True), 1e-6)
        names = np.tile(np.asarray(ids)[kept], 2)
        odds = np.exp(both @ both.T / 0.2)
        rows = np.arange(len(both))
        partner = odds[rows, (rows + kept.sum()) % len(rows)]
        others = np.where(names[:, None] != names[None, :], odds, 0).sum(1)
        total += -np.log(partner / (partner + others)).mean()
    np.testing.assert_allclose(metrics["nodes"], total, rtol=1e-4)
    np.testing.assert_allclose(loss, 0.5 * total, rtol=1e-4)


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (LightGCNConfig(num_layers=-1), "model.num_layers is -1"),
        (SGLConfig(edge_dropout=1.0), "model.edge_dropout is 1.0"),
        (SimGCLConfig(noise=0.0), "model.noise is 0.0"),
    ],
)
def test_bad_sizes_are_named(config, name):
    with pytest.raises(InputError, match=name):
        config.build(Spec(8, 20, 0, positives=random_batch().catalogue.positives))
