"""ComiRec: what training picks, what evaluation may see, and that the best interest scores."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences
from jaxrec.data.interactions import Interactions
from jaxrec.data.prepare import DataConfig
from jaxrec.errors import InputError
from jaxrec.models.bag import BagConfig
from jaxrec.models.comirec import ComiRecConfig, of_target
from jaxrec.objectives import FullSoftmax
from jaxrec.recommend import Recommender
from jaxrec.run import load_run
from jaxrec.train import train_and_evaluate
from jaxrec.train_step import TrainConfig
from jaxrec.typing import Spec
from tests.contracts import init, loss_of, random_batch, scores_of_model

CONFIG = ComiRecConfig(embed_dim=8, num_interests=3, hidden_dim=16, dropout=0.0, history_length=6)
ROUTED = ComiRecConfig(
    embed_dim=8, num_interests=3, routing="dynamic", adaptive=True, dropout=0.0, history_length=6
)
BATCH = random_batch(length=6)


def make(config):
    """Build a model whose item vectors are so long that its interests differ."""
    model = config.build(Spec(8, 20, 6))
    variables = init(model, jax.random.key(0), BATCH)
    table = variables["params"]["item_vector"]["embedding"]
    variables["params"]["item_vector"]["embedding"] = 40 * table

    def encode(batch, train=False):
        return model.apply(variables, batch, train, method="encode_user")

    return model, variables, encode


def vectors_of(variables):
    return np.asarray(variables["params"]["item_vector"]["embedding"])[:21]


@pytest.mark.parametrize("config", [CONFIG, ROUTED], ids=["attention", "routing"])
def test_an_item_is_scored_by_the_interest_that_fits_it_best(config):
    model, variables, encode = make(config)
    interests, table = np.asarray(encode(BATCH)), vectors_of(variables)
    assert interests.shape == (8, 6, 3, 8)
    expected = np.stack([interests[:, :, k] @ table.T for k in range(3)]).max(0)
    np.testing.assert_allclose(
        scores_of_model(model, variables, BATCH), expected, rtol=1e-4, atol=1e-5
    )
    assert len(np.unique((interests[:, -1] @ table.T).argmax(1))) > 1


def test_training_scores_all_items_by_the_interest_of_the_target():
    model, variables, encode = make(CONFIG)
    every, table = np.asarray(encode(BATCH)), vectors_of(variables)
    picked, loss, weight = set(), 0.0, 0.0
    for row, query in zip(*np.nonzero(np.asarray(BATCH.weights)), strict=True):
        target = int(BATCH.target[row, query])
        best = int((every[row, query] @ table[target]).argmax())
        scores = table[1:] @ every[row, query, best]
        loss += np.log(np.exp(scores).sum()) - scores[target - 1]
        weight += 1
        picked.add(best)
    assert len(picked) > 1
    found = loss_of(FullSoftmax(chunk=7), model, variables, BATCH, jax.random.key(0))
    np.testing.assert_allclose(found, loss / weight, rtol=1e-4)


def test_training_by_the_best_trains_what_is_retrieved():
    _, _, encode = make(dataclasses.replace(CONFIG, train_by="best"))
    np.testing.assert_array_equal(encode(BATCH, True), encode(BATCH))


@pytest.mark.parametrize("config", [CONFIG, ROUTED], ids=["attention", "routing"])
def test_only_training_reads_the_target(config):
    _, _, encode = make(config)
    other = BATCH.replace(target=BATCH.target % 20 + 1)
    np.testing.assert_array_equal(encode(other), encode(BATCH))
    assert jnp.abs(encode(other, True) - encode(BATCH, True)).max() > 1e-3


def test_interests_that_a_short_history_lacks_never_score():
    _, _, encode = make(ROUTED)
    interests = np.asarray(encode(BATCH))
    events = np.asarray(BATCH.where).cumsum(1)
    for row, query in zip(*np.nonzero(np.asarray(BATCH.where)), strict=True):
        found = len(np.unique(interests[row, query].round(5), axis=0))
        assert found == (2 if events[row, query] >= 4 else 1)


def test_a_power_weighs_interests_by_their_fit_and_a_large_one_picks_the_best():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
    target = rng.normal(size=(2, 3, 5)).astype(np.float32)
    there = np.ones((2, 3, 4), bool)
    there[0, :, 2:] = False
    found = of_target((jnp.asarray(vectors), jnp.asarray(there)), jnp.asarray(target), 2.0)
    for row, query in np.ndindex(2, 3):
        kept = vectors[row, query][there[row, query]]
        fit = kept @ target[row, query]
        share = np.exp(np.sign(fit) * fit**2)
        expected = share @ kept / share.sum()
        np.testing.assert_allclose(found[row, query], expected, rtol=1e-4, atol=1e-5)
    given = jnp.asarray(vectors), jnp.asarray(there)
    fits = np.where(there, np.einsum("bqkd,bqd->bqk", vectors, target), -np.inf)
    best = of_target(given, jnp.asarray(target), None)
    expected = np.take_along_axis(vectors, fits.argmax(-1)[..., None, None], 2)[:, :, 0]
    np.testing.assert_allclose(best, expected, rtol=1e-6)
    sharp = of_target(given, jnp.asarray(100 * target), 3.0)
    np.testing.assert_allclose(sharp, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "config",
    [CONFIG, ROUTED, BagConfig(embed_dim=8, history_length=6)],
    ids=["attention", "routing", "bag"],
)
def test_a_future_event_changes_no_earlier_answer(config):
    _, _, encode = make(config)
    before, after = (
        encode(batch) for batch in (BATCH, BATCH.replace(history=BATCH.history.at[:, 4:].set(7)))
    )
    np.testing.assert_allclose(after[:, :4], before[:, :4], rtol=1e-4, atol=1e-5)
    assert jnp.abs(after[:, 4:] - before[:, 4:]).max() > 0.01


def test_the_recommended_items_are_those_of_a_search_of_all(tmp_path):
    rng = np.random.default_rng(0)
    users, items = np.repeat(np.arange(30), 8), rng.permuted(np.tile(range(25), (30, 1)), axis=1)
    events = Interactions.build(
        users, items[:, :8].reshape(-1), np.ones(240), np.tile(range(8), 30), order="time"
    )
    model = ComiRecConfig(embed_dim=8, num_interests=3, hidden_dim=16, history_length=6)
    config = Config(
        DataConfig(), model, FullSoftmax(), PackedSequences(8, 6), train=TrainConfig(epochs=3)
    )
    train_and_evaluate(config, tmp_path / "run", events, say=lambda line: None)
    run = load_run(tmp_path / "run", lambda line: None)
    recommender = Recommender.load(tmp_path / "run", lambda line: None)
    history = events.items.ids[:4].tolist()
    [found] = recommender.recommend(history=history, k=5)
    batch = random_batch(size=1, length=6, num_items=25).replace(
        history=jnp.array([[0, 0, 1, 2, 3, 4]], jnp.int32),
        where=jnp.array([[False, False, True, True, True, True]]),
        segment_ids=jnp.array([[0, 0, 1, 1, 1, 1]], jnp.int32),
        queries=jnp.array([[5]], jnp.int32),
    )
    built = run.config.model.build(Spec(30, 25, 6))
    interests = built.apply(run.variables, batch, method="encode_user")
    table = np.asarray(run.variables["params"]["item_vector"]["embedding"])[:26]
    scores = (np.asarray(interests)[0, 0] @ table.T).max(0)
    scores[:5] = -np.inf  # nothing, and the history
    best = np.argsort(-scores)[:5]
    assert [entry.item for entry in found] == events.items.ids[best - 1].tolist()
    np.testing.assert_allclose([entry.score for entry in found], scores[best], rtol=1e-4)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (ComiRecConfig(num_interests=0), "num_interests is 0; give a whole number from 1 on"),
        (ComiRecConfig(iterations=0), "iterations is 0; give a whole number from 1 on"),
        (ComiRecConfig(history_length=0), "history_length is 0; give a whole number from 1 on"),
        (ComiRecConfig(power=0.5), "power is 0.5; give a number from 1 on, or None"),
        (ComiRecConfig(adaptive=True), 'routing "self_attention" gives all .*; give "dynamic"'),
        (ComiRecConfig(power=2.0, train_by="best"), "power is 2.0, and model.train_by"),
        (BagConfig(decay=1.0), "decay is 1.0; give a number between 0 and 1"),
    ],
)
def test_bad_sizes_are_refused(config, message):
    with pytest.raises(InputError, match=message):
        config.build(Spec(3, 20, 6))
