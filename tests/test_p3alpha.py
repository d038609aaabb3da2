"""P3alpha and RP3beta against the product of their transition matrices, and published numbers."""

import numpy as np
import pytest

from jaxrec.baselines.p3alpha import P3AlphaConfig
from jaxrec.baselines.rp3beta import RP3BetaConfig
from jaxrec.config import load_config
from jaxrec.data.prepare import DataConfig, load, prepare
from jaxrec.errors import InputError
from jaxrec.evaluate import evaluate
from jaxrec.retrieval import baseline_scorer
from tests.contracts import BaselineContract
from tests.test_neighbourhood import ask, ask_all, pruned_rows, ratings, tables


def dense_walk(config):
    met = tables()[0].astype(float)
    out = (met / np.maximum(met.sum(1, keepdims=True), 1)) ** config.alpha
    back = (met / np.maximum(met.sum(0), 1)).T ** config.alpha
    weights = back @ out / np.maximum(met.sum(0), 1) ** getattr(config, "beta", 0)
    np.fill_diagonal(weights, 0)
    k = config.neighbours or len(weights)
    if config.pruning != "column":
        weights = pruned_rows(weights, k)
    if config.normalise:
        weights /= np.maximum(weights.sum(1, keepdims=True), 1e-12)
    if config.pruning != "row":
        weights = pruned_rows(weights.T, k).T
    return met, weights


@pytest.mark.parametrize(
    "config",
    [
        P3AlphaConfig(neighbours=None, normalise=False),
        P3AlphaConfig(alpha=0.6, neighbours=4, pruning="row"),
        P3AlphaConfig(alpha=1.7, neighbours=4, pruning="column"),
        RP3BetaConfig(alpha=0.4, neighbours=3, beta=0.8),
        RP3BetaConfig(neighbours=3, normalise=False),
    ],
)
def test_equal_to_the_product_of_the_transition_matrices(config):
    met, weights = dense_walk(config)
    state = config.fit(ratings())
    np.testing.assert_allclose(state.scores(ask_all()), met @ weights, rtol=1e-4, atol=1e-6)
    bare = state.scores(ask([[3, 1, 3], []]))
    np.testing.assert_allclose(bare[0], weights[3] + weights[1], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(bare[1], 0)


@pytest.mark.parametrize("fields", [{"neighbours": 0}, {"alpha": -1.0}, {"beta": -1.0}])
def test_bad_values_are_refused(fields):
    with pytest.raises(InputError, match=next(iter(fields))):
        RP3BetaConfig(**fields)


class TestP3Alpha(BaselineContract):
    config = P3AlphaConfig(neighbours=8)


class TestRP3Beta(BaselineContract):
    config = RP3BetaConfig(neighbours=8)


@pytest.mark.slow
def test_rp3beta_on_gowalla(data_root):
    """The RP3beta row of the RecSysEvaluation group's IntentAwareRS: .18290 and .15204."""
    config = load_config("gowalla_rp3beta")
    data = DataConfig(path=str(data_root / "gowalla"), split=config.data.split)
    prepared = prepare(load(data, lambda note: None), data, 0)
    state = config.model.fit(prepared.split.train)
    found = evaluate(baseline_scorer(config.model), state, prepared, "test", config.protocol)
    assert found.metrics["recall@20"] == pytest.approx(0.1829, abs=5e-4)
    assert found.metrics["ndcg@20"] == pytest.approx(0.1520, abs=5e-4)
