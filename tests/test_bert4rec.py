import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences
from jaxrec.data.interactions import Dataset, Interactions
from jaxrec.data.prepare import DataConfig, prepare
from jaxrec.data.resident import question, resident
from jaxrec.data.splits import LeaveOneOut
from jaxrec.errors import InputError
from jaxrec.masking import hide
from jaxrec.models.bert4rec import BERT4RecConfig
from jaxrec.objectives import FullSoftmax, MaskedItems
from jaxrec.optimizer import Adam
from jaxrec.run import make_spec
from jaxrec.sharding import make_mesh
from jaxrec.train_state import create
from jaxrec.train_step import make_train_steps
from jaxrec.typing import Spec
from tests.contracts import random_batch, scores_of_model
from tests.test_masking import whole

KEY = jax.random.key(5)
BATCH = whole()
CONFIG = BERT4RecConfig(embed_dim=8, num_layers=2, history_length=8, dropout=0.0)
MODEL = CONFIG.build(Spec(8, 30, 8))
EVERY = jnp.broadcast_to(jnp.arange(8, dtype=jnp.int32)[None], (3, 8))
STEPS = 400


@pytest.fixture(scope="module")
def variables():
    """Parameters of which none is zero, so that biases and [MASK] count."""
    found = jax.jit(partial(MODEL.init, method="predict"))(jax.random.key(0), BATCH)
    leaves, tree = jax.tree.flatten(found)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    return jax.tree.unflatten(
        tree, [x + 0.3 * jax.random.normal(k, x.shape) for x, k in zip(leaves, keys)]
    )


@partial(jax.jit, static_argnames="method")
def states(variables, batch, method="encode_masked"):
    return MODEL.apply(variables, batch, method=method)


def hidden_at(batch, row, column):
    """Hide one item, and answer at all columns."""
    return batch.replace(history=batch.history.at[row, column].set(0), queries=EVERY)


def test_a_hidden_item_is_not_seen(variables):
    """Whatever items are hidden, what is answered at their columns is the same."""
    masked = hide(BATCH, 0.4, 0.2, KEY)
    asked = (masked.weights > 0)[..., None]
    before = jnp.where(asked, states(variables, masked), 0)
    hidden = BATCH.where & (masked.history == 0)
    changed = BATCH.replace(target=jnp.where(hidden, 29, BATCH.target))
    again = hide(changed, 0.4, 0.2, KEY)
    np.testing.assert_array_equal(again.queries, masked.queries)
    assert (again.target != masked.target).sum() > 3
    np.testing.assert_array_equal(jnp.where(asked, states(variables, again), 0), before)
    shown = BATCH.replace(target=jnp.where(hidden, BATCH.target, 29 * BATCH.where))
    moved = jnp.where(asked, states(variables, hide(shown, 0.4, 0.2, KEY)), 0) - before
    assert jnp.abs(moved).max() > 1e-3


def test_a_hidden_event_sees_both_sides_of_its_segment_and_nothing_else(variables):
    batch = hidden_at(BATCH, 0, 3)
    before = states(variables, batch)[0, 3]
    for column in range(8):
        after = states(variables, batch.replace(history=batch.history.at[0, column].add(9)))
        moves = jnp.abs(after[0, 3] - before).max() > 1e-4
        assert moves == (column in (2, 3, 4))  # 3: it is then no longer hidden


def test_packed_segments_answer_as_padded_ones(variables):
    masked = hide(BATCH, 0.4, 0.2, KEY).replace(queries=EVERY)
    packed = states(variables, masked)
    for columns in (slice(2, 5), slice(5, 7), slice(7, 8)):
        events = masked.history[0, columns]
        padding = 8 - len(events)
        alone = masked.replace(
            history=jnp.pad(events, (padding, 0))[None],
            where=(jnp.arange(8) >= padding)[None],
            segment_ids=(jnp.arange(8) >= padding).astype(jnp.int32)[None],
            queries=EVERY[:1],
        )
        found = states(variables, alone)[0, padding:]
        np.testing.assert_allclose(
            found, packed[0, columns], rtol=1e-4, atol=1e-5, err_msg=str(columns)
        )


def numpy_loss(variables, masked):
    """The softmax over all items at each hidden one, weighted: eight lines of NumPy."""
    params = variables["params"]
    table = np.asarray(params["item_vector"]["embedding"])[:31]
    bias = np.asarray(params["item_bias"]["embedding"])[:31, 0]
    total = 0.0
    for state, target, weight in zip(
        *(
            np.asarray(x).reshape(-1, *x.shape[2:])
            for x in (states(variables, masked), masked.target, masked.weights)
        )
    ):
        scores = table[1:] @ state[:-1] + bias[1:]
        if weight:
            total += weight * (np.log(np.exp(scores).sum()) - scores[target - 1])
    return total / float(masked.weights.sum())


@pytest.mark.parametrize(("fraction", "last_fraction"), [(0.2, 0.1), (0.6, 0.0), (1.0, 0.0)])
def test_the_loss_is_that_of_numpy(variables, fraction, last_fraction):
    objective = MaskedItems(fraction, last_fraction, chunk=4)
    loss, metrics = jax.jit(partial(objective, MODEL.apply))(variables, BATCH, KEY)
    masked = hide(BATCH, fraction, last_fraction, jax.random.split(KEY)[0])
    assert metrics == {}
    assert loss == pytest.approx(numpy_loss(variables, masked), rel=1e-4)


def test_no_weight_no_loss_and_no_gradient(variables):
    batch = BATCH.replace(weights=jnp.zeros_like(BATCH.weights))

    def loss(variables):
        return MaskedItems()(MODEL.apply, variables, batch, KEY)[0]

    value, gradient = jax.jit(jax.value_and_grad(loss))(variables)
    assert value == 0
    assert all(jnp.all(g == 0) for g in jax.tree.leaves(gradient))


def test_padding_and_mask_leave_the_padding_item_alone(variables):
    def loss(variables):
        return MaskedItems(0.5)(MODEL.apply, variables, BATCH, KEY)[0]

    gradient = jax.jit(jax.grad(loss))(variables)["params"]
    assert not gradient["item_vector"]["embedding"][0].any()
    assert gradient["mask"].any()


@pytest.mark.parametrize("shown", [5, 7, 8])
def test_a_question_ends_with_a_mask(variables, shown):
    """Up to seven events and [MASK] are read; what is older is not."""
    history = jnp.arange(11, 11 + shown, dtype=jnp.int32)[None]
    where = jnp.ones((1, shown), bool)
    batch = random_batch(1, shown).replace(
        history=history,
        where=where,
        segment_ids=where.astype(jnp.int32),
        queries=jnp.full((1, 1), shown - 1, jnp.int32),
    )
    found = states(variables, batch, "encode_user")
    kept = min(shown, 7)
    where = jnp.arange(8)[None] >= 7 - kept
    masked = batch.replace(
        history=jnp.pad(history[:, -kept:], ((0, 0), (7 - kept, 1))),
        where=where,
        segment_ids=where.astype(jnp.int32),
        queries=jnp.full((1, 1), 7, jnp.int32),
    )
    np.testing.assert_allclose(found, states(variables, masked), rtol=1e-4, atol=1e-5)


def test_an_answer_after_an_event_sees_nothing_later(variables):
    before = states(variables, BATCH.replace(queries=EVERY), "encode_user")
    assert before.shape == (3, 8, 9)
    changed = BATCH.replace(queries=EVERY, history=BATCH.history.at[1, 5:].set(7))
    after = states(variables, changed, "encode_user")
    np.testing.assert_allclose(after[1, :5], before[1, :5], rtol=1e-5, atol=1e-6)
    assert jnp.abs(after[1, 5:] - before[1, 5:]).max() > 0.01
    # And segments do not see each other.
    changed = BATCH.replace(queries=EVERY, history=BATCH.history.at[0, 2:5].set(7))
    after = states(variables, changed, "encode_user")
    np.testing.assert_allclose(after[0, 5:], before[0, 5:], rtol=1e-5, atol=1e-6)


def test_the_score_is_an_inner_product_with_a_bias(variables):
    user = states(variables, hidden_at(BATCH, 1, 4))
    items = BATCH.catalogue.items.take(jnp.arange(31))
    item = MODEL.apply(variables, items, method="encode_item")
    scores = MODEL.apply(variables, user, item, method="score")
    params = variables["params"]
    names = "item_vector", "item_bias"
    table, bias = (np.asarray(params[name]["embedding"][:31]) for name in names)
    expected = np.einsum("bqd,nd->bqn", np.asarray(user)[..., :-1], table) + bias[:, 0]
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


def test_bad_sizes_and_fractions_are_refused(variables):
    with pytest.raises(InputError, match=r"num_heads is 3; give a divisor of model.embed_dim, 8"):
        dataclasses.replace(CONFIG, num_heads=3).build(Spec(3, 9, 8))
    shorter = dataclasses.replace(CONFIG, history_length=6).build(Spec(8, 30, 8))
    with pytest.raises(InputError, match=r"show 8 events, but model.history_length is 6"):
        shorter.apply(variables, BATCH, method="encode_masked")
    with pytest.raises(InputError, match=r"mask_fraction is 0; give a number above 0"):
        MaskedItems(mask_fraction=0)
    with pytest.raises(InputError, match=r"last_fraction is 1.5; give a number from 0 to 1"):
        MaskedItems(last_fraction=1.5)


def test_whole_sequences_are_for_objectives_that_hide_them():
    batches = PackedSequences(whole=True)
    Config(DataConfig(), CONFIG, MaskedItems(), batches)
    with pytest.raises(InputError, match="show the model every item that it must name"):
        Config(DataConfig(), CONFIG, FullSoftmax(), batches)


def cycle():
    """Users who walk around a circle of 20 items, each from a place of its own, 10 to 15 steps."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(10, 16, 100)
    user = np.repeat(np.arange(1, 101), lengths)
    step = np.arange(len(user)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    item = (np.repeat(rng.integers(0, 20, 100), lengths) + step) % 20 + 1
    events = Interactions.build(user, item, np.ones(len(user)), np.arange(len(user)), order="time")
    return prepare(Dataset("cycle", events), DataConfig(split=LeaveOneOut()), 0)


def test_what_is_certain_is_learnt_under_the_masks_and_for_what_comes_next():
    """Each item has one successor: the two ways to ask, which share no code, are both right."""
    prepared = cycle()
    events = prepared.split.train
    data = resident(prepared, events)
    config = BERT4RecConfig(embed_dim=32, num_layers=1, num_heads=1, dropout=0, history_length=16)
    model = config.build(make_spec(Config(DataConfig(), config), prepared, data))
    batches = PackedSequences(batch_size=16, length=16, whole=True).build(events, data, 0)
    tx = Adam(learning_rate=3e-3).build(STEPS)
    mesh = make_mesh(devices=jax.devices()[:1])
    state = create(model, tx, batches, KEY, mesh, ema=False)
    train = make_train_steps(model, MaskedItems(), tx, batches.batch_at, KEY, mesh)
    state, _ = train(state, batches.data, jnp.int32(STEPS))
    variables = state.variables()

    batch = jax.jit(batches.batch_at)(batches.data, jnp.int32(0))
    masked = hide(batch, 0.2, 0.1, KEY)

    def name(model):
        user = model.encode_masked(masked)
        return model.score(user, model.encode_item(masked.catalogue.items))[..., 1:].argmax(-1) + 1

    found = jax.jit(partial(model.apply, method=name))(variables)
    asked = masked.weights > 0
    assert (found == masked.target)[asked].mean() > 0.9

    users = jnp.asarray(prepared.split.validation.user)
    scores = scores_of_model(model, variables, question(data, users, 16))[:, 0, 1:]
    assert (scores.argmax(-1) + 1 == prepared.split.validation.item).mean() > 0.95
