"""Implicit ALS against dense normal equations, with each solver, on one device and on eight."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.baselines.ials import IALSConfig, Tables
from jaxrec.baselines.item_weights import known_items
from jaxrec.baselines.least_squares import Cholesky, ConjugateGradient, Subspace
from jaxrec.data.interactions import Dataset, Interactions
from jaxrec.data.prepare import DataConfig, Prepared, load, prepare
from jaxrec.data.resident import question, question_of, resident
from jaxrec.data.splits import Split
from jaxrec.errors import InputError
from jaxrec.evaluate import evaluate
from jaxrec.metrics.protocol import Protocol
from jaxrec.retrieval import baseline_scorer
from jaxrec.sharding import make_mesh
from tests.contracts import BaselineContract

USERS, ITEMS, DIM = 60, 25, 8
CONFIG = IALSConfig(embed_dim=DIM, l2=0.02, unobserved_weight=0.3, epochs=3, init_scale=1.0)


def events_of(seed=0):
    """Some pairs occur twice, with other values."""
    rng = np.random.default_rng(seed)
    users = np.concatenate([np.arange(1, USERS + 1), rng.integers(1, USERS + 1, 400)])
    items = 1 + (rng.random(len(users)) ** 2 * ITEMS).astype(int)
    items[:ITEMS] = np.arange(1, ITEMS + 1)
    return Interactions.build(users, items, rng.integers(1, 4, len(users)))


def resident_of(events):
    nothing = events.take(np.arange(0))
    prepared = Prepared(Dataset("", events), Split(events, nothing, nothing), (), (), {}, {}, [])
    return resident(prepared, events)


def confidences(events, alpha):
    """Users × items, dense; 0 where there was no event."""
    met = np.zeros((USERS + 1, ITEMS + 1))
    met[events.user, events.item] = 1
    if alpha:
        np.add.at(met, (events.user, events.item), alpha * events.value)
    return met


def solved(weights, fixed, config):
    """Solve row by row as in Rendle et al.; rows and columns 0 stand for nothing."""
    found = np.zeros((len(weights), fixed.shape[1]))
    for row, own in enumerate(weights):
        total = config.unobserved_weight * (len(fixed) - 1)
        l2 = config.l2 * ((own > 0).sum() + total) ** config.l2_power
        matrix = (fixed.T * own) @ fixed + config.unobserved_weight * fixed.T @ fixed
        found[row] = np.linalg.solve(matrix + l2 * np.eye(fixed.shape[1]), fixed.T @ own)
    return found


def by_row(tables):
    """The factors of users and items; their rotation is free, but common to both."""
    users, items = tables.layouts
    return np.asarray(tables.users)[users.place], np.asarray(tables.items)[items.place]


def start(config, events, devices=1):
    return Tables.build(
        known_of(config, events), config, make_mesh(devices=jax.devices()[:devices])
    )


def known_of(config, events):
    known = known_items(events).astype(np.float32)
    known.data[:] = confidences(events, config.value_weight)[known.nonzero()]
    return known


def objective(weights, users, items, config):
    counts = (weights > 0).sum(1), (weights > 0).sum(0)
    a0, power = config.unobserved_weight, config.l2_power
    scores = users @ items.T
    penalty = sum(
        (((n + a0 * (len(other) - 1)) ** power) * (own**2).sum(1)).sum()
        for n, own, other in ((counts[0], users, items), (counts[1], items, users))
    )
    return (weights * (1 - scores) ** 2).sum() + a0 * (scores**2).sum() + config.l2 * penalty


@pytest.mark.parametrize("devices", [1, 8])
@pytest.mark.parametrize("fields", [{}, {"value_weight": 0.5, "l2_power": 0.5}])
def test_a_sweep_solves_the_normal_equations(fields, devices):
    config, events = dataclasses.replace(CONFIG, **fields), events_of()
    weights = confidences(events, config.value_weight)
    before = start(config, events, devices)
    _, items = by_row(before)
    assert items[1:].std() == pytest.approx(config.init_scale / DIM**0.5, rel=0.2)
    users = solved(weights, items, config)
    items = solved(weights.T, users, config)
    found = by_row(before.sweep(Cholesky()))
    np.testing.assert_allclose(found[0] @ found[1].T, users @ items.T, rtol=1e-4, atol=1e-5)
    # What a rotation leaves alone, of each table.
    np.testing.assert_allclose(found[1] @ found[1].T, items @ items.T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("solver", [ConjugateGradient(1), Cholesky(), Subspace(4)])
def test_the_objective_falls_with_each_sweep(solver):
    events = events_of()
    weights, tables, losses = confidences(events, 0), start(CONFIG, events), []
    for _ in range(4):
        tables = tables.sweep(solver)
        losses.append(objective(weights, *by_row(tables), CONFIG))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.9 * weights.sum()


def test_eight_devices_give_the_factors_of_one_and_share_the_tables():
    events = events_of()
    alone, together = start(CONFIG, events), start(CONFIG, events, 8)
    for _ in range(2):
        alone, together = alone.sweep(CONFIG.solver), together.sweep(CONFIG.solver)
    for table in (together.users, together.items):
        shapes = {shard.data.shape for shard in table.addressable_shards}
        assert shapes == {(table.shape[0] // 8, DIM)}
        assert len(table.sharding.device_set) == 8
    for rectangle in together.of_users:
        assert len(rectangle.columns.sharding.device_set) == 8
        share = rectangle.columns.addressable_shards[0].data.shape
        assert share[1] == rectangle.columns.shape[1] // 8
    state, other = alone.state(known_items(events)), together.state(known_items(events))
    assert len(other.item_factors.sharding.device_set) == 1
    # Both are rotated so that the Gram matrix is diagonal; only the signs are free.
    signs = np.sign(np.sum(np.asarray(state.item_factors) * other.item_factors, 0, keepdims=True))
    for name in ("user_factors", "item_factors"):
        found, expected = getattr(other, name) * signs, getattr(state, name)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("value_weight", [0.0, 0.5])
def test_a_folded_in_history_gets_what_a_sweep_gives_the_user(value_weight):
    config = dataclasses.replace(CONFIG, value_weight=value_weight)
    events = events_of()
    state = config.fit(events, jax.devices()[:1])
    known = resident_of(events)
    batch = question(known, jnp.arange(USERS + 1), 70)
    weights = confidences(events, 0) * np.asarray(state.weights)
    expected = solved(weights, np.asarray(state.item_factors), config)
    found = state.fold_in(batch.history)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    scores = state.scores(batch)
    np.testing.assert_allclose(scores, expected @ state.item_factors.T, rtol=1e-4, atol=1e-5)
    bare = state.scores(question_of(known, [[3, 1, 3, 3], [1, 3], []], 6))
    np.testing.assert_allclose(bare[0], bare[1], rtol=1e-5)
    np.testing.assert_array_equal(bare[2], 0)


def test_the_seed_decides():
    events, one = events_of(), jax.devices()[:1]
    first, again = CONFIG.fit(events, one), CONFIG.fit(events, one)
    np.testing.assert_array_equal(first.item_factors, again.item_factors)
    other = dataclasses.replace(CONFIG, seed=1).fit(events, one)
    assert not np.allclose(first.spectrum, other.spectrum)


@pytest.mark.parametrize("fields", [{"l2": 0.0}, {"unobserved_weight": -1.0}, {"epochs": 0}])
def test_bad_values_are_refused(fields):
    with pytest.raises(InputError, match=next(iter(fields))):
        IALSConfig(**fields)


def test_values_that_leave_no_confidence_are_refused():
    with pytest.raises(InputError, match="value_weight"):
        dataclasses.replace(CONFIG, value_weight=-2.0).fit(events_of())


def test_factors_that_run_away_are_refused():
    with pytest.raises(InputError, match="not finite"):
        dataclasses.replace(CONFIG, init_scale=1e25).fit(events_of())


class TestIALS(BaselineContract):
    config = IALSConfig(embed_dim=4, l2=0.01, epochs=4)


@pytest.mark.slow
def test_ml100k(data_root):
    config = DataConfig(path=str(data_root / "ml-100k"))
    prepared = prepare(load(config, lambda note: None), config, 0)
    protocol = Protocol(metrics=("ndcg@10",), resamples=0)
    model = IALSConfig(embed_dim=32, l2=0.01, epochs=8)
    state = model.fit(prepared.split.train, jax.devices()[:1])
    found = evaluate(baseline_scorer(model), state, prepared, "test", protocol)
    assert found.metrics["ndcg@10"] > 0.06
