"""Popularity: what it counts, and the published numbers that prove the evaluator."""

import numpy as np
import pytest

from jaxrec.baselines.popularity import PopularityConfig
from jaxrec.data.interactions import Interactions
from jaxrec.data.prepare import DataConfig, load, prepare
from jaxrec.errors import InputError
from jaxrec.evaluate import evaluate
from jaxrec.metrics.protocol import Protocol
from jaxrec.retrieval import baseline_scorer

DAYS = 86400.0
EVENTS = Interactions.build(
    [1, 1, 1, 2, 3], ["a", "a", "b", "b", "c"], None, [0, 2 * DAYS, 4 * DAYS, 2 * DAYS, 4 * DAYS],
    order="time",
)  # fmt: skip


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (PopularityConfig(), [0, 2, 2, 1]),
        (PopularityConfig(count="users"), [0, 1, 2, 1]),
        (PopularityConfig(half_life_days=2), [0, 0.25 + 0.5, 1 + 0.5, 1]),
        (PopularityConfig(count="users", half_life_days=2), [0, 0.5, 1 + 0.5, 1]),
    ],
)
def test_what_counts(config, expected):
    np.testing.assert_allclose(config.fit(EVENTS).popularity, expected, rtol=1e-6)


def test_ageing_needs_times():
    with pytest.raises(InputError, match="half_life_days"):
        PopularityConfig(half_life_days=0)
    with pytest.raises(InputError, match="times"):
        PopularityConfig(half_life_days=2).fit(Interactions.build([1, 2], [1, 2]))


def measure(data_root, name, protocol):
    path = data_root / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    config = DataConfig(path=str(path))
    prepared = prepare(load(config, lambda note: None), config, 0)
    state = PopularityConfig().fit(prepared.split.train)
    return evaluate(baseline_scorer(PopularityConfig()), state, prepared, "test", protocol).metrics


def test_top_pop_on_gowalla_is_as_published(data_root):
    """RecSysEvaluation/IntentAwareRS, results/DGCF/gowalla: .04163 and .03169."""
    protocol = Protocol(metrics=("recall@20", "ndcg@20"), resamples=0)
    found = measure(data_root, "gowalla", protocol)
    assert found == pytest.approx({"recall@20": 0.04163, "ndcg@20": 0.03169}, abs=1e-5)


def test_popularity_on_ml100k_is_that_of_file_order(data_root):
    """With ties of time in the order of the file; by item id it would be .025."""
    found = measure(data_root, "ml-100k", Protocol(metrics=("ndcg@10",), resamples=0))
    assert 0.0430 < found["ndcg@10"] < 0.0445
