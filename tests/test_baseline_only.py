"""Biases against the same sums rating by rating."""

import numpy as np
import pytest

from jaxrec.baselines.baseline_only import BaselineOnlyConfig
from jaxrec.errors import InputError
from tests.contracts import BaselineContract
from tests.rating_data import ITEMS, USERS, errors_on_ml100k, predicted, random_ratings


class TestBaselineOnly(BaselineContract):
    config = BaselineOnlyConfig()
    personal = False


def test_equal_to_sums_rating_by_rating():
    events = random_ratings()
    ratings = list(zip(events.user, events.item, events.value.astype(float), strict=True))
    mean = np.mean(events.value, dtype=float)
    user, item = np.zeros(USERS + 1), np.zeros(ITEMS + 1)
    for _ in range(3):
        for i in range(ITEMS + 1):
            own = [r - mean - user[u] for u, j, r in ratings if j == i]
            item[i] = sum(own) / (7 + len(own))
        for u in range(USERS + 1):
            own = [r - mean - item[i] for v, i, r in ratings if v == u]
            user[u] = sum(own) / (4 + len(own))
    state = BaselineOnlyConfig(3, user_regularization=4.0, item_regularization=7.0).fit(events)
    expected = mean + user[:, None] + item[None, :]
    np.testing.assert_allclose(predicted(state, events), expected, rtol=1e-5)


def test_without_regularization_the_unknown_have_no_bias():
    state = BaselineOnlyConfig(3, 0.0, 0.0).fit(random_ratings())
    np.testing.assert_array_equal([state.user[0], state.user[-1], state.item[-1]], 0)
    assert np.isfinite(state.user).all()


@pytest.mark.parametrize("name", ["user_regularization", "item_regularization"])
def test_bad_values_are_refused(name):
    with pytest.raises(InputError, match=name):
        BaselineOnlyConfig(**{name: -1.0})


def test_ml100k(data_root):
    """Surprise's table has .944 and .748."""
    found = errors_on_ml100k(data_root, BaselineOnlyConfig(), 5)
    np.testing.assert_allclose(found, [0.944, 0.748], atol=1e-3)
