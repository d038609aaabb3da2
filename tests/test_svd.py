"""Descent by users side by side against a plain loop over the ratings."""

import numpy as np
import pytest

from jaxrec.baselines import lockstep
from jaxrec.baselines.lockstep import Lockstep
from jaxrec.baselines.svd import SVDConfig, initial
from jaxrec.errors import InputError
from tests.contracts import BaselineContract
from tests.rating_data import errors_on_ml100k, predicted, random_ratings


class TestSVD(BaselineContract):
    config = SVDConfig(embed_dim=8)
    personal = False


def sequential(events, config):
    """Take the ratings one by one, in the order of the users' groups and of their steps."""
    random = np.random.default_rng(config.seed)
    p, q = (np.array(x, float) for x in initial(config, events, random))
    user, first, item, value = map(np.asarray, Lockstep.build(events, random))
    dim, rate, decay = config.embed_dim, config.learning_rate, config.regularization
    mean = np.mean(events.value, dtype=float)
    for _ in range(config.epochs):
        for group, users in enumerate(user):
            for step, lane, place in np.argwhere(item[first[group] : first[group + 1]]):
                u, at = users[lane], (first[group] + step, lane, place)
                i, error = item[at], value[at] - mean - p[u] @ q[item[at]]
                to_p, to_q = error * q[i] - decay * p[u], error * p[u] - decay * q[i]
                to_p[dim + 1] = to_q[dim] = 0
                p[u] += rate * to_p
                q[i] += rate * to_q
    return mean + p @ q.T


def test_one_user_and_one_rating_at_a_time_is_a_loop_over_the_ratings(monkeypatch):
    monkeypatch.setattr(lockstep, "USERS", 1)
    monkeypatch.setattr(lockstep, "RATINGS", 1)
    events, config = random_ratings(), SVDConfig(4, 6, 0.03, 0.05, 0.3, seed=1)
    expected = sequential(events, config)
    np.testing.assert_allclose(predicted(config.fit(events), events), expected, atol=1e-4)


def test_some_at_a_time_differ_little_from_a_loop(monkeypatch):
    monkeypatch.setattr(lockstep, "USERS", 4)
    monkeypatch.setattr(lockstep, "RATINGS", 2)
    events, config = random_ratings(), SVDConfig(4, 20, 0.005, 0.05, 0.3)
    expected = sequential(events, config)
    apart = abs(predicted(config.fit(events), events) - expected)
    assert apart.max() < 0.02 * expected.std()


def test_the_unknown_have_biases_of_0():
    state = SVDConfig(4, 2).fit(random_ratings())
    for table in (state.user, state.item):
        np.testing.assert_array_equal(table[0], 0)
        np.testing.assert_array_equal(table[-1], 0)
    assert state.biases.user[-1] == state.biases.item[-1] == state.biases.user[0] == 0


def test_what_runs_away_is_refused():
    with pytest.raises(InputError, match=r"model\.learning_rate"):
        SVDConfig(4, learning_rate=50.0).fit(random_ratings())
    with pytest.raises(InputError, match="regularization"):
        SVDConfig(regularization=-0.1)


def test_ml100k(data_root):
    """On the first fold four initial states gave Surprise 1.1.5 .938 ± .003 and .740 ± .002."""
    found = errors_on_ml100k(data_root, SVDConfig(), 1)
    np.testing.assert_allclose(found, [0.938, 0.740], atol=4e-3)
