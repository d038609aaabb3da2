"""What is asked of whom, under each way to average."""

import dataclasses
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError
from jaxrec.evaluate import evaluate
from jaxrec.metrics.chunks import chunks
from jaxrec.metrics.protocol import Protocol
from jaxrec.metrics.questions import ask, known_in, spans
from tests.test_evaluate import USERS, TableScorer, prepared_of, random_parts, random_table

EVENTS = Interactions.build(
    [1, 1, 1, 1, 2, 2, 2, 3, 3], [1, 2, 3, 3, 1, 3, 4, 2, 4], None, list(range(9)), order="time"
)
KNOWN = EVENTS.take(np.asarray([0, 1, 4, 5, 7, 8]))
TARGETS = EVENTS.take(np.asarray([2, 3, 6]))


def asked(questions):
    return [
        (
            int(questions.user[q]),
            questions.items[questions.start[q] : questions.stop[q]].tolist(),
            questions.targets[slice(*questions.target_indptr[q : q + 2])].tolist(),
        )
        for q in range(len(questions))
    ]


def test_one_question_a_user_with_distinct_targets():
    assert asked(ask(KNOWN, TARGETS, Protocol(), 0)) == [(1, [1, 2], [3]), (2, [1, 3], [4])]


def test_all_users_are_asked_where_they_count():
    found = asked(ask(KNOWN, TARGETS, Protocol(averaged_over="all_users"), 0))
    assert found[-1] == (3, [2, 4], [])
    assert len(found) == 3


def test_one_question_an_event_whose_history_grows():
    found = asked(ask(KNOWN, TARGETS, Protocol(averaged_over="events"), 0))
    assert found == [(1, [1, 2, 3], [3]), (1, [1, 2], [3]), (2, [1, 3], [4])]


def test_events_without_enough_history_are_left_out():
    protocol = Protocol(averaged_over="events", min_history=1)
    found = asked(ask(KNOWN.take(np.arange(0)), TARGETS, protocol, 0))
    assert found == [(1, [3], [3])]


def test_some_users_are_drawn_by_seed():
    protocol = Protocol(max_users=1)
    drawn = {asked(ask(KNOWN, TARGETS, protocol, seed))[0][0] for seed in range(20)}
    assert drawn == {1, 2}
    assert len(ask(KNOWN, TARGETS, protocol, 0)) == 1


def test_questions_stand_by_targets_then_by_history():
    rng = np.random.default_rng(0)
    events = Interactions.build(rng.integers(1, 50, 900), rng.integers(1, 40, 900))
    chosen = rng.random(900) < 0.7
    questions = ask(events.take(chosen), events.take(~chosen), Protocol(), 0)
    number, known = np.diff(questions.target_indptr), questions.stop - questions.start
    order = np.lexsort((-known, -number))
    np.testing.assert_array_equal(order, np.arange(len(questions)))


def test_chunks_hold_every_question_once_in_one_shape():
    rng = np.random.default_rng(0)
    events = Interactions.build(rng.integers(1, 50, 900), rng.integers(1, 40, 900))
    chosen = rng.random(900) < 0.7
    questions = ask(events.take(chosen), events.take(~chosen), Protocol(), 0)
    width = len(events.items) + 1
    found, shapes = [], set()
    for chunk in chunks(questions, questions, None, None, 8, width - 1):
        shapes.add((chunk.user.shape, chunk.targets.shape, chunk.seen.shape, chunk.avoided.shape))
        seen = np.zeros(8 * width + 1, bool)
        seen[chunk.seen] = True
        for row in np.flatnonzero(chunk.number >= 0):
            history = questions.items[chunk.start[row] : chunk.stop[row]]
            own = np.flatnonzero(seen[row * width : (row + 1) * width])
            np.testing.assert_array_equal(own, np.unique(history))
            found.append((int(chunk.user[row]), set(chunk.targets[row].tolist()) - {0}))
    assert len(shapes) == 1
    assert found == [(user, set(targets)) for user, _, targets in asked(questions)]


def test_spans():
    assert spans(np.asarray([5, 0, 9]), np.asarray([2, 0, 3])).tolist() == [5, 6, 9, 10, 11]


def test_the_times_of_known_items_are_told_where_they_are_read():
    late = dataclasses.replace(EVENTS, timestamp=EVENTS.timestamp * 60 + 1e9)
    known, targets = (late.take(np.isin(late.row, part.row)) for part in (KNOWN, TARGETS))
    for averaged_over in ("users", "events"):
        protocol = Protocol(averaged_over=averaged_over)
        assert ask(known, targets, protocol, 0).time is None
        questions = ask(known, targets, protocol, 0, reads_times=True)
        item_at = dict(zip(late.row * 60, late.item))
        for start, stop in zip(questions.start, questions.stop):
            seen = questions.items[start:stop].tolist()
            assert [item_at[time] for time in questions.time[start:stop]] == seen
        assert known_in(questions, known).time is None


@dataclass(frozen=True)
class GapScorer(TableScorer):
    """The variables are the scores after each time between the last two events."""

    history_length: int | None = 7
    reads_times = True

    def scores(self, variables, batch, items=None):
        scores = variables[(batch.time[:, -1] - batch.time[:, -2]) % len(variables)]
        return scores if items is None else jnp.take_along_axis(scores, items, 1)


def test_a_scorer_that_reads_times_is_told_those_of_all_that_is_known():
    train, validation, test = random_parts()
    prepared, protocol, table = prepared_of(train, validation, test), Protocol(), random_table()
    known = Interactions.concatenate(train, validation)
    by_user = np.zeros_like(table)
    for user in range(1, USERS + 1):
        last = known.timestamp[known.user == user][-2:]
        assert len(last) == 2
        by_user[user] = table[int(last[1] - last[0]) % len(table)]
    expected = evaluate(TableScorer(), jnp.asarray(by_user), prepared, "test", protocol)
    found = evaluate(GapScorer(), jnp.asarray(table), prepared, "test", protocol)
    assert found.metrics == expected.metrics
    assert found.metrics["ndcg@10"] > 0
    train = dataclasses.replace(train, order="position")
    with pytest.raises(InputError, match="this data has only the order"):
        evaluate(GapScorer(), table, prepared_of(train, validation, test), "validation", protocol)
