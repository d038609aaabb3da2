"""GF-CF against dense filters."""

import numpy as np
import pytest

from jaxrec.baselines.gf_cf import GFCFConfig
from jaxrec.errors import InputError
from tests.contracts import BaselineContract
from tests.linear import all_scores, dense, random_events


class TestGFCF(BaselineContract):
    config = GFCFConfig(factors=2)


@pytest.mark.parametrize("factors", [4, 256])
def test_equal_to_dense_filters(factors):
    events = random_events()
    met = dense(events)
    of_users, of_items = (np.sqrt(np.maximum(met.sum(axis), 1)) for axis in (1, 0))
    normal = met / of_users[:, None] / of_items
    vectors = np.linalg.svd(normal, full_matrices=False)[2][:factors]
    ideal = (vectors.T / of_items[:, None]) @ (vectors * of_items)
    scores = all_scores(GFCFConfig(factors, share=0.7).fit(events), events)
    expected = met @ (normal.T @ normal + 0.7 * ideal)
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-4)


def test_bad_values_are_refused():
    with pytest.raises(InputError, match="factors"):
        GFCFConfig(factors=0)
