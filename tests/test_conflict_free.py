"""Batches that an exact sequential descent allows."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrec.baselines.conflict_free import ConflictFree, colours
from tests.rating_data import random_ratings


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6)), min_size=1))
def test_no_user_and_no_item_has_a_colour_twice(edges):
    user, item = np.array(edges).T
    colour = colours(user, item)
    assert colour.min() >= 0
    for column in (user, item):
        assert len(set(zip(column, colour))) == len(edges)
    busiest = max(np.bincount(user).max(), np.bincount(item).max())
    assert colour.max() < 2 * busiest


def test_every_event_stands_in_one_batch():
    events = random_ratings()
    batches = ConflictFree.build(events)
    real = np.asarray(batches.user) > 0
    found = sorted(zip(*(np.asarray(x)[real].tolist() for x in batches[:3])))
    columns = events.user, events.item, events.value
    assert found == sorted(zip(*(x.tolist() for x in columns)))
    used = real.sum(1)
    assert (used[: int(batches.number)] > 0).all()
    assert used[int(batches.number) :].sum() == 0
    # As few as the busiest allows, and filled alike.
    assert int(batches.number) == max(
        np.bincount(events.user).max(), np.bincount(events.item).max()
    )
    assert used.max() <= 1.6 * len(events) / int(batches.number)
