"""Ratings laid out for users who go side by side."""

import itertools

import numpy as np

from jaxrec.baselines.lockstep import RATINGS, USERS, Lockstep
from tests.rating_data import random_ratings


def test_every_rating_stands_once_in_its_user_s_lane():
    events = random_ratings()
    ratings = Lockstep.build(events, np.random.default_rng(0))
    user, first, item, value = map(np.asarray, ratings)
    found = [
        (user[group, lane], item[step, lane, place], value[step, lane, place])
        for group, (start, stop) in enumerate(itertools.pairwise(first))
        for step, lane, place in np.argwhere(item[start:stop]) + [start, 0, 0]
    ]
    columns = events.user, events.item, events.value
    assert sorted(found) == sorted(zip(*(x.tolist() for x in columns)))
    assert not item[first[-1] :].any()


def test_the_busiest_go_together_and_are_filled_up():
    events = random_ratings()
    ratings = Lockstep.build(events, np.random.default_rng(0))
    number = np.bincount(events.user, minlength=len(events.users) + 1)
    lanes = np.asarray(ratings.user).reshape(-1)
    assert sorted(lanes[: len(number)]) == list(range(len(number)))
    assert (np.diff(number[lanes]) <= 0).all()
    steps = [-(-number[group].max() // RATINGS) for group in np.asarray(ratings.user)]
    np.testing.assert_array_equal(np.diff(ratings.first), steps)
    assert ratings.user.shape[1] == USERS


def test_the_order_of_a_user_s_ratings_is_drawn():
    events = random_ratings()
    one, same, other = (Lockstep.build(events, np.random.default_rng(n)).item for n in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
