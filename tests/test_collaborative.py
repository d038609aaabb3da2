"""UltraGCN's item graph, SimpleX's history and the products of matrix factorisation, by NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.data.histories import positives
from jaxrec.errors import InputError
from jaxrec.models import ultragcn
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.models.simplex import SimpleXConfig
from jaxrec.models.ultragcn import UltraGCNConfig, strongest
from jaxrec.similarity import Cosine, Mlp
from jaxrec.typing import CSR, Spec
from tests.contracts import checkerboard, init, random_batch, scores_of_model, spec_of


def of_known(known):
    """The rows of a matrix of ones, users and items from row and column 1 on."""
    items = np.nonzero(known)[1]
    indptr = np.concatenate([[0], np.cumsum(known.sum(1))]).astype(np.int32)
    # What stands beyond the last row, where data was padded, belongs to nobody.
    return CSR(indptr, np.append(items, [0, 0]).astype(np.int32))


@pytest.mark.parametrize("entries", [1, 10**6])
def test_the_item_graph_is_dense_algebra(entries, monkeypatch):
    monkeypatch.setattr(ultragcn, "ENTRIES", entries)
    known = np.random.default_rng(0).random((31, 13)) < 0.3
    known[0] = known[:, 0] = False
    known[:, 5] = False
    known[:, 7] = np.arange(31) == 4
    known[4] = np.arange(13) == 7  # item 7's one user has nothing else
    near, omega = strongest(of_known(known), 12, 4)
    shared = known.T.astype(float) @ known
    total = shared.sum(1)
    for i in range(13):
        expected = {
            j: shared[i, j] / (total[i] - shared[i, i]) * (total[i] / total[j]) ** 0.5
            for j in range(1, 13)
            if j != i and shared[i, j] > 0
        }
        best = sorted(expected.values(), reverse=True)[:4]
        np.testing.assert_allclose(omega[i], best + [0.0] * (4 - len(best)), rtol=1e-5)
        for item, weight in zip(near[i], omega[i]):
            assert item == 0 if weight == 0 else expected[item] == pytest.approx(weight, rel=1e-5)
    assert not near[[0, 5, 7]].any()


def test_an_item_graph_of_fewer_items_than_neighbours_ends_in_nothing():
    near, omega = strongest(of_known(np.array([[0, 0, 0], [0, 1, 1]])), 2, 5)
    np.testing.assert_array_equal(near[1:, 0], [2, 1])
    assert not near[:, 1:].any()
    assert not omega[:, 1:].any()


def test_neighbours_are_kept_with_the_variables():
    prepared = checkerboard()
    model = UltraGCNConfig(embed_dim=4, num_neighbours=3).build(spec_of(prepared))
    variables = init(model, jax.random.key(0), random_batch(length=1))
    item = jnp.array([[3], [0]], jnp.int32)
    near, omega = model.apply(variables, item, method="neighbours")
    expected = strongest(positives(prepared.split.train), 20, 3)
    np.testing.assert_array_equal(near, expected[0][[[3], [0]]])
    np.testing.assert_array_equal(omega, expected[1][[[3], [0]]])
    assert np.all(np.asarray(near[0]) % 2 == 1), "odd items share users with odd items alone"


def test_simplex_joins_the_user_and_the_mean_of_the_history():
    model = SimpleXConfig(embed_dim=4, own_share=0.3, history_length=3).build(Spec(8, 20, 3))
    batch = random_batch(length=6)
    variables = init(model, jax.random.key(0), batch)
    scores = np.asarray(scores_of_model(model, variables, batch))
    user, item, turn = (
        np.asarray(variables["params"][name][kind])
        for name, kind in (
            ("user_vector", "embedding"),
            ("item_vector", "embedding"),
            ("turn", "kernel"),
        )
    )
    history, where = np.asarray(batch.history), np.asarray(batch.where)
    assert not where.all()
    for row, column in np.ndindex(where.shape):
        # Three events are read at most; where there is none, the user stands alone.
        seen = [item[history[row, c]] for c in range(max(column - 2, 0), column + 1)]
        seen = [x for c, x in zip(range(max(column - 2, 0), column + 1), seen) if where[row, c]]
        met = np.mean(seen, axis=0) @ turn if where[row, column] else 0
        vector = 0.3 * user[row + 1] + 0.7 * met
        lengths = np.linalg.norm(item[1:21], axis=1) * np.linalg.norm(vector)
        expected = item[1:21] @ vector / lengths
        np.testing.assert_allclose(scores[row, column, 1:], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("aggregation", ["user_attention", "self_attention"])
def test_simplex_attends_to_the_history(aggregation):
    config = SimpleXConfig(embed_dim=4, aggregation=aggregation, history_length=6)
    model = config.build(Spec(8, 20, 6))
    batch = random_batch(length=6)
    batch = batch.replace(queries=jnp.full((8, 1), 5, jnp.int32))
    variables = init(model, jax.random.key(0), batch)
    found = model.apply(variables, batch, method="encode_user")
    p = jax.tree.map(np.asarray, variables["params"])
    for row in range(8):
        own = p["user_vector"]["embedding"][row + 1]
        shown = np.asarray(batch.history[row])[np.asarray(batch.where[row])]
        items = p["item_vector"]["embedding"][shown]
        key = np.tanh(items @ p["key"]["kernel"] + p["key"]["bias"])
        odds = np.exp(key @ (own if aggregation == "user_attention" else p["query"]))
        met = odds @ items / max(odds.sum(), 1e-9) @ p["turn"]["kernel"]
        vector = (own + met) / 2
        np.testing.assert_allclose(found[row, 0], vector / np.linalg.norm(vector), rtol=1e-4)


def test_factors_without_biases_are_compared_alone():
    batch = random_batch(length=1)
    config = MatrixFactorizationConfig(4, biases=False, similarity=Cosine(temperature=0.5))
    model = config.build(Spec(8, 20, 0))
    assert model.inner_product
    variables = init(model, jax.random.key(0), batch)
    assert set(variables["params"]) == {"user_vector", "item_vector"}
    x, y = (variables["params"][name]["embedding"] for name in ("user_vector", "item_vector"))
    x, y = (np.asarray(a / jnp.linalg.norm(a, axis=1, keepdims=True)) for a in (x, y))
    found = scores_of_model(model, variables, batch)[:, 0, 1:]
    np.testing.assert_allclose(found, x[1:9] @ y[1:21].T / 0.5, rtol=1e-4, atol=1e-5)


def test_what_cannot_be_built_is_refused():
    spec = Spec(8, 20, 0)
    with pytest.raises(InputError, match=r"model\.biases is True, but .* is Mlp; turn them off"):
        MatrixFactorizationConfig(similarity=Mlp()).build(spec)
    with pytest.raises(InputError, match=r"model\.num_neighbours is 0; give a whole number"):
        UltraGCNConfig(num_neighbours=0).build(spec)
    with pytest.raises(InputError, match=r"UltraGCN needs spec\.positives"):
        UltraGCNConfig().build(spec)
    with pytest.raises(InputError, match=r"model\.own_share is 1\.5; give a number from 0 to 1"):
        SimpleXConfig(own_share=1.5).build(spec)
    with pytest.raises(InputError, match=r"model\.history_length is 0; give a whole number"):
        SimpleXConfig(history_length=0).build(spec)
