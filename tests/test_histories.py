"""Histories as CSR: order, distinctness, and windows against a plain Python reading."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrec.data.histories import elapsed, histories, longest, positives, times, window
from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError
from jaxrec.typing import CSR

EVENTS = st.lists(
    st.tuples(st.integers(1, 6), st.integers(10, 16), st.integers(0, 3)), min_size=1, max_size=40
)


def _build(events):
    users, items, times = zip(*events)
    times = np.asarray(times, float)
    return Interactions.build(list(users), list(items), timestamp=times, order="time")


def _rows(csr):
    return [csr.indices[a:b].tolist() for a, b in zip(csr.indptr[:-1], csr.indptr[1:])]


@settings(deadline=None)
@given(EVENTS)
def test_rows_are_chronological_and_distinct(events):
    data = _build(events)
    expected = [[] for _ in range(len(data.users) + 1)]
    for user, item, _ in sorted(events, key=lambda e: e[2]):  # stable: ties keep the source's order
        expected[data.users.rows([user])[0]].append(int(data.items.rows([item])[0]))
    csr = histories(data)
    assert _rows(csr) == expected
    assert _rows(positives(data)) == [sorted(set(row)) for row in expected]
    assert longest(csr) == max(map(len, expected))
    assert csr.indptr.dtype == csr.indices.dtype == np.int32


@settings(max_examples=30, deadline=None)
@given(events=EVENTS, length=st.sampled_from([0, 1, 3, 8]))
def test_window_takes_the_last_items_right_aligned(events, length):
    csr = histories(_build(events))
    rows = jnp.arange(csr.indptr.shape[0] - 1)
    items, where = window(csr, rows, length)
    assert items.shape == where.shape == (len(rows), length)
    assert items.dtype == jnp.int32
    for row, got, kept in zip(_rows(csr), items.tolist(), where.tolist()):
        last = row[max(len(row) - length, 0) :]
        assert got == [0] * (length - len(last)) + last
        assert kept == [False] * (length - len(last)) + [True] * len(last)


def test_window_is_the_same_under_jit():
    csr = jax.tree.map(jnp.asarray, histories(_build([(1, 10, 0), (1, 11, 1), (2, 10, 0)])))
    rows = jnp.array([2, 0, 1])
    items, where = jax.jit(window, static_argnames="length")(csr, rows, length=3)
    assert items.tolist() == [[0, 0, 1], [0, 0, 0], [0, 1, 2]]
    assert jnp.array_equal(where, items > 0)


def test_window_of_nothing_is_empty():
    empty = CSR(np.zeros(4, np.int32), np.zeros(0, np.int32))
    items, where = window(empty, jnp.array([0, 2]), 2)
    assert items.tolist() == [[0, 0], [0, 0]]
    assert not where.any()
    assert longest(empty) == 0


@settings(deadline=None)
@given(EVENTS)
def test_times_are_those_of_the_histories(events):
    built = _build(events)
    first = min(time for _, _, time in events)
    expected = [[] for _ in range(len(built.users) + 1)]
    for user, _, time in sorted(events, key=lambda event: event[2]):
        expected[built.users.rows([user])[0]].append(time - first)
    assert _rows(times(built)) == expected
    np.testing.assert_array_equal(times(built).indptr, histories(built).indptr)


def test_seconds_are_whole_and_count_from_the_first():
    found = elapsed(np.array([1.7e9 + 2.9, 1.7e9, 1.7e9 + 2**31 - 1]))
    assert found.tolist() == [2, 0, 2**31 - 1]
    assert found.dtype == np.int32
    assert elapsed(np.zeros(0)).shape == (0,)


def test_events_without_times_and_times_that_are_too_far_apart_are_refused():
    for order in ("row", "position"):
        events = Interactions.build([1, 2], [1, 2], timestamp=[0.0, 1.0], order=order)
        with pytest.raises(InputError, match=r"only the order .* timestamp column"):
            times(events)
    with pytest.raises(InputError, match=r"span 9000000000 seconds.* in seconds"):
        elapsed(np.array([0.0, 9e9]))
