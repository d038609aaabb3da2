"""SVD++, whose implicit vectors wait for the end of a group of users, against loops that do not."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.baselines import lockstep
from jaxrec.baselines.lockstep import Lockstep
from jaxrec.baselines.svd import initial
from jaxrec.baselines.svd_pp import SVDppConfig
from jaxrec.errors import InputError
from tests.contracts import BaselineContract
from tests.rating_data import ITEMS, USERS, errors_on_ml100k, pairs, predicted, random_ratings


class TestSVDpp(BaselineContract):
    config = SVDppConfig(embed_dim=8)
    personal = False


def loop(events, config):
    """Change every y_j of the user at every rating, as Surprise does."""
    dim, rate, decay = config.embed_dim, config.learning_rate, config.regularization
    random = np.random.default_rng(config.seed)
    p, q = (np.array(x, float) for x in initial(config, events, random))
    y = np.zeros_like(q)
    y[:, :dim] = random.normal(0, config.scale, (ITEMS + 1, dim))
    y[np.bincount(events.item, minlength=ITEMS + 1) == 0] = 0
    user, first, item, value = map(np.asarray, Lockstep.build(events, random))
    mean = np.mean(events.value, dtype=float)
    known = [np.unique(events.item[events.user == u]) for u in range(USERS + 1)]
    implicit = lambda u: y[known[u]].sum(0) / np.sqrt(max(len(known[u]), 1))  # noqa: E731
    for _ in range(config.epochs):
        for group, users in enumerate(user):
            for step, lane, place in np.argwhere(item[first[group] : first[group + 1]]):
                u, at = users[lane], (first[group] + step, lane, place)
                i, v = item[at], p[u] + implicit(u)
                error = value[at] - mean - v @ q[i]
                to_p, to_q = error * q[i] - decay * p[u], error * v - decay * q[i]
                to_p[dim + 1] = to_q[dim] = 0
                to_y = error * q[i] / np.sqrt(len(known[u])) - decay * y[known[u]]
                to_y[:, dim:] = 0
                p[u], q[i] = p[u] + rate * to_p, q[i] + rate * to_q
                y[known[u]] += rate * to_y
    return mean + (p + np.stack([implicit(u) for u in range(USERS + 1)])) @ q.T


@pytest.mark.parametrize(("users", "ratings", "apart"), [(1, 1, 1e-4), (4, 2, 0.05)])
def test_one_user_at_a_time_is_a_loop_over_the_ratings_and_some_are_close(
    users, ratings, apart, monkeypatch
):
    monkeypatch.setattr(lockstep, "USERS", users)
    monkeypatch.setattr(lockstep, "RATINGS", ratings)
    events, config = random_ratings(), SVDppConfig(4, 10, 0.01, 0.05, 0.3)
    expected = loop(events, config)
    found = predicted(config.fit(events), events)
    np.testing.assert_allclose(found, expected, atol=apart * expected.std(), rtol=0)


def test_a_bare_history_counts_as_that_of_an_unknown_user():
    events = random_ratings()
    state, batch = SVDppConfig(4, 2).fit(events), pairs(events)
    unknown = state.scores(batch.replace(user=jnp.zeros_like(batch.user)))[:: ITEMS + 1]
    known = np.zeros((USERS + 1, ITEMS + 1))
    known[events.user, events.item] = 1
    users = known @ np.asarray(state.implicit) / np.sqrt(np.maximum(known.sum(1), 1))[:, None]
    items, biases = np.asarray(state.factors.item), state.factors.biases
    expected = float(biases.mean) + np.asarray(biases.item) + users @ items.T
    np.testing.assert_allclose(unknown, expected, rtol=1e-5)


def test_bad_values_are_refused():
    with pytest.raises(InputError, match=r"users × items.*0\.00 GiB.*svd"):
        SVDppConfig(memory_budget=1000).fit(random_ratings())
    with pytest.raises(InputError, match="regularization"):
        SVDppConfig(regularization=-0.1)


@pytest.mark.slow
def test_ml100k(data_root):
    """On the first fold three initial states gave Surprise 1.1.5 .922 ± .004 and .724 ± .003."""
    found = errors_on_ml100k(data_root, SVDppConfig(), 1)
    np.testing.assert_allclose(found, [0.922, 0.724], atol=4e-3)
