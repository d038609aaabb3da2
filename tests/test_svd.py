"""Descent in conflict-free batches against a plain loop over the ratings."""

import numpy as np
import pytest

from jaxrec.baselines.conflict_free import ConflictFree
from jaxrec.baselines.svd import SVDConfig, initial
from jaxrec.errors import InputError
from tests.contracts import BaselineContract
from tests.rating_data import errors_on_ml100k, predicted, random_ratings


class TestSVD(BaselineContract):
    config = SVDConfig(embed_dim=8)
    personal = False


def test_equal_to_a_loop_over_the_ratings():
    events, config = random_ratings(), SVDConfig(4, 6, 0.03, 0.05, 0.3, seed=1)
    batches = ConflictFree.build(events)
    columns = [np.asarray(x).ravel() for x in batches[:3]]
    ratings = [x for x in zip(*columns) if x[0] > 0]
    mean = np.mean(events.value, dtype=float)
    p, q = (np.array(x, float) for x in initial(config, events, np.random.default_rng(1)))
    for _ in range(6):
        for u, i, r in ratings:
            error = r - (mean + p[u, -1] + q[i, -1] + p[u, :-1] @ q[i, :-1])
            to_p = error * np.append(q[i, :-1], 1) - 0.05 * p[u]
            to_q = error * np.append(p[u, :-1], 1) - 0.05 * q[i]
            p[u] += 0.03 * to_p
            q[i] += 0.03 * to_q
    expected = mean + p[:, -1:] + q[:, -1] + p[:, :-1] @ q[:, :-1].T
    np.testing.assert_allclose(predicted(config.fit(events), events), expected, atol=1e-4)


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
