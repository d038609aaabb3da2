import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.augmentation import Crop, Insert, Mask, Reorder, Substitute, augment
from jaxrec.negatives import Uniform
from tests.contracts import random_batch

KEY = jax.random.key(3)
SEGMENTS = jnp.array(
    [[0, 0, 0, 1, 1, 2, 2, 2, 2, 2], [1] * 10, [1, 2, 2, 2, 3, 3, 3, 3, 3, 3], [0] * 10], jnp.int32
)
ITEMS = jnp.where(SEGMENTS > 0, jnp.arange(1, 41, dtype=jnp.int32).reshape(4, 10), 0)
"""Events of a packed batch, told apart by their items."""
PARTS = [
    (row, number, np.flatnonzero(np.asarray(SEGMENTS[row]) == number))
    for row, number in [(0, 1), (0, 2), (1, 1), (2, 1), (2, 2), (2, 3)]
]
ALL = [Crop(0.6), Mask(0.3), Reorder(0.6), Substitute(0.3), Insert(0.3)]


def packed():
    """Several segments a row, an answer asked after each event."""
    where = SEGMENTS > 0
    return random_batch(4, 10, num_items=80).replace(
        history=ITEMS,
        where=where,
        segment_ids=SEGMENTS,
        target=jnp.where(where, ITEMS + 1, 0),
        value=ITEMS / 2,
        weights=where.astype(jnp.float32),
    )


@partial(jax.jit, static_argnums=0)
def _many(change, batch):
    def ask(number):
        found = change(batch, jax.random.key(number))
        return found.history, found.segment_ids, found.where

    return jax.vmap(ask)(jnp.arange(400))


def many(change, batch=None):
    """The histories and segments that many keys give."""
    history, segment, where = jax.device_get(_many(change, packed() if batch is None else batch))
    np.testing.assert_array_equal(where, segment > 0)
    assert not history[~where].any()
    return history, segment


def events(change, row, number, batch=None):
    """The items of one segment under many keys, each list with its first column."""
    history, segment = many(change, batch)
    for items, ids in zip(history[:, row], segment[:, row], strict=True):
        columns = np.flatnonzero(ids == number)
        np.testing.assert_array_equal(np.diff(columns), 1)
        yield items[columns].tolist(), columns[0]


@pytest.mark.parametrize("change", ALL, ids=lambda change: type(change).__name__)
def test_segments_stay_apart_and_end_where_they_did(change):
    history, segment = many(change)
    for row, number, columns in PARTS:
        mine = segment[:, row] == number
        assert mine[:, columns[-1]].all()
        own = set(np.asarray(ITEMS[row])[columns].tolist()) | {0}
        if isinstance(change, Substitute | Insert):
            continue  # draws items of anybody; the room of a segment is tested below
        assert not mine[:, [c for c in range(10) if c not in columns]].any()
        assert set(np.unique(history[:, row][mine])) <= own
    assert not segment[:, 3].any()


@pytest.mark.parametrize(("row", "number", "columns"), PARTS)
@pytest.mark.parametrize("fraction", [0.0, 0.6])
def test_a_crop_is_a_part_without_gaps(fraction, row, number, columns):
    items = np.asarray(ITEMS[row])[columns].tolist()
    size = max(int(fraction * len(items)), 1)
    parts = [items[at : at + size] for at in range(len(items) - size + 1)]
    found = [part for part, _ in events(Crop(fraction), row, number)]
    assert {*map(tuple, found)} == {*map(tuple, parts)}
    # Each of them is as likely.
    share = np.mean([part == parts[0] for part in found])
    assert share == pytest.approx(1 / len(parts), abs=0.12)


@pytest.mark.parametrize(("row", "number", "columns"), PARTS)
@pytest.mark.parametrize("fraction", [0.3, 1.0])
def test_a_mask_hides_so_many_items_anywhere(fraction, row, number, columns):
    items = np.asarray(ITEMS[row])[columns]
    hidden = []
    for found, first in events(Mask(fraction), row, number):
        assert first == columns[0]
        hidden.append(np.asarray(found) == 0)
        np.testing.assert_array_equal(np.asarray(found)[~hidden[-1]], items[~hidden[-1]])
    count = int(fraction * len(items))
    np.testing.assert_array_equal(np.sum(hidden, axis=1), count)
    np.testing.assert_allclose(np.mean(hidden, axis=0), count / len(items), atol=0.12)


@pytest.mark.parametrize(("row", "number", "columns"), PARTS)
@pytest.mark.parametrize("fraction", [0.3, 0.6])
def test_a_reordering_shuffles_a_part_without_gaps(fraction, row, number, columns):
    items = np.asarray(ITEMS[row])[columns].tolist()
    size, seen = int(fraction * len(items)), set()
    for found, first in events(Reorder(fraction), row, number):
        assert first == columns[0]
        assert sorted(found) == items
        moved = [at for at, item in enumerate(found) if item != items[at]]
        assert not moved or moved[-1] - moved[0] < size
        seen.add(tuple(found))
    if size >= 2:
        # What is moved is anywhere, and however it may be.
        assert {at for found in seen for at, x in enumerate(found) if x != items[at]} == {
            *range(len(items))
        }
        begins = range(len(items) - size + 1)
        if size == 2:
            swapped = [[*items[:b], items[b + 1], items[b], *items[b + 2 :]] for b in begins]
            assert seen == {tuple(items), *map(tuple, swapped)}
    else:
        assert seen == {tuple(items)}


@pytest.mark.parametrize(("row", "number", "columns"), PARTS)
def test_a_substitution_draws_other_items_for_so_many(row, number, columns):
    change = Substitute(0.3, Uniform())
    items = np.asarray(ITEMS[row])[columns]
    batch = packed()
    drawn = []
    for found, first in events(change, row, number, batch):
        assert first == columns[0]
        assert len(found) == len(items)
        drawn.append(np.asarray(found) != items)
    count = max(int(0.3 * len(items)), 1)
    assert (np.sum(drawn, axis=1) <= count).all()
    # One draw of eighty is the item itself.
    np.testing.assert_allclose(np.mean(drawn, axis=0), count / len(items), atol=0.12)


@pytest.mark.parametrize(("row", "number", "columns"), PARTS)
def test_an_insertion_keeps_the_last_events_that_there_is_room_for(row, number, columns):
    # Items above 80 are no event's, so what is drawn can be told.
    batch = packed()
    counts = jnp.where(jnp.arange(101) > 80, 1.0, 0.0)
    batch = batch.replace(catalogue=batch.catalogue.replace(counts=counts))
    items = np.asarray(ITEMS[row])[columns].tolist()
    count = max(int(0.3 * len(items)), 1)
    room = columns[-1] + 1 if (row, number) == (0, 1) else len(items)
    places = []
    for found, first in events(Insert(0.3), row, number, batch):
        assert len(found) == min(len(items) + count, room)
        assert first == columns[-1] + 1 - len(found)
        kept = [item for item in found if item <= 80]
        assert kept == items[len(items) - len(kept) :]
        for before, item in itertools.pairwise(found):
            assert before <= 80 or item <= 80  # one at most in front of an event
        places += [item for before, item in itertools.pairwise(found) if before > 80]
    # Those in front of which nothing can stand are moved out with it.
    assert {*places} >= {*items[count:]}


@pytest.mark.parametrize("length", [0, 1, 2])
@pytest.mark.parametrize("change", ALL, ids=lambda change: type(change).__name__)
def test_short_histories_stay_histories(change, length):
    batch = packed()
    where = jnp.broadcast_to(jnp.arange(10)[None, :] >= 10 - length, (4, 10))
    batch = batch.replace(
        history=jnp.where(where, 5, 0), where=where, segment_ids=where.astype(jnp.int32)
    )
    _, segment = many(change, batch)
    assert (segment.sum(2) > 0).all() == (length > 0)
    assert (segment.sum(2) <= length + 1).all()


def test_each_segment_is_changed_by_one_of_the_augmentations():
    def to_one(batch, key):
        return batch.replace(history=jnp.where(batch.where, 1, 0))

    def to_two(batch, key):
        return batch.replace(history=jnp.where(batch.where, 2, 0))

    def choose(batch, key):
        return augment(batch, (to_one, to_two), key)

    history, segment = many(choose)
    np.testing.assert_array_equal(segment, np.broadcast_to(SEGMENTS, segment.shape))
    means = []
    for row, _, columns in PARTS:
        mine = history[:, row][:, columns]
        assert (mine == mine[:, :1]).all()
        means.append(mine[:, 0] - 1)
    np.testing.assert_allclose(np.mean(means, axis=1), 0.5, atol=0.12)
    assert np.abs(np.corrcoef(means) - np.eye(len(PARTS))).max() < 0.25


def test_among_others_an_insertion_keeps_the_padding_that_it_takes():
    def choose(batch, key):
        return augment(batch, (Insert(1.0), Insert(1.0)), key)

    history, segment = many(choose)
    np.testing.assert_array_equal((segment[:, 0] == 1).sum(1), 4)
    assert (history[:, 0, 1:5] > 0).all()


@pytest.mark.parametrize("change", [Crop(0.6), Mask(0.3), Substitute(0.3), Insert(0.3)], ids=str)
def test_times_go_with_their_events(change):
    counts = jnp.where(jnp.arange(101) > 80, 1.0, 0.0)  # items above 80 are drawn ones
    batch = packed().replace(time=10 * ITEMS)
    batch = batch.replace(catalogue=batch.catalogue.replace(counts=counts))

    def choose(key):
        return augment(batch, (change,), key)

    found = jax.device_get(jax.jit(jax.vmap(choose))(jax.random.split(KEY, 50)))
    events = (found.history > 0) & (found.history <= 80)
    np.testing.assert_array_equal(found.time[events], 10 * found.history[events])
    assert not found.time[~found.where].any()
    other = found.where & ~events
    assert other.any() != isinstance(change, Crop)
    if isinstance(change, Insert):
        following = np.roll(found.time, -1, axis=-1)
        np.testing.assert_array_equal(found.time[other], following[other])
    else:
        np.testing.assert_array_equal(
            found.time[other], np.broadcast_to(10 * ITEMS, found.time.shape)[other]
        )


def test_items_that_are_shuffled_leave_their_times():
    batch = packed().replace(time=10 * ITEMS)
    found = Reorder(1.0)(batch, KEY)
    assert (found.history != ITEMS).any()
    np.testing.assert_array_equal(found.time, batch.time)


def test_the_same_key_gives_the_same_views_and_another_one_others():
    def choose(batch, key):
        return augment(batch, tuple(ALL), key)

    first, second = many(choose), many(choose)
    np.testing.assert_array_equal(first, second)
    assert len(np.unique(first[0], axis=0)) > 300
    np.testing.assert_array_equal(augment(packed(), (), KEY).history, ITEMS)
