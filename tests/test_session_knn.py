"""Session neighbours against a loop over sessions, as the papers describe it."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.baselines.session_knn import DECAYS, WEIGHTINGS, SessionKNNConfig
from jaxrec.data.interactions import Interactions
from jaxrec.data.resident import question_of
from jaxrec.errors import InputError
from tests.contracts import BaselineContract
from tests.test_markov import ITEMS, known_of, random_events

ask = jax.jit(lambda state, batch: state.scores(batch))
ASKED = [[1, 2, 3], [4, 4], [5, 1, 5, 2], [9], [], [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7]]


def looped(events, config, history, most_recent_first):
    """Score one running session with sets, one past session at a time."""
    past = [set(events.item[events.user == user]) for user in most_recent_first]
    length, place = len(history), {item: at for at, item in enumerate(history, 1)}
    step = {item: length + 1 - at for item, at in place.items()}
    weight = {
        "same": lambda item: 1,
        "linear": lambda item: max(1 - (length - place[item]) / 10, 0),
        "log": lambda item: 1 / math.log10(length - place[item] + 1.7),
        "div": lambda item: place[item] / length,
        "quadratic": lambda item: (place[item] / length) ** 2,
    }[config.weighting]
    decay = {
        "same": lambda step: 1,
        "linear": lambda step: max(1 - step / 10, 0),
        "log": lambda step: 1 / math.log10(step + 1.7),
        "div": lambda step: 1 / step,
        "quadratic": lambda step: 1 / step**2,
    }[config.decay]
    similar = [(sum(weight(item) for item in set(history) & own), own) for own in past]
    similar = [pair for pair in similar if pair[0] > 0][: config.sample_size]
    scores = np.zeros(ITEMS + 1)
    for similarity, own in sorted(similar, key=lambda pair: -pair[0])[: config.neighbours]:
        for item in own:
            idf = math.log(len(past) / sum(item in other for other in past))
            last = min(step[shared] for shared in set(history) & own)
            scores[item] += similarity * decay(last) * (1 + config.idf_weight * idf)
    return scores


@pytest.mark.parametrize(
    "config",
    [
        SessionKNNConfig(),
        SessionKNNConfig(5, 12, weighting="linear", decay="linear"),
        SessionKNNConfig(4, 9, weighting="quadratic", decay="quadratic", idf_weight=2.0),
        SessionKNNConfig(7, None, weighting="log", decay="log"),
        SessionKNNConfig(7, None, weighting="same", decay="same"),
    ],
)
def test_equal_to_a_loop(config):
    events = random_events()
    users = np.unique(events.user)
    last_row = [events.row[events.user == user].max() for user in users]
    recent = users[np.argsort(last_row)[::-1]]
    batch = question_of(known_of(events), ASKED, 15)
    scores = ask(config.fit(events), batch)
    for found, history in zip(scores, ASKED, strict=True):
        np.testing.assert_allclose(
            found, looped(events, config, history, recent), rtol=1e-4, atol=1e-5
        )


def test_with_times_the_most_recent_session_is_the_latest_to_end():
    """Session 1 is the first in the file and the last to end; only one may vote."""
    events = Interactions.build([1, 1, 2, 2], [1, 2, 1, 3], None, [0, 9, 4, 5], order="time")
    batch = question_of(known_of(events), [[1]], 1)
    config = SessionKNNConfig(sample_size=1, weighting="same", decay="same")
    np.testing.assert_allclose(ask(config.fit(events), batch)[0, 1:], [1, 1, 0])
    events = Interactions.build([1, 1, 2, 2], [1, 2, 1, 3])
    np.testing.assert_allclose(ask(config.fit(events), batch)[0, 1:], [1, 0, 1])


def test_a_random_sample_follows_its_seed():
    events = random_events()
    batch = question_of(known_of(events), ASKED, 15)
    first, again, other = (
        ask(SessionKNNConfig(sample_size=5, sampling="random", seed=seed).fit(events), batch)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not jnp.array_equal(first, other)


def test_weights_fall_from_the_last_item_back():
    step = jnp.arange(1.0, 12.0)
    for weighting in WEIGHTINGS.values():
        assert jnp.all(jnp.diff(weighting(step, 11.0)) <= 0)
    for decay in DECAYS.values():
        assert jnp.all(jnp.diff(decay(step)) <= 0)


@pytest.mark.parametrize("fields", [{"neighbours": 0}, {"sample_size": 0}, {"idf_weight": -1.0}])
def test_bad_values_are_refused(fields):
    with pytest.raises(InputError, match=next(iter(fields))):
        SessionKNNConfig(**fields)


class TestSessionKNN(BaselineContract):
    config = SessionKNNConfig()
