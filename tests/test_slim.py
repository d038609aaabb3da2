"""SLIM by the conditions of its optimum (Karush, Kuhn and Tucker)."""

import numpy as np
import pytest

from jaxrec.baselines import item_weights, slim
from jaxrec.baselines.slim import SLIMConfig
from jaxrec.errors import InputError
from tests.contracts import BaselineContract
from tests.linear import ITEMS, all_scores, dense, random_events


class TestSLIM(BaselineContract):
    config = SLIMConfig(l1=1.0, l2=10.0)


@pytest.mark.parametrize(("l1", "l2"), [(0.0, 5.0), (2.0, 0.0), (1.0, 3.0)])
@pytest.mark.parametrize("group", [64, 8])
def test_the_conditions_of_the_optimum_hold(l1, l2, group, monkeypatch):
    """One group of coordinates, or four; targets all at once, or in blocks."""
    monkeypatch.setattr(slim, "GROUP", group)
    monkeypatch.setattr(slim, "TARGETS", group)
    monkeypatch.setattr(item_weights, "DENSE_SPEEDUP", 10**9)
    slim._descend.clear_cache()
    events = random_events()
    met = dense(events)
    found = SLIMConfig(l1=l1, l2=l2, tolerance=1e-6, max_sweeps=2000).fit(events)
    weights = np.asarray(found.matrix, np.float64)
    np.testing.assert_array_equal(np.diag(weights), 0)
    assert weights.min() == 0
    gradient = -met.T @ (met - met @ weights) + l2 * weights + l1
    scale = np.maximum(np.diag(met.T @ met) + l2, 1)[:, None]
    at_zero = ~np.eye(ITEMS + 1, dtype=bool) & (weights == 0)
    assert np.abs(gradient / scale)[weights > 0].max() < 2e-5
    assert (gradient / scale)[at_zero].min() > -2e-5
    np.testing.assert_allclose(all_scores(found, events), met @ weights, rtol=1e-4, atol=1e-5)


def test_a_larger_penalty_leaves_fewer_weights(monkeypatch):
    monkeypatch.setattr(item_weights, "DENSE_SPEEDUP", 0)
    events = random_events()
    number = [
        int((np.asarray(SLIMConfig(l1=l1, l2=1.0).fit(events).rows.weights) > 0).sum())
        for l1 in (0.1, 3.0, 1e6)
    ]
    assert number[0] > 2 * number[1] > number[2] == 0


def test_what_does_not_fit_memory_is_refused_with_what_to_use_instead():
    with pytest.raises(InputError, match=r"SLIM may take .* GiB.*item_knn"):
        SLIMConfig(memory_budget=1000).fit(random_events())


@pytest.mark.parametrize("fields", [{"l1": -1.0}, {"l2": -1.0}, {"tolerance": 0.0}])
def test_bad_values_are_refused(fields):
    with pytest.raises(InputError, match=next(iter(fields))):
        SLIMConfig(**fields)
