"""Planted data: it follows its law, its optimum is best, and its features tell of the factors."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrec.data.sources.synthetic import SUCCESSORS, Synthetic, generate, truth
from jaxrec.data.splits import LeaveOneOut
from jaxrec.errors import InputError

CONFIG = Synthetic(num_users=400, num_items=120, num_events=8_000)


@pytest.fixture(scope="module")
def data():
    return generate(CONFIG)


@pytest.fixture(scope="module")
def planted():
    return truth(CONFIG)


def _previous(interactions):
    """The item before each event, 0 at a user's first."""
    previous = np.concatenate([[0], interactions.item[:-1]])
    return np.where(np.diff(interactions.user, prepend=0) > 0, 0, previous)


@settings(max_examples=15, deadline=None)
@given(
    users=st.integers(2, 60),
    items=st.integers(40, 100),
    repeats=st.booleans(),
    seed=st.integers(0, 3),
)
def test_any_size_has_ordered_events_of_known_users_and_items(users, items, repeats, seed):
    config = Synthetic(users, items, 6 * users, repeats=repeats, seed=seed)
    data = generate(config)
    x = data.interactions
    assert len(x) == config.num_events
    assert np.bincount(x.user, minlength=users + 1)[1:].min() >= 5
    assert x.item.min() >= 1
    assert x.item.max() <= items
    key = list(zip(x.user, x.timestamp, x.row))
    assert key == sorted(key)
    pairs = len(np.unique(x.user.astype(np.int64) * 1000 + x.item))
    assert repeats or pairs == len(x)
    assert len(data.user_table) == users
    assert len(data.item_table) == items
    assert set(np.unique(x.value)) <= {1.0, 2.0, 3.0, 4.0, 5.0}


def test_the_same_config_gives_the_same_data(data):
    again = generate(CONFIG).interactions
    other = generate(dataclasses.replace(CONFIG, seed=1)).interactions
    for name in ("user", "item", "value", "timestamp"):
        np.testing.assert_array_equal(getattr(again, name), getattr(data.interactions, name))
    assert not np.array_equal(other.item, again.item)


def test_probabilities_are_a_law_and_agree_with_their_logarithms(planted):
    user, previous = np.array([1, 7, 400]), np.array([0, 3, 120])
    p = planted.probabilities(user, previous)
    assert np.all(p[:, 0] == 0)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    items = np.arange(1, 121)
    for row in range(3):
        log_p = planted.log_probability(
            np.repeat(user[row], 120), np.repeat(previous[row], 120), items
        )
        np.testing.assert_allclose(np.exp(log_p), p[row, 1:], rtol=1e-5)


def test_draws_follow_the_law():
    """With repeats: counts against the sum of P over events, and transitions against theirs."""
    config = Synthetic(num_users=300, num_items=60, num_events=30_000, repeats=True)
    planted, x = truth(config), generate(config).interactions
    previous = _previous(x)
    expected = planted.probabilities(x.user, previous).sum(axis=0)[1:]
    counts = np.bincount(x.item, minlength=61)[1:]
    chi2 = np.sum((counts - expected) ** 2 / expected)
    assert chi2 < 59 + 5 * np.sqrt(2 * 59)
    later = previous > 0
    for place, weight in enumerate(SUCCESSORS):
        after = planted.successors[previous[later], place]
        p = planted.probabilities(x.user[later], previous[later])[np.arange(later.sum()), after]
        hits = np.sum(x.item[later] == after)
        assert p.mean() > weight * config.transition_share
        assert abs(hits - p.sum()) < 5 * np.sqrt(p.sum())


def test_the_mean_log_probability_is_that_of_the_law():
    """With repeats, the events' mean log P is the law's mean entropy, negated."""
    config = Synthetic(num_users=100, num_items=60, num_events=20_000, repeats=True)
    planted, x = truth(config), generate(config).interactions
    previous = _previous(x)
    p = planted.probabilities(x.user, previous)[:, 1:]
    entropy = -np.sum(p * np.log(p), axis=1)
    log_p = planted.log_probability(x.user, previous, x.item)
    error = np.std(log_p + entropy) / np.sqrt(len(x))
    assert abs(np.mean(log_p + entropy)) < 5 * error


def test_the_planted_optimum_beats_its_parts_and_they_beat_chance(data, planted):
    split = LeaveOneOut()(data.interactions, 0)
    user, target = split.test.user, split.test.item
    last = split.validation.item  # the item before the test item
    everyone = np.zeros(len(user), np.int32)
    popularity = np.bincount(split.train.item, minlength=121).astype(float)
    scores = {
        "optimum": planted.probabilities(user, last),
        "taste": planted.probabilities(user, everyone),
        "popularity": np.tile(popularity, (len(user), 1)),
        "random": np.random.default_rng(0).random((len(user), 121)),
    }
    ndcg = {name: _ndcg(score, data.interactions, user, target) for name, score in scores.items()}
    assert ndcg["optimum"] > 1.2 * ndcg["taste"]
    assert ndcg["taste"] > 1.2 * ndcg["popularity"]
    assert ndcg["popularity"] > 1.2 * ndcg["random"]


def _ndcg(scores, interactions, users, targets):
    """NDCG@10, seen items left out."""
    gains = []
    for score, user, target in zip(scores, users, targets):
        seen = interactions.item[interactions.user == user]
        score = score.copy()
        score[np.append(seen[seen != target], 0)] = -np.inf
        rank = 1 + np.sum(score > score[target])
        gains.append(1 / np.log2(1 + rank) if rank <= 10 else 0.0)
    return np.mean(gains)


def test_ratings_follow_taste(data, planted):
    x = data.interactions
    expected = planted.rating(x.user, x.item)
    assert np.corrcoef(x.value, expected)[0, 1] > 0.6
    assert np.all(generate(dataclasses.replace(CONFIG, ratings=False)).interactions.value == 1)


def test_features_tell_of_the_factors(data, planted):
    share = planted.phi[:-1] / planted.phi[:-1].sum(axis=0)
    kind = data.item_table["kind"]
    named = kind.dropna().str.removeprefix("factor ").astype(int)
    np.testing.assert_array_equal(named, share.argmax(axis=0)[named.index])
    quality = data.item_table["quality"]
    there = quality.notna().to_numpy()
    assert np.corrcoef(quality[there], planted.item_bias[there])[0, 1] > 0.9
    for column in (kind, quality, data.user_table["group"], data.user_table["age"]):
        assert 0 < column.isna().mean() < 0.15
    assert all(isinstance(tags, list) and tags for tags in data.item_table["tags"])
    assert data.item_table[data.title].is_unique


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_users": 1}, "two users"),
        ({"popularity_share": 0.6, "transition_share": 0.4}, "sum to less than 1"),
        ({"num_events": 1_000}, "2.5 a user; give 5 or more"),
        ({"num_events": 100_000}, "at most a sixth of the items"),
    ],
)
def test_impossible_configs_are_one_sentence(changes, message):
    with pytest.raises(InputError, match=message):
        generate(dataclasses.replace(CONFIG, **changes))
