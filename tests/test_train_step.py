"""Tables by rows and batches by parts: the same training, by less work."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from jaxrec.data.batches import PackedSequences, Pairs
from jaxrec.data.resident import resident
from jaxrec.errors import InputError
from jaxrec.models.deep_rec import DeepRecConfig
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.models.sasrec import SASRecConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import BinaryCrossEntropy, Bpr, FullSoftmax
from jaxrec.optimizer import Adagrad, Adam, Sgd
from jaxrec.sharding import make_mesh, replicate
from jaxrec.train_state import create
from jaxrec.train_step import TrainConfig, make_train_steps
from tests.contracts import checkerboard, spec_of

PREPARED = checkerboard()
MF = MatrixFactorizationConfig(embed_dim=4)
FEW = Pairs(batch_size=8)
"""Of the 128 users and 64 items, a step touches at most 8 and 16."""


BPR = Bpr()


@functools.cache
def compiled(optimizer, model, objective, batches, shards, options):
    """The state that a run starts from, as a function, its steps, and their data."""
    mesh = make_mesh(shards) if shards else make_mesh(devices=jax.devices()[:1])
    data = resident(PREPARED, PREPARED.split.train)
    built = batches.build(PREPARED.split.train, data, 0)
    built = dataclasses.replace(built, data=replicate(built.data, mesh))
    module, tx = model.build(spec_of(PREPARED)), optimizer.build(8)
    key, rows = jax.random.key(1), optimizer.tables == "rows"
    run = make_train_steps(
        module, objective, tx, built.batch_at, key, mesh, by_rows=rows, **dict(options)
    )
    ema = "ema_decay" in dict(options)
    return lambda: create(module, tx, built, jax.random.key(0), mesh, ema), run, built, mesh


def trained(optimizer, model=MF, objective=BPR, batches=FEW, steps=4, shards=0, **options):
    """The state after a few steps, and what they logged; shards: on all devices, tables divided."""
    make, run, built, mesh = compiled(
        optimizer, model, objective, batches, shards, tuple(options.items())
    )
    return run(make(), built.data, replicate(np.int32(steps), mesh))


def by_rows(optimizer):
    return dataclasses.replace(optimizer, tables="rows")


def assert_equal(found, expected, atol=1e-6):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=atol), found, expected)


EXACT = [
    Sgd(learning_rate=0.5, clip_norm=0.1),
    Adagrad(learning_rate=0.1),
    Adagrad(learning_rate=0.1, row_wise=True),
]


@pytest.mark.parametrize("optimizer", EXACT)
def test_rows_are_updated_as_the_whole_table_is(optimizer):
    """Users stand several times in a batch, so duplicates must be summed before the square."""
    whole, logged = trained(optimizer)
    rows, logged_rows = trained(by_rows(optimizer))
    assert_equal(rows.params, whole.params)
    assert_equal(rows.opt_state, whole.opt_state)
    assert_equal(logged_rows, logged)


def test_eight_devices_update_the_rows_that_one_does():
    one, _ = trained(by_rows(Adagrad(learning_rate=0.1)))
    eight, _ = trained(by_rows(Adagrad(learning_rate=0.1)), shards=4)
    table = eight.params["item_vector"]["embedding"]
    assert table.addressable_shards[0].data.shape == (16, 4)
    assert_equal(eight.params, one.params, 1e-5)


def test_the_moving_average_follows_the_parameters_and_answers_for_them():
    at = [trained(Sgd(learning_rate=0.5), steps=n, ema_decay=0.9)[0] for n in range(4)]
    average = at[0].params
    for state in at[1:]:
        average = jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, average, state.params)
        assert_equal(state.ema, average, 1e-7)
        assert_equal(state.variables()["params"], average, 1e-7)
    name = "item_vector"
    moved = at[3].params[name]["embedding"] - average[name]["embedding"]
    assert np.abs(moved).max() > 1e-3


@pytest.mark.parametrize(("decay", "momentum"), [(0.0, None), (0.1, None), (0.0, 0.9)])
def test_moments_and_decay_are_lazy(decay, momentum):
    """Adam(W) and momentum by their formulas, on the rows of each step alone."""
    if momentum is None:
        optimizer = Adam(learning_rate=0.1, weight_decay=decay, tables="rows")
    else:
        optimizer = Sgd(learning_rate=0.1, momentum=momentum, tables="rows")
    before, _ = trained(optimizer, steps=0)
    table = np.array(before.params["user_vector"]["embedding"], np.float64)
    first, second = np.zeros_like(table), np.zeros_like(table)
    for step in range(3):
        grad, users = whole_gradient()(before.params, jnp.int32(step))
        touched = np.unique(users)
        g = np.asarray(grad, np.float64)[touched]
        if momentum is None:
            first[touched] = 0.9 * first[touched] + 0.1 * g
            second[touched] = 0.999 * second[touched] + 0.001 * g * g
            mean = first[touched] / (1 - 0.9 ** (step + 1))
            root = np.sqrt(second[touched] / (1 - 0.999 ** (step + 1)))
            move = mean / (root + 1e-8) + decay * table[touched]
        else:
            first[touched] = momentum * first[touched] + g
            move = first[touched]
        table[touched] -= 0.1 * move
        before, _ = trained(optimizer, steps=step + 1)
        np.testing.assert_allclose(before.params["user_vector"]["embedding"], table, atol=1e-5)


@functools.cache
def whole_gradient():
    """The function that finds, by jax.grad, the gradient of the whole user table, and the users."""
    data = resident(PREPARED, PREPARED.split.train)
    built, apply = FEW.build(PREPARED.split.train, data, 0), MF.build(spec_of(PREPARED)).apply

    @jax.jit
    def found(params, step):
        batch, key = built.batch_at(built.data, step), jax.random.fold_in(jax.random.key(1), step)
        grads = jax.grad(lambda x: BPR(apply, {"params": x}, batch, key)[0])(params)
        return grads["user_vector"]["embedding"], batch.user

    return found


def untouched(found, start):
    """How many rows of each table are as they were."""
    flat, before = (flatten_dict(x, sep="/") for x in (found, start))
    return {
        path: int((x == before[path]).all(1).sum())
        for path, x in flat.items()
        if path.endswith("embedding")
    }


def test_models_need_not_know():
    model = DeepRecConfig(embed_dim=4, feature_dim=2, hidden_dims=(8,), dropout=0.0)
    objective = BinaryCrossEntropy(Uniform(2))
    start, _ = trained(by_rows(Adam()), model, objective, steps=0)
    lazy, _ = trained(by_rows(Adam()), model, objective, steps=1)
    whole, _ = trained(Adam(), model, objective, steps=1)
    assert min(untouched(lazy.params, start.params).values()) >= 64 - 24
    assert_equal(
        lazy.params, whole.params
    )  # in its first step Adam lets rows without gradient rest


def test_a_batch_by_parts_gives_the_gradient_of_the_whole():
    """The full softmax draws nothing, so that parts add up exactly; it reads the item table as a
    decoder does, each of its rows, so that by rows the table is still updated whole."""
    model = SASRecConfig(embed_dim=4, num_layers=1, num_heads=1, history_length=4, dropout=0.0)
    batches, optimizer = PackedSequences(batch_size=4, length=4), Adagrad(learning_rate=0.1)
    whole, logged = trained(optimizer, model, FullSoftmax(), batches, steps=3)
    parts, logged_parts = trained(
        by_rows(optimizer), model, FullSoftmax(), batches, steps=3, accumulate=2
    )
    assert_equal(parts.params, whole.params, 1e-5)
    assert_equal(logged_parts, logged, 1e-5)


def test_parts_and_rows_go_together():
    objective, optimizer = BinaryCrossEntropy(negatives=None), Adagrad(learning_rate=0.1)
    whole, _ = trained(optimizer, objective=objective)
    rows, _ = trained(by_rows(optimizer), objective=objective, accumulate=4)
    assert_equal(rows.params, whole.params, 1e-5)


def test_parts_that_do_not_divide_the_batch_are_refused():
    with pytest.raises(
        InputError, match=r"batch_size is 8; give a multiple of train\.accumulate, 3"
    ):
        trained(Sgd(), accumulate=3)
    with pytest.raises(InputError, match=r"train\.accumulate is 0"):
        TrainConfig(accumulate=0)
