"""PureSVD against a dense decomposition."""

import numpy as np
import pytest

from jaxrec.baselines.pure_svd import PureSVDConfig
from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError
from tests.contracts import BaselineContract
from tests.linear import ITEMS, all_scores, dense, random_events


class TestPureSVD(BaselineContract):
    config = PureSVDConfig(factors=2)


@pytest.mark.parametrize("factors", [5, 1000])
def test_equal_to_a_dense_decomposition(factors):
    events = random_events()
    met = dense(events)
    vectors = np.linalg.svd(met, full_matrices=False)[2][:factors]
    scores = all_scores(PureSVDConfig(factors).fit(events), events)
    np.testing.assert_allclose(scores, met @ vectors.T @ vectors, rtol=1e-3, atol=1e-4)


def test_the_vectors_may_be_those_of_the_values():
    rng = np.random.default_rng(1)
    met = rng.random((40, ITEMS)) < 0.4
    user, item = np.nonzero(met)
    value = rng.integers(1, 6, len(user)).astype(float)
    events = Interactions.build(user, item, value)
    matrix = np.zeros((41, ITEMS + 1))
    matrix[events.user, events.item] = events.value
    vectors = np.linalg.svd(matrix, full_matrices=False)[2][:4]
    scores = all_scores(PureSVDConfig(4, values=True).fit(events), events)
    np.testing.assert_allclose(scores, dense(events) @ vectors.T @ vectors, rtol=1e-3, atol=1e-4)


def test_fitted_twice_it_is_the_same():
    events = random_events()
    first, second = (PureSVDConfig(5).fit(events).vectors for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_bad_values_are_refused():
    with pytest.raises(InputError, match="factors"):
        PureSVDConfig(factors=0)
