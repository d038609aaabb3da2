"""Multiplicative updates against loops over the ratings."""

import numpy as np
import pytest

from jaxrec.baselines.nmf import NMFConfig
from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError
from tests.contracts import BaselineContract
from tests.rating_data import errors_on_ml100k, predicted, random_ratings


class TestNMF(BaselineContract):
    config = NMFConfig()
    personal = False


def test_equal_to_sums_rating_by_rating():
    events = random_ratings()
    start, fitted = (NMFConfig(3, n, 0.1, 0.2).fit(events) for n in (1, 5))
    users, items = np.array(start.user_factors, float), np.array(start.item_factors, float)
    for _ in range(4):
        above = np.zeros_like(users), np.zeros_like(items)
        below = np.zeros_like(users), np.zeros_like(items)
        for u, i, r in zip(events.user, events.item, events.value, strict=True):
            above[0][u] += items[i] * r
            above[1][i] += users[u] * r
            below[0][u] += items[i] * (users[u] @ items[i]) + 0.1 * users[u]
            below[1][i] += users[u] * (users[u] @ items[i]) + 0.2 * items[i]
        users, items = (
            x * a / np.where(b > 0, b, 1) for x, a, b in zip((users, items), above, below)
        )
    np.testing.assert_allclose(fitted.user_factors, users, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(fitted.item_factors, items, rtol=1e-3, atol=1e-5)


def test_the_unknown_get_the_mean():
    events = random_ratings()
    predictions = predicted(NMFConfig().fit(events), events)
    mean = np.mean(events.value, dtype=float)
    np.testing.assert_allclose(predictions[0], mean, rtol=1e-6)
    np.testing.assert_allclose(predictions[-1], mean, rtol=1e-6)
    np.testing.assert_allclose(predictions[:, -1], mean, rtol=1e-6)


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match=r"users × items.*0\.00 GiB.*svd"):
        NMFConfig(memory_budget=1000).fit(random_ratings())
    with pytest.raises(InputError, match="nmf needs ratings from 0"):
        NMFConfig().fit(Interactions.build([1, 2], [1, 2], [1.0, -2.0]))


def test_ml100k(data_root):
    """On the first fold nine initial states gave Surprise 1.1.5 .9645 ± .0022 and .757 ± .002."""
    found = errors_on_ml100k(data_root, NMFConfig(), 1)
    np.testing.assert_allclose(found, [0.9645, 0.757], atol=8e-3)
