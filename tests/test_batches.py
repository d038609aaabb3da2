import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.data.batches import PackedSequences, Pairs, Sequences, Users
from jaxrec.data.interactions import Dataset, Interactions
from jaxrec.data.prepare import Prepared
from jaxrec.data.resident import question, question_of, resident
from jaxrec.data.splits import Split
from jaxrec.errors import InputError

HISTORIES = {1: [3, 1, 4], 2: [1], 3: [5, 2, 6, 5, 3, 1, 2], 4: [6, 4]}


def prepared():
    user = np.concatenate([[u] * len(items) for u, items in HISTORIES.items()])
    item = np.concatenate(list(HISTORIES.values()))
    time = np.arange(len(user))
    train = Interactions.build(user, item, item / 2, time, order="time")
    nothing = train.take(np.arange(0))
    features = {"age": np.arange(5, dtype=np.float32)[:, None] * np.ones((1, 2), np.float32)}
    return Prepared(
        Dataset("tiny", train), Split(train, nothing, nothing), (), (), features, {}, []
    )


PREPARED = prepared()
TRAIN = PREPARED.split.train
RESIDENT = resident(PREPARED, TRAIN)


def epoch(batches, number=0):
    """All batches of an epoch, as the training loop asks for them: in a jitted loop's steps."""
    ask = jax.jit(batches.batch_at)
    first = number * batches.steps_per_epoch
    steps = range(first, first + batches.steps_per_epoch)
    return [jax.device_get(ask(batches.data, jnp.int32(step))) for step in steps]


def pairs_of(batches, number=0):
    return [
        (int(user), int(target), float(value))
        for batch in epoch(batches, number)
        for user, target, value, weight in zip(
            batch.user, batch.target[:, 0], batch.value[:, 0], batch.weights[:, 0]
        )
        if weight
    ]


EVENTS = [(u, i, i / 2) for u, items in HISTORIES.items() for i in items]


def test_what_is_resident():
    np.testing.assert_array_equal(RESIDENT.catalogue.items.id, np.arange(7))
    np.testing.assert_array_equal(RESIDENT.catalogue.counts, [0, 3, 2, 2, 2, 2, 2])
    own = RESIDENT.catalogue.positives
    np.testing.assert_array_equal(own.indices[own.indptr[3] : own.indptr[4]], [1, 2, 3, 5, 6])


@pytest.mark.parametrize("batch_size", [1, 4, 13, 20])
def test_pairs_show_each_event_once_an_epoch(batch_size):
    batches = Pairs(batch_size).build(TRAIN, RESIDENT, seed=0)
    assert batches.steps_per_epoch == -(-13 // batch_size)
    assert batches.examples_per_epoch == 13
    orders = [pairs_of(batches, number) for number in range(3)]
    for order in orders:
        assert sorted(order) == sorted(EVENTS)
    assert orders[0] != orders[1] != orders[2]


def test_the_tail_is_filled_with_nothing():
    last = epoch(Pairs(10).build(TRAIN, RESIDENT, seed=0))[-1]
    assert last.weights[:, 0].tolist() == [1.0] * 3 + [0.0] * 7
    assert not last.user[3:].any()
    assert not last.target[3:].any()


def test_batches_depend_on_the_step_and_the_seed_alone():
    first, again, other = (Pairs(4).build(TRAIN, RESIDENT, seed) for seed in (1, 1, 2))
    assert pairs_of(first) == pairs_of(again)
    assert pairs_of(first) != pairs_of(other)


def test_pairs_show_what_the_user_had_met_before():
    batches = Pairs(13, history_length=3).build(TRAIN, RESIDENT, seed=0)
    (batch,) = epoch(batches)
    seen = set()
    for user, target, history, where in zip(
        batch.user, batch.target[:, 0], batch.history, batch.where
    ):
        before = history[where].tolist()
        assert not history[~where].any()
        items = HISTORIES[int(user)]
        places = [p for p in range(len(items)) if items[p] == target]
        assert any(before == items[max(p - 3, 0) : p] for p in places)
        seen.add((int(user), int(target), tuple(before)))
    assert len(seen) == 13
    assert (batch.queries == 2).all()


def test_pairs_show_what_is_around_them_in_a_ring():
    for length in (3, 8):
        batches = Pairs(16, history_length=length, around=True).build(TRAIN, RESIDENT, seed=0)
        (batch,) = epoch(batches)
        asked = [(u, i) for u, items in HISTORIES.items() for i in range(len(items))]
        expected = set()
        for user, place in asked:
            items = HISTORIES[user]
            # The events before it, the last of them last, and in front the user's very last.
            others = items[place + 1 :] + items[:place]
            expected.add((user, items[place], tuple(others[max(len(others) - length, 0) :])))
        found = {
            (int(user), int(target), tuple(history[where].tolist()))
            for user, target, history, where, weight in zip(
                batch.user, batch.target[:, 0], batch.history, batch.where, batch.weights[:, 0]
            )
            if weight
        }
        assert found == expected
        assert not batch.where[batch.weights[:, 0] == 0].any()
        assert not batch.history[~batch.where].any()


def test_sequences_ask_for_the_next_item_at_every_place():
    batches = Sequences(batch_size=2, length=4).build(TRAIN, RESIDENT, seed=0)
    assert batches.examples_per_epoch == 3  # user 2 has one event
    assert batches.steps_per_epoch == 2
    found = {}
    for batch in epoch(batches):
        for row in range(2):
            if batch.user[row]:
                found[int(batch.user[row])] = jax.tree.map(
                    lambda x, row=row: x[row], batch.replace(catalogue=None)
                )
    assert set(found) == {1, 3, 4}
    assert found[1].history.tolist() == [0, 0, 3, 1]
    assert found[1].target.tolist() == [0, 0, 1, 4]
    assert found[1].value.tolist() == [0, 0, 0.5, 2]
    assert found[1].weights.tolist() == [0, 0, 1, 1]
    assert found[1].segment_ids.tolist() == [0, 0, 1, 1]
    assert found[1].queries.tolist() == [0, 1, 2, 3]
    assert found[3].history.tolist() == [6, 5, 3, 1]
    assert found[3].target.tolist() == [5, 3, 1, 2]
    assert found[3].value.tolist() == [2.5, 1.5, 0.5, 1]
    assert found[3].user_features["age"].tolist() == [3, 3]


def test_a_random_crop_is_a_window_of_the_history():
    batches = Sequences(batch_size=3, length=2, random_crop=True).build(TRAIN, RESIDENT, seed=0)
    windows = set()
    for number in range(30):
        for batch in epoch(batches, number):
            (row,) = np.flatnonzero(batch.user == 3)
            windows.add((*batch.history[row].tolist(), int(batch.target[row, -1])))
            (row,) = np.flatnonzero(batch.user == 4)
            assert batch.history[row].tolist() == [0, 6]
            assert batch.target[row].tolist() == [0, 4]
    items = HISTORIES[3]
    assert windows == {tuple(items[p : p + 3]) for p in range(5)}


def test_packed_rows_hold_the_same_examples():
    """Each user's segment equals the row that Sequences gives the user."""
    packed = PackedSequences(batch_size=2, length=6).build(TRAIN, RESIDENT, seed=0)
    assert packed.examples_per_epoch == 3
    assert packed.steps_per_epoch == 1  # 6 + 2 + 1 places fit two rows of 6

    def examples(batches):
        found = []
        for batch in epoch(batches):
            for row in range(len(batch.user)):
                for segment in range(1, batch.segment_ids[row].max(initial=0) + 1):
                    at = batch.segment_ids[row] == segment
                    assert batch.where[row, at].all()
                    columns = (batch.history, batch.target, batch.value, batch.weights)
                    found.append(tuple(tuple(x[row, at].tolist()) for x in columns))
        return sorted(found)

    alone = Sequences(batch_size=3, length=6).build(TRAIN, RESIDENT, seed=0)
    assert examples(packed) == examples(alone)
    for batch in epoch(packed):
        assert not batch.history[~batch.where].any()
        assert not batch.weights[~batch.where].any()
        assert not batch.user.any()


def test_whole_sequences_are_their_own_targets():
    batches = Sequences(batch_size=3, length=4, whole=True).build(TRAIN, RESIDENT, seed=0)
    (batch,) = epoch(batches)
    np.testing.assert_array_equal(batch.target, batch.history)
    np.testing.assert_array_equal(batch.weights, batch.where)
    found = {int(user): row for row, user in enumerate(batch.user)}
    assert batch.history[found[1]].tolist() == [0, 3, 1, 4]
    assert batch.value[found[1]].tolist() == [0, 1.5, 0.5, 2]
    assert batch.history[found[3]].tolist() == [5, 3, 1, 2]
    crops = Sequences(batch_size=3, length=3, random_crop=True, whole=True)
    crops = crops.build(TRAIN, RESIDENT, seed=0)
    windows = set()
    for number in range(30):
        (batch,) = epoch(crops, number)
        (row,) = np.flatnonzero(batch.user == 3)
        windows.add(tuple(batch.history[row].tolist()))
    assert windows == {tuple(HISTORIES[3][p : p + 3]) for p in range(5)}


def test_whole_packed_rows_hold_whole_sequences():
    batches = PackedSequences(batch_size=2, length=7, whole=True).build(TRAIN, RESIDENT, seed=0)
    found = []
    for batch in epoch(batches):
        np.testing.assert_array_equal(batch.target, batch.history)
        np.testing.assert_array_equal(batch.weights, batch.where)
        np.testing.assert_allclose(batch.value, batch.target / 2)
        for items, segment in zip(batch.history, batch.segment_ids):
            found += [items[segment == s].tolist() for s in range(1, segment.max(initial=0) + 1)]
    assert sorted(found) == sorted(HISTORIES[user] for user in (1, 3, 4))


@pytest.mark.parametrize("length", [None, 3])
def test_users_are_shown_whole_once_an_epoch(length):
    batches = Users(batch_size=3, length=length).build(TRAIN, RESIDENT, seed=0)
    assert batches.examples_per_epoch == 4
    found = {}
    for batch in epoch(batches, 1):
        assert batch.history.shape == (3, length or 7)
        np.testing.assert_array_equal(batch.queries, (length or 7) - 1)
        np.testing.assert_array_equal(batch.where, batch.history > 0)
        for row in np.flatnonzero(batch.weights[:, 0] == 0):
            assert not batch.user[row]
            assert not batch.where[row].any()
            assert not batch.target[row]
        for row in np.flatnonzero(batch.weights[:, 0]):
            shown = batch.history[row][batch.where[row]].tolist()
            assert batch.target[row] == shown[-1]
            assert batch.value[row] == shown[-1] / 2
            assert int(batch.user[row]) not in found
            found[int(batch.user[row])] = shown
    assert found == {user: items[-(length or 7) :] for user, items in HISTORIES.items()}


def test_sequences_without_two_events_are_refused():
    one = TRAIN.take(np.flatnonzero(np.r_[True, TRAIN.user[1:] != TRAIN.user[:-1]]))
    with pytest.raises(InputError, match="no user has two training events"):
        Sequences().build(one, resident(PREPARED, one), seed=0)
    with pytest.raises(InputError, match="no user has two training events"):
        PackedSequences().build(one, resident(PREPARED, one), seed=0)


def test_pairs_refuse_other_events_than_the_resident_ones():
    with pytest.raises(ValueError, match="not made from these 12 events"):
        Pairs().build(TRAIN.take(np.arange(12)), RESIDENT, seed=0)


def test_a_question_shows_the_last_items():
    batch = question(RESIDENT, jnp.array([3, 0, 2], jnp.int32), 3)
    assert batch.history.tolist() == [[3, 1, 2], [0, 0, 0], [0, 0, 1]]
    assert batch.queries.tolist() == [[2], [2], [2]]
    assert batch.target.tolist() == [[0], [0], [0]]
    assert batch.weights.tolist() == [[1], [1], [1]]
    assert batch.user_features["age"][:, 0].tolist() == [3, 0, 2]


def test_a_question_without_history():
    batch = question(RESIDENT, jnp.array([3, 1], jnp.int32), 0)
    assert batch.history.shape == (2, 0)
    assert batch.queries.tolist() == [[0], [0]]


def test_a_question_of_bare_histories():
    batch = question_of(RESIDENT, [[1, 2, 3, 4], [], [5]], 3)
    assert batch.history.tolist() == [[2, 3, 4], [0, 0, 0], [0, 0, 5]]
    assert batch.where.tolist() == [[True] * 3, [False] * 3, [False, False, True]]
    assert batch.user.tolist() == [0, 0, 0]
    assert question_of(RESIDENT, [[1]], 0).history.shape == (1, 0)


USER_OF = np.concatenate([[u] * len(items) for u, items in HISTORIES.items()])
ITEM_OF = np.concatenate(list(HISTORIES.values()))
"""The user and the item of each event, by its time."""


@pytest.mark.parametrize(
    "batches",
    [
        Pairs(16, history_length=3),
        Pairs(16, history_length=3, around=True),
        Sequences(2, 4),
        Sequences(3, 2, random_crop=True),
        Sequences(3, 4, whole=True),
        PackedSequences(2, 6),
    ],
    ids=str,
)
def test_times_stand_beside_the_items_that_they_are_of(batches):
    timed = resident(PREPARED, TRAIN, reads_times=True)
    assert epoch(batches.build(TRAIN, RESIDENT, 0))[0].time is None
    for batch in epoch(batches.build(TRAIN, timed, 0)):
        np.testing.assert_array_equal(ITEM_OF[batch.time[batch.where]], batch.history[batch.where])
        assert not batch.time[~batch.where].any()
        assert batch.where.any()
        for row in range(len(batch.user)):
            for number in range(1, batch.segment_ids[row].max(initial=0) + 1):
                time = batch.time[row, batch.segment_ids[row] == number]
                assert len({*USER_OF[time]} | {batch.user[row] or USER_OF[time[0]]}) == 1
                assert getattr(batches, "around", False) or (np.diff(time) == 1).all()


def test_a_question_tells_the_times_of_what_is_known_then():
    timed = resident(PREPARED, TRAIN, reads_times=True)
    batch = question(timed, jnp.array([3, 0, 2], jnp.int32), 3)
    assert batch.time.tolist() == [[8, 9, 10], [0, 0, 0], [0, 0, 3]]
    fewer = timed.knowing(TRAIN.take(np.array([1, 4, 6, 8])))
    batch = question(fewer, jnp.array([3, 1], jnp.int32), 3)
    assert batch.history.tolist() == [[5, 6, 3], [0, 0, 1]]
    assert batch.time.tolist() == [[3, 5, 7], [0, 0, 0]]
    assert question(RESIDENT.knowing(TRAIN), jnp.array([3], jnp.int32), 3).time is None


def test_the_events_of_a_bare_history_are_simultaneous():
    timed = resident(PREPARED, TRAIN, reads_times=True)
    assert question_of(timed, [[1, 2], [3]], 3).time.tolist() == [[0, 0, 0], [0, 0, 0]]
    assert question_of(RESIDENT, [[1, 2], [3]], 3).time is None
