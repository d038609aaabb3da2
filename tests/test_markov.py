"""Markov chains against a loop over events, and on the file that the published anchors are from."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.baselines.item_knn import ItemKNNConfig
from jaxrec.baselines.markov import MarkovConfig, transitions
from jaxrec.data.interactions import Dataset, Interactions
from jaxrec.data.prepare import DataConfig, Prepared, load, prepare
from jaxrec.data.resident import question_of, resident
from jaxrec.data.splits import Split, known
from jaxrec.evaluate import evaluate
from jaxrec.metrics.protocol import Protocol
from jaxrec.retrieval import baseline_scorer
from tests.contracts import BaselineContract

ITEMS = 9


def random_events(seed=0):
    """Forty short sequences, in which items repeat and follow themselves."""
    rng = np.random.default_rng(seed)
    users = np.sort(rng.integers(1, 41, 200))
    items = np.append(np.arange(1, ITEMS + 1), rng.integers(1, ITEMS + 1, 200 - ITEMS))
    return Interactions.build(users, items)


def known_of(events):
    nothing = events.take(np.arange(0))
    prepared = Prepared(Dataset("", events), Split(events, nothing, nothing), (), (), {}, {}, [])
    return resident(prepared, events)


def looped(events, max_steps):
    """Count by hand: for each event, the later ones of its user."""
    found = np.zeros((ITEMS + 1, ITEMS + 1))
    for first in range(len(events)):
        for later in range(first + 1, min(first + max_steps + 1, len(events))):
            if events.user[first] == events.user[later]:
                found[events.item[first], events.item[later]] += 1 / (later - first)
    return found


@pytest.mark.parametrize("max_steps", [1, 3, 500])
def test_transitions_equal_a_loop(max_steps):
    events = random_events()
    found = transitions(events, max_steps).toarray()
    np.testing.assert_allclose(found, looped(events, max_steps), rtol=1e-12)


def test_counts_decide_and_neighbours_break_ties():
    events = random_events()
    data = known_of(events)
    batch = question_of(data, [[2, 5], [5, 2, 2], [7], []], 4)
    scores = np.asarray(MarkovConfig().fit(events).scores(batch))
    counts = looped(events, 1)[[5, 2, 7, 0]]
    similar = np.asarray(ItemKNNConfig().fit(events).scores(batch))
    np.testing.assert_array_equal(np.floor(scores), counts)
    np.testing.assert_allclose(scores - counts, similar / (1 + similar), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(scores[3], 0)


def test_the_tie_break_takes_its_fields():
    events = random_events()
    batch = question_of(known_of(events), [[2, 5]], 2)
    state = MarkovConfig(neighbours=1).fit(events)
    expected = ItemKNNConfig(neighbours=1).fit(events).scores(batch)
    np.testing.assert_array_equal(state.neighbours.scores(batch), expected)


def test_users_of_one_event_make_no_transition():
    events = Interactions.build([1, 2, 3], [1, 2, 1])
    state = MarkovConfig().fit(events)
    batch = question_of(known_of(events), [[1]], 1)
    np.testing.assert_array_equal(state.scores(batch), jnp.zeros((1, 3)))


def test_beauty(data_root):
    """Refitted with validation, the anchors of the benchmark notes: .0866 and .0571."""
    config = DataConfig(path=str(data_root / "s3rec" / "Beauty.txt"))
    prepared = prepare(load(config, lambda note: None), config, 0)
    protocol = Protocol(metrics=("hit_rate@10", "ndcg@10"), resamples=0)
    protocol = dataclasses.replace(protocol, fit_on="train+validation")
    model = MarkovConfig()
    state = model.fit(known(prepared.split, "test"))
    found = evaluate(baseline_scorer(model), state, prepared, "test", protocol)
    assert found.metrics["hit_rate@10"] == pytest.approx(0.0866, abs=5e-4)
    assert found.metrics["ndcg@10"] == pytest.approx(0.0571, abs=5e-4)


class TestMarkov(BaselineContract):
    config = MarkovConfig()
