"""Interactions: DESIGN's order, subsets and their union, tables, and refusals at the border."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrec.data.interactions import (
    Interactions,
    Vocabulary,
    check_enough,
    chronological,
    counting_sort,
)
from jaxrec.errors import InputError

EVENTS = st.lists(
    st.tuples(st.integers(-3, 5), st.sampled_from("abcd"), st.integers(0, 3)),
    min_size=1,
    max_size=40,
)


def _build(events, order="time"):
    users, items, times = (list(column) for column in zip(*events))
    return Interactions.build(users, items, np.arange(len(users)), times, order=order)


def _raw(data):
    columns = (data.users.raw(data.user), data.items.raw(data.item), data.timestamp, data.row)
    return list(zip(*(column.tolist() for column in columns)))


@settings(deadline=None)
@given(events=EVENTS, order=st.sampled_from(["time", "position", "row"]))
def test_events_stand_by_user_time_and_source_row(events, order):
    data = _build(events, order)
    times = [0 if order == "row" else time for *_, time in events]
    rows = sorted(range(len(events)), key=lambda row: (events[row][0], times[row], row))
    assert _raw(data) == [(events[r][0], events[r][1], times[r], r) for r in rows]
    assert data.value.tolist() == rows
    assert data.order == order
    dtypes = [getattr(data, name).dtype for name in ("user", "item", "value", "timestamp", "row")]
    assert dtypes == [np.int32, np.int32, np.float32, np.float64, np.int64]


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=50))
def test_counting_sort_is_stable(keys):
    places = counting_sort(np.array(keys, np.int32))
    assert places.tolist() == sorted(range(len(keys)), key=lambda place: keys[place])


def test_sorted_events_are_not_sorted_again():
    user, time, row = np.array([1, 1, 2]), np.array([0.0, 0.0, 0.0]), np.arange(3)
    assert chronological(user, time, row) is None
    assert chronological(user, time, row[::-1]).tolist() == [1, 0, 2]


@settings(max_examples=50, deadline=None)
@given(events=EVENTS, data=st.data())
def test_subsets_and_their_union_keep_the_order(events, data):
    whole = _build(events)
    owner = np.array([data.draw(st.integers(0, 2)) for _ in events])
    parts = [whole.take(owner == x) for x in range(3)]
    assert all(part.users is whole.users for part in parts)
    assert _raw(Interactions.concatenate(*parts[::-1])) == _raw(whole)


def test_only_parts_of_one_data_set_are_joined():
    with pytest.raises(ValueError, match="one data set"):
        Interactions.concatenate(_build([(1, "a", 0)]), _build([(1, "a", 0)]))


def test_optional_columns_follow_their_events():
    data = Interactions.build(
        [2, 1], ["a", "b"], event=[0, 1], part=[2, 0], event_names=("buy", "view")
    )
    assert data.event.tolist() == [1, 0]
    assert data.part.tolist() == [0, 2]
    assert data.take(slice(1)).event.tolist() == [1]
    assert data.value.tolist() == [1, 1]


def test_a_frame_is_read_by_its_names():
    frame = pd.DataFrame(
        {
            "movieId": ["m2", "m1", "m2"],
            "userId": [9, 9, 8],
            "rating": ["4", "3.5", "1"],
            "date": ["2020-01-02", "2020-01-01", "2020-01-01"],
            "action": ["view", "buy", "view"],
        },
        index=[7, 7, 7],
    )
    data = Interactions.from_frame(frame)
    day = 1_577_836_800.0
    assert _raw(data) == [(8, "m2", day, 2), (9, "m1", day, 1), (9, "m2", day + 86_400, 0)]
    assert data.value.tolist() == [1, 3.5, 4]
    assert [data.event_names[code] for code in data.event] == ["view", "buy", "view"]
    assert data.order == "time"
    assert Interactions.from_frame(frame[["userId", "movieId"]]).order == "row"
    swapped = Interactions.from_frame(frame, user="movieId", item="userId")
    assert swapped.users.ids.tolist() == ["m1", "m2"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), None])
@pytest.mark.parametrize("column", ["value", "timestamp"])
def test_numbers_that_are_none_name_their_row(column, bad):
    numbers = {"value": [1.0, 1.0], "timestamp": [1.0, 1.0]}
    numbers[column] = np.array([1.0, bad], float)
    with pytest.raises(InputError, match=f"the {column} -?(nan|inf) in row 31 "):
        Interactions.build([1, 2], [1, 2], **numbers, row=np.array([30, 31]), order="time")


def test_a_value_beyond_float32_is_refused():
    with pytest.raises(InputError, match=r"value 1e\+300 in row 1 "):
        Interactions.build([1, 2], [1, 2], [1.0, 1e300])


@pytest.mark.parametrize(
    ("users", "items", "message"),
    [
        ([1, 1], [1, 2], "2 interactions have only one user"),
        ([1, 2], ["a", "a"], "2 interactions have only one item"),
    ],
)
def test_one_user_or_item_only_is_refused(users, items, message):
    with pytest.raises(InputError, match=message):
        check_enough(Interactions.build(users, items))


def test_two_of_each_are_enough_and_none_is_refused():
    data = Interactions.build([1, 2], [1, 2])
    check_enough(data)
    with pytest.raises(InputError, match="have no user"):
        check_enough(data.take(slice(0)))
    with pytest.raises(InputError, match="no interactions"):
        Interactions.build([], [])


def test_vocabulary_answers_both_ways():
    vocabulary = Vocabulary(np.array([3, 10]))
    assert vocabulary.rows(["10", 3, 4]).tolist() == [2, 1, 0]
    assert vocabulary.raw([2, 1]).tolist() == [10, 3]
    assert len(vocabulary) == 2
    for rows in ([0], [3], [-1]):
        with pytest.raises(ValueError, match=r"within 1\.\.2"):
            vocabulary.raw(rows)
