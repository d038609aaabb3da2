"""Cleaning: each step against plain Python, its report, and the k-core's fixed point."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrec.data.cleaning import Cleaning, CleaningStep, clean, keep_core
from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError

EVENTS = st.lists(
    st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(-2, 5), st.integers(0, 3)),
    min_size=1,
    max_size=40,
)
KINDS = ("buy", "view")


def _build(events):
    """Events (user, item, value, time), of which every other is a view."""
    users, items, values, times = (list(column) for column in zip(*events))
    kinds = np.arange(len(events)) % 2
    return Interactions.build(
        users, items, values, times, event=kinds, event_names=KINDS, order="time"
    )


def _raw(data):
    columns = (data.users.raw(data.user), data.items.raw(data.item), data.value, data.row)
    return list(zip(*(column.tolist() for column in columns)))


def test_nothing_asked_changes_nothing():
    data = _build([(1, 1, 3, 0), (1, 1, 3, 1), (2, 2, -1, 0)])
    cleaned, steps = clean(data, Cleaning())
    assert steps == []
    assert _raw(cleaned) == _raw(data)


def test_steps_follow_their_fixed_order_and_count_what_they_remove():
    events = [  # even rows buy, odd rows view
        (1, 1, 0, 0), (1, 1, 0, 1), (1, 2, 0, 2), (3, 3, 0, 3), (2, 1, 0, 4), (2, 1, 0, 5),
        (2, 2, 0, 6), (4, 4, 0, 7), (4, 5, 0, 8),
    ]  # fmt: skip
    config = Cleaning(
        events=("buy", "view"),
        event_weights=(("buy", 3.0), ("view", 1.0)),
        min_value=1.0,
        duplicates="sum",
        min_user_events=2,
        min_item_events=2,
    )
    cleaned, steps = clean(_build(events), config)
    assert steps == [
        CleaningStep("event filter", 0, 0, 0),
        CleaningStep("event weights", 0, 0, 0),
        CleaningStep("value threshold", 0, 0, 0),
        CleaningStep("duplicates", 2, 0, 0),
        CleaningStep("k-core", 3, 2, 3),
    ]
    assert cleaned.users.ids.tolist() == [1, 2]
    assert cleaned.items.ids.tolist() == [1, 2]
    assert _raw(cleaned) == [(1, 1, 4.0, 1), (1, 2, 3.0, 2), (2, 1, 4.0, 5), (2, 2, 3.0, 6)]


def test_event_filter_and_threshold_keep_what_they_name():
    events = [(1, 1, 5, 0), (1, 2, 4, 1), (2, 1, -1, 2), (2, 2, 0, 3)]
    cleaned, _ = clean(_build(events), Cleaning(events=("view",)))
    assert [row for *_, row in _raw(cleaned)] == [1, 3]
    cleaned, steps = clean(_build(events), Cleaning(min_value=0.0))
    assert [row for *_, row in _raw(cleaned)] == [0, 1, 3]
    assert steps == [CleaningStep("value threshold", 1, 0, 0)]


@settings(max_examples=50, deadline=None)
@given(events=EVENTS, rule=st.sampled_from(["first", "last", "sum", "mean"]))
def test_duplicates_leave_one_event_of_each_pair(events, rule):
    groups = {}
    for row, event in sorted(enumerate(events), key=lambda e: (e[1][3], e[0])):
        groups.setdefault(event[:2], []).append((event[2], row))
    pick = {
        "first": lambda group: group[0],
        "last": lambda group: group[-1],
        "sum": lambda group: (sum(v for v, _ in group), group[-1][1]),
        "mean": lambda group: (sum(v for v, _ in group) / len(group), group[-1][1]),
    }[rule]
    expected = sorted((*pair, *pick(group)) for pair, group in groups.items())
    cleaned, _ = clean(_build(events), Cleaning(duplicates=rule))
    got = sorted(_raw(cleaned))
    assert [e[:2] + e[3:] for e in got] == [e[:2] + e[3:] for e in expected]
    np.testing.assert_allclose([e[2] for e in got], [e[2] for e in expected], rtol=1e-6)
    order = list(zip(cleaned.user, cleaned.timestamp, cleaned.row))
    assert order == sorted(order)


@settings(max_examples=50, deadline=None)
@given(events=EVENTS, min_user=st.integers(0, 4), min_item=st.integers(0, 4))
def test_k_core_is_the_largest_set_that_meets_both_minima(events, min_user, min_item):
    left = [(user, item, row) for row, (user, item, *_) in enumerate(events)]
    while True:  # one at a time, as the definition has it
        users, items = Counter(e[0] for e in left), Counter(e[1] for e in left)
        kept = [e for e in left if users[e[0]] >= min_user and items[e[1]] >= min_item]
        if len(kept) == len(left):
            break
        left = kept
    config = Cleaning(min_user_events=min_user, min_item_events=min_item)
    if not left:
        with pytest.raises(InputError, match="leaves nothing: its step 'k-core'"):
            clean(_build(events), config)
        return
    cleaned, _ = clean(_build(events), config)
    assert sorted(cleaned.row.tolist()) == [row for *_, row in left]
    assert len(cleaned.users) == len({user for user, *_ in left})
    assert np.unique(cleaned.item).tolist() == list(range(1, len(cleaned.items) + 1))


@settings(max_examples=50, deadline=None)
@given(events=EVENTS, min_user=st.integers(0, 4), min_item=st.integers(0, 4))
def test_one_round_filters_items_then_users_as_liang_et_al_do(events, min_user, min_item):
    items = Counter(event[1] for event in events)
    left = [(row, event) for row, event in enumerate(events) if items[event[1]] >= min_item]
    users = Counter(event[0] for _, event in left)
    left = [row for row, event in left if users[event[0]] >= min_user]
    kept = keep_core(_build(events), min_user, min_item, rounds=1)
    assert sorted(kept.row.tolist()) == left


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (Cleaning(min_user_events=2, core_rounds=0), "core_rounds is 0; give 1 or more"),
        (Cleaning(events=("click",)), "no event 'click'; the events are buy, view"),
        (Cleaning(event_weights=(("buy", float("nan")),)), "weight of the event 'buy' is nan"),
        (
            Cleaning(min_value=9.0),
            "'value threshold' removed the last 2 events of 2 users",
        ),
    ],
)
def test_impossible_cleaning_is_one_sentence(config, message):
    with pytest.raises(InputError, match=message):
        clean(_build([(1, 1, 3, 0), (2, 2, 3, 0)]), config)


def test_kinds_of_event_are_needed_to_choose_among_them():
    data = Interactions.build([1, 2], [1, 2])
    with pytest.raises(InputError, match="no kinds of event"):
        clean(data, Cleaning(events=("buy",)))
