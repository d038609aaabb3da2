from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.errors import InputError
from jaxrec.masking import ask_next, hide, num_queries
from tests.contracts import random_batch

SEGMENTS = jnp.array([[0, 0, 1, 1, 1, 2, 2, 3], [1, 1, 1, 1, 1, 1, 1, 1], [0] * 8], jnp.int32)
ITEMS = jnp.where(SEGMENTS > 0, jnp.arange(1, 25, dtype=jnp.int32).reshape(3, 8), 0)


def whole(items=ITEMS, segments=SEGMENTS):
    """A batch in which each event is its own target, as `whole` sequences are."""
    size, length = items.shape
    where = segments > 0
    return random_batch(size, length, num_items=30).replace(
        history=items,
        where=where,
        segment_ids=segments,
        target=items,
        value=items / 2,
        weights=where.astype(jnp.float32),
    )


@partial(jax.jit, static_argnums=(1, 2))
def masked(batch, fraction, last_fraction, number):
    """Hide with one of many keys."""
    return hide(batch, fraction, last_fraction, jax.random.key(number))


def many(fraction, last_fraction, batch=None, draws=1000):
    """What is hidden by each of many keys."""
    batch = whole() if batch is None else batch

    def ask(number):
        return masked(batch, fraction, last_fraction, number).replace(catalogue=None)

    return jax.device_get(jax.vmap(ask)(jnp.arange(draws)))


@pytest.mark.parametrize(("fraction", "last_fraction"), [(0.3, 0.0), (0.3, 0.5), (0.01, 0.0)])
def test_each_segment_hides_an_item_and_padding_none(fraction, last_fraction):
    found = many(fraction, last_fraction)
    hidden = (found.history == 0) & found.where
    for row, number in ((0, 1), (0, 2), (0, 3), (1, 1)):
        assert hidden[:, row, np.asarray(SEGMENTS[row]) == number].any(1).all()
    shown = ~hidden & found.where
    np.testing.assert_array_equal(found.history[shown], np.broadcast_to(ITEMS, shown.shape)[shown])
    assert not found.history[:, np.asarray(SEGMENTS) == 0].any()


def test_an_item_is_hidden_with_the_probability_asked_for():
    hidden = many(0.3, 0.0, draws=2000).history[:, 1] == 0
    # One is hidden even where no draw is below .3: with probability .7 ^ 8, any of the eight.
    expected = 0.3 + 0.7**8 / 8
    np.testing.assert_allclose(hidden.mean(0), expected, atol=0.04)
    assert hidden.mean() == pytest.approx(expected, abs=0.012)


def test_the_last_item_alone_is_hidden_in_a_part_of_the_segments():
    last = np.asarray([[0, 0, 0, 0, 1, 0, 1, 1], [0, 0, 0, 0, 0, 0, 0, 1], [0] * 8], bool)
    always = many(0.9, 1.0)
    assert ((always.history == 0) & always.where == last).all()
    half = many(0.9, 0.5, draws=2000)
    alone = ((half.history == 0) & half.where)[:, 1] == last[1]
    assert alone.all(1).mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("fraction", [0.2, 0.6, 1.0])
def test_what_is_asked_for_is_what_is_hidden(fraction):
    found = many(fraction, 0.1)
    number = num_queries(8, fraction)
    assert found.queries.shape == (1000, 3, number)
    hidden = (found.history == 0) & found.where
    asked = found.weights > 0
    # The items tell where they stood, and which row they are of.
    column = (found.target - 1) % 8
    assert (column == found.queries)[asked].all()
    assert np.take_along_axis(hidden, found.queries, 2)[asked].all()
    np.testing.assert_allclose(found.value[asked], found.target[asked] / 2)
    np.testing.assert_array_equal(asked.sum(2), np.minimum(hidden.sum(2), number))
    assert not asked[:, 2].any()
    # Where not all are asked for, those that are stand for the others.
    np.testing.assert_allclose(found.weights.sum(2), hidden.sum(2), rtol=1e-6)
    assert (hidden.sum(2) > number).any() == (fraction < 1)


def test_each_column_is_asked_for_once_in_each_hiding_on_average():
    """The surplus is drawn without bias: the weight of a column is how often it is hidden."""
    found = many(0.2, 0.0, draws=4000)
    weight = np.zeros((4000, 3, 8))
    rows = np.arange(4000)[:, None, None], np.arange(3)[None, :, None]
    np.add.at(weight, (*rows, found.queries), found.weights)
    hidden = (found.history == 0) & found.where
    np.testing.assert_allclose(weight.mean(0), hidden.mean(0), atol=0.05)


def test_as_many_queries_as_columns_are_all_in_order():
    found = many(1.0, 0.0, draws=3)
    assert (found.queries == np.arange(8)).all()


def test_events_of_weight_0_are_not_asked_for():
    batch = whole()
    found = many(0.6, 0.0, batch.replace(weights=batch.weights.at[1].set(0.0)))
    assert not found.weights[:, 1].any()
    assert found.weights[:, 0].any(1).all()


def test_next_item_targets_are_a_sequence_without_its_first_event():
    batch = whole().replace(target=jnp.where(SEGMENTS > 0, ITEMS + 1, 0))
    found = many(0.3, 0.0, batch)
    shown = found.history > 0
    expected = np.broadcast_to(batch.target, shown.shape)
    np.testing.assert_array_equal(found.history[shown], expected[shown])


def test_pairs_are_refused():
    batch = random_batch(4, 6)
    batch = batch.replace(target=batch.target[:, -1:])
    with pytest.raises(InputError, match="show 6 events and ask 1 times; hidden items need Seq"):
        hide(batch, 0.2, 0.1, jax.random.key(0))


def test_what_comes_next_is_asked_by_a_hidden_event_after_the_query():
    batch = whole().replace(queries=jnp.array([[7, 6, 3], [7, 4, 0], [7, 0, 1]], jnp.int32))
    found = ask_next(batch, 5)
    expected = [
        [0, 0, 0, 8, 0],  # after the only event of segment 3
        [0, 0, 6, 7, 0],
        [0, 0, 3, 4, 0],
        [13, 14, 15, 16, 0],  # the last four of eight
        [10, 11, 12, 13, 0],
        [0, 0, 0, 9, 0],
        [0] * 5,
        [0] * 5,
        [0] * 5,
    ]
    np.testing.assert_array_equal(found.history, expected)
    where = (np.asarray(expected) > 0) | (np.arange(5) == 4)
    np.testing.assert_array_equal(found.where, where)
    np.testing.assert_array_equal(found.segment_ids, where)
    np.testing.assert_array_equal(found.queries, np.full((9, 1), 4))


def test_without_history_there_is_the_hidden_event_alone():
    batch = random_batch(2, 0).replace(queries=jnp.zeros((2, 1), jnp.int32))
    found = ask_next(batch, 1)
    np.testing.assert_array_equal(found.history, [[0], [0]])
    assert found.where.all()
