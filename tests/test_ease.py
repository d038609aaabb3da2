"""EASE: the contract, its fields, and the published number."""

import numpy as np
import pytest

from jaxrec.baselines.ease import EASEConfig
from jaxrec.config import load_config
from jaxrec.data.prepare import DataConfig, load, prepare
from jaxrec.data.splits import Given
from jaxrec.errors import InputError
from jaxrec.evaluate import evaluate
from jaxrec.retrieval import baseline_scorer
from tests.contracts import BaselineContract
from tests.linear import ITEMS, all_scores, dense, random_events


class TestEASE(BaselineContract):
    config = EASEConfig(l2=10.0)


class TestSparseEASE(BaselineContract):
    config = EASEConfig(l2=10.0, neighbours=5)


def test_equal_to_the_closed_form():
    events = random_events()
    met = dense(events)
    inverse = np.linalg.inv(met.T @ met + 7 * np.eye(ITEMS + 1))
    weights = np.eye(ITEMS + 1) - inverse / np.diag(inverse)
    scores = all_scores(EASEConfig(l2=7.0).fit(events), events)
    np.testing.assert_allclose(scores, met @ weights, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("fields", [{"l2": 0.0}, {"neighbours": 0}])
def test_bad_values_are_refused(fields):
    with pytest.raises(InputError, match=next(iter(fields))):
        EASEConfig(**fields)


def test_ml1m_ultragcn(data_root):
    """The benchmark notes have .2759 and .2660."""
    config = load_config("ml1m_ultragcn_ease")
    data = DataConfig(path=str(data_root / "ml-1m-ultragcn"), split=Given())
    prepared = prepare(load(data, lambda note: None), data, 0)
    state = config.model.fit(prepared.split.train)
    found = evaluate(baseline_scorer(config.model), state, prepared, "test", config.protocol)
    assert found.metrics["recall@20"] == pytest.approx(0.2759, abs=5e-4)
    assert found.metrics["ndcg@20"] == pytest.approx(0.2660, abs=5e-4)
