"""User neighbourhoods against a dense computation: known users, bare histories, each pruning."""

import dataclasses

import jax
import numpy as np
import pytest

from jaxrec.baselines.user_knn import UserKNNConfig
from jaxrec.errors import InputError
from tests.contracts import BaselineContract
from tests.test_neighbourhood import KINDS, ask, ask_all, dense_weights, pruned, ratings, tables

scores_of = jax.jit(lambda state, batch: state.scores(batch))


def with_kind(kind, **changes):
    fields = {
        item.name: getattr(KINDS[kind], item.name) for item in dataclasses.fields(KINDS[kind])
    }
    return UserKNNConfig(**(fields | {"pruning": "row"} | changes))


@pytest.mark.parametrize("kind", KINDS)
def test_known_users_score_by_their_nearest(kind):
    config = with_kind(kind, neighbours=6)
    met, values = tables()
    expected = pruned(dense_weights(config, met, values), config) @ met
    # The size of the set that asks stretches all its weights alike, and is left out.
    factor = 1.0
    if config.weighting == "bm25":
        size = met.sum(1, keepdims=True)
        k1, b = config.bm25_k1, config.bm25_b
        factor = (1 + k1 * (1 - b + b * size / size[1:].mean())) / (k1 + 1)
        factor = factor if config.similarity == "dot" else 1.0
    scores = scores_of(config.fit(ratings()), ask_all())
    alike = 4 if "adjusted" in kind else 0  # users up to 3 value all alike, see below
    np.testing.assert_allclose(scores[alike:], (expected * factor)[alike:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pruning", ["row", "column", "both"])
@pytest.mark.parametrize("neighbours", [3, None])
@pytest.mark.parametrize("kind", ["cosine", "tversky", "adjusted, shrunk"])
def test_pruning_of_either_side(kind, neighbours, pruning):
    config = with_kind(kind, neighbours=neighbours, pruning=pruning)
    met, values = tables()
    expected = pruned(dense_weights(config, met, values), config) @ met
    scores = scores_of(config.fit(ratings()), ask_all())
    alike = 4 if "adjusted" in kind else 0
    np.testing.assert_allclose(scores[alike:], expected[alike:], rtol=1e-4, atol=1e-4)


def test_a_bare_history_is_compared_with_all_users():
    met, values = tables()
    state = UserKNNConfig(neighbours=None).fit(ratings())
    history = np.zeros(met.shape[1])
    history[[2, 7]] = 1
    size = np.sqrt(2 * np.maximum(met.sum(1), 1))
    scores = scores_of(state, ask([[2, 7, 2], []]))
    np.testing.assert_allclose(scores[0], (met @ history / size) @ met, rtol=1e-4)
    np.testing.assert_array_equal(scores[1], 0)
    adjusted = UserKNNConfig("adjusted_cosine", neighbours=None).fit(ratings())
    size = np.sqrt(2 * (values**2).sum(1))
    weights = np.divide(values @ history, size, where=size > 0, out=np.zeros(len(met)))
    np.testing.assert_allclose(
        scores_of(adjusted, ask([[2, 7, 2], []]))[0], weights @ met, rtol=1e-4, atol=1e-5
    )


def test_a_user_who_values_all_alike_is_asked_about_as_an_unknown_one():
    state = UserKNNConfig("adjusted_cosine", neighbours=5).fit(ratings())
    own = np.flatnonzero(tables()[0][2]).tolist()
    bare = scores_of(state, ask([own], 40))
    np.testing.assert_allclose(scores_of(state, ask_all())[2], bare[0])


def test_users_that_do_not_fit_memory_are_refused_when_they_must_be_compared():
    UserKNNConfig(memory_budget=1000).fit(ratings())
    with pytest.raises(InputError, match=r"0\.00 GiB.*model\.neighbours"):
        UserKNNConfig(pruning="column", memory_budget=1000).fit(ratings())


class TestUserKNN(BaselineContract):
    config = UserKNNConfig(neighbours=10)


class TestUserKNNByColumn(BaselineContract):
    config = UserKNNConfig("tversky", neighbours=30, shrinkage=1.0, pruning="column")
