"""Slope One against loops over what was rated together."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.baselines.slope_one import SlopeOneConfig
from jaxrec.errors import InputError
from tests.contracts import BaselineContract
from tests.rating_data import (
    ITEMS,
    USERS,
    errors_on_ml100k,
    matrix,
    pairs,
    predicted,
    random_ratings,
)


class TestSlopeOne(BaselineContract):
    config = SlopeOneConfig()
    personal = False


def expected(events):
    """What Surprise does, which predicts the mean of all ratings for the unknown."""
    ratings = matrix(events)
    predictions = np.full(ratings.shape, np.mean(events.value, dtype=float))
    for user in np.unique(events.user):
        own = np.flatnonzero(~np.isnan(ratings[user]))
        for item in np.unique(events.item):
            differences = [ratings[:, item] - ratings[:, i] for i in own]
            deviations = [np.nanmean(x) for x in differences if not np.isnan(x).all()]
            predictions[user, item] = ratings[user, own].mean() + np.mean(deviations or [0.0])
    return predictions


def test_equal_to_loops_over_what_was_rated_together():
    events = random_ratings()
    state = SlopeOneConfig().fit(events)
    np.testing.assert_allclose(predicted(state, events)[:, 1:], expected(events)[:, 1:], rtol=1e-5)


def test_a_bare_history_is_answered_in_the_order_of_its_user():
    events = random_ratings()
    state, batch = SlopeOneConfig().fit(events), pairs(events)
    unknown = batch.replace(user=jnp.zeros_like(batch.user))
    known = np.asarray(state.scores(batch))[:: ITEMS + 1][1:USERS, 1:ITEMS]
    bare = np.asarray(state.scores(unknown))[:: ITEMS + 1][1:USERS, 1:ITEMS]
    shift = known - bare
    np.testing.assert_allclose(shift, np.broadcast_to(shift[:, :1], shift.shape), atol=1e-5)


def test_what_does_not_fit_memory_is_refused():
    with pytest.raises(InputError, match=r"deviations.*0\.00 GiB.*svd"):
        SlopeOneConfig(memory_budget=1000).fit(random_ratings())


def test_ml100k(data_root):
    """What Surprise 1.1.5 measures on the first fold; its five folds give .946 and .743."""
    found = errors_on_ml100k(data_root, SlopeOneConfig(), 1)
    np.testing.assert_allclose(found, [0.94678, 0.74369], atol=1e-4)
