import dataclasses
import functools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.augmentation import Crop, Insert, Mask, Reorder, Substitute
from jaxrec.config import from_json, load_config, override, to_json
from jaxrec.data.batches import PackedSequences
from jaxrec.errors import InputError
from jaxrec.models.bag import BagConfig
from jaxrec.models.bert4rec import BERT4RecConfig
from jaxrec.models.caser import CaserConfig
from jaxrec.models.gru4rec import GRU4RecConfig
from jaxrec.models.sasrec import SASRecConfig
from jaxrec.negatives import InBatch, Mixed
from jaxrec.objectives import Bpr, FullSoftmax, MaskedItems
from jaxrec.optimizer import Adam
from jaxrec.regularisation import L2Penalty
from jaxrec.typing import Spec
from jaxrec.views import SameTarget, Views, another, info_nce, last_events
from tests.contracts import ModelContract, random_batch
from tests.test_augmentation import ALL, KEY, PARTS, many, packed

BATCH = random_batch(size=6, length=5)


def test_last_events_are_found_as_many_for_each_row():
    batch = packed()
    every = [[4, 9], [9], [0, 3, 9], []]
    queries, where = last_events(batch, 40, KEY)
    np.testing.assert_array_equal(queries, np.broadcast_to(np.arange(10), (4, 10)))
    for row, columns in enumerate(every):
        assert np.flatnonzero(where[row]).tolist() == columns
    seen = set()
    ask = jax.jit(jax.vmap(partial(last_events, batch, 7)))  # two for each row
    for queries, where in zip(*map(np.asarray, ask(jax.random.split(KEY, 50))), strict=True):
        assert queries.shape == (4, 2)
        found = [q[w].tolist() for q, w in zip(queries, where, strict=True)]
        assert [len(x) for x in found] == [2, 1, 2, 0]
        assert found[0] == every[0]
        assert found[1] == every[1]
        seen.add(tuple(found[2]))
    assert seen == {(0, 3), (0, 9), (3, 9)}
    light = batch.replace(weights=batch.weights.at[2].set(0.0))
    assert not last_events(light, 40, KEY)[1][2].any()


@pytest.mark.parametrize("grouped", [False, True])
def test_info_nce_is_five_lines_of_numpy(grouped):
    first, second = jax.random.normal(KEY, (2, 6, 4))
    where = jnp.array([True, True, False, True, True, True])
    group = jnp.array([7, 8, 8, 7, 9, 3]) if grouped else None
    ask = jax.jit(info_nce, static_argnames="temperature")
    found = ask(first, second, where, temperature=0.5, group=group)
    z, total = np.concatenate([first, second]), []
    apart = np.tile(np.arange(6) if group is None else np.asarray(group), 2)
    for i in (i for i in range(12) if where[i % 6]):
        others = [j for j in range(12) if where[j % 6] and apart[j] != apart[i]]
        odds = np.exp(z[[(i + 6) % 12, *others]] @ z[i] / 0.5)
        total.append(-np.log(odds[0] / odds.sum()))
    assert found == pytest.approx(np.mean(total), rel=1e-5)


def test_what_does_not_count_has_no_gradient():
    ask = jax.jit(jax.value_and_grad(info_nce, (0, 1)))
    first, second = jax.random.normal(KEY, (2, 6, 4))
    where = jnp.array([True, True, False, True, False, True])
    for slope in ask(first, second, where)[1]:
        np.testing.assert_array_equal(jnp.abs(slope).sum(1) > 0, where)
    loss, slopes = ask(first, second, jnp.zeros(6, bool))
    assert loss == 0
    assert not any(jnp.any(slope != 0) for slope in slopes)


def test_another_is_any_other_of_the_same_label():
    label = jnp.array([4, 2, 4, 7, 2, 4, 0], jnp.int32)
    found = np.asarray(jax.vmap(partial(another, label))(jax.random.split(KEY, 300)))
    for at, others in enumerate([{2, 5}, {4}, {0, 5}, {3}, {1}, {0, 2}, {6}]):
        assert {*found[:, at].tolist()} == others
    assert np.mean(found[:, 0] == 2) == pytest.approx(0.5, abs=0.1)


@dataclasses.dataclass(frozen=True)
class Nothing:
    """A loss that is the same whatever the model, so that what goes around it is all."""

    def __call__(self, apply, variables, batch, key):
        return jnp.float32(2), {"main": jnp.float32(2)}


def known(vectors, batch, train, *, method, rngs, mutable):
    """Answer as a model would whose states are `vectors` [batch, length, dim]; there is a dropout
    where they are of that kind."""
    assert train
    assert method == "encode_user"
    if isinstance(vectors, dict):
        noise = jax.random.normal(rngs["dropout"], vectors["noisy"].shape)
        vectors = vectors["noisy"] + noise
    return jnp.take_along_axis(vectors, batch.queries[..., None], axis=1), {}


@partial(jax.jit, static_argnums=0)
def run(objective, vectors, batch=BATCH):
    """The loss, the metrics and the gradient for what `known` answers with."""

    def loss(vectors):
        return objective(known, vectors, batch, KEY)

    (loss_, metrics), slope = jax.value_and_grad(loss, has_aux=True)(vectors)
    return loss_, metrics, slope


VECTORS = jax.random.normal(KEY, (6, 5, 4))


def test_views_are_added_to_the_loss_and_encoded_after_the_last_event():
    objective = Views(Nothing(), views=(), share=0.5, temperature=2.0, num_sequences=6)
    loss, metrics, slope = run(objective, VECTORS)
    last, there = VECTORS[:, -1], BATCH.where.any(1)
    expected = info_nce(last, last, there, temperature=2.0)
    assert metrics["main"] == 2
    assert metrics["views"] == pytest.approx(float(expected), rel=1e-5)
    assert loss == pytest.approx(2 + 0.5 * float(expected), rel=1e-5)
    moved = jnp.any(slope != 0, axis=-1)
    np.testing.assert_array_equal(moved[:, -1], there)
    assert not jnp.any(moved[:, :-1])


def test_histories_with_the_same_target_are_pairs():
    """With two queries of each target, who the other one is, is known."""
    target = jax.random.permutation(KEY, jnp.arange(30) // 2 + 1).astype(jnp.int32)
    batch = BATCH.replace(target=target.reshape(6, 5), weights=jnp.ones((6, 5)))
    objective = SameTarget(Nothing(), share=0.5, temperature=3.0, num_sequences=30)
    loss, metrics, _ = run(objective, VECTORS, batch)
    label, user = np.asarray(target), VECTORS.reshape(30, 4)
    other = np.asarray(
        [np.flatnonzero((label == x) & (np.arange(30) != i))[0] for i, x in enumerate(label)]
    )
    every = jnp.ones(30, bool)
    expected = info_nce(user, user[other], every, temperature=3.0, group=target)
    assert metrics["main"] == 2
    assert metrics["same_target"] == pytest.approx(float(expected), rel=1e-5)
    assert loss == pytest.approx(2 + 0.5 * float(expected), rel=1e-5)


def test_queries_without_weight_are_in_no_pair():
    light = BATCH.replace(weights=BATCH.weights.at[:3].set(0.0))
    changed = light.replace(target=light.target.at[:3].set(9))
    objective = SameTarget(Nothing(), num_sequences=30)
    first, _, slope = run(objective, VECTORS, light)
    second, _, _ = run(objective, VECTORS.at[:3].set(7.0), changed)
    assert first == second
    assert first > 2
    np.testing.assert_array_equal(jnp.any(slope != 0, axis=-1), light.weights > 0)


def test_a_batch_of_weight_0_has_no_loss_and_no_gradient():
    batch = BATCH.replace(weights=jnp.zeros_like(BATCH.weights))
    loss, metrics, slope = run(Views(SameTarget(Nothing())), VECTORS, batch)
    assert loss == 2
    assert metrics["views"] == metrics["same_target"] == 0
    assert jnp.all(slope == 0)


@pytest.mark.parametrize("objective", [Views, SameTarget])
def test_two_passes_differ_by_dropout(objective):
    """Were they the same, a vector's product with itself would tell it from the others."""
    options = {"views": ()} if objective is Views else {}
    target = jnp.arange(1, 31, dtype=jnp.int32).reshape(6, 5)  # each is its own pair
    batch = BATCH.replace(target=target)
    objective = objective(Nothing(), temperature=0.05, **options)
    # Nothing but noise, of which the passes have none in common.
    loss, _, _ = run(objective, {"noisy": jnp.zeros((6, 5, 32))}, batch)
    assert loss > 2 + 0.1 * 10


def apart(batch):
    """The segments of a packed batch, each in a row of its own."""
    rows = []
    for row, number, _ in PARTS:
        items = np.asarray(batch.history[row])[np.asarray(batch.segment_ids[row]) == number]
        rows.append([0] * (10 - len(items)) + items.tolist())
    history = jnp.asarray(rows, jnp.int32)
    return random_batch(len(rows), 10, num_items=80).replace(
        history=history,
        where=history > 0,
        segment_ids=(history > 0).astype(jnp.int32),
        weights=(history > 0).astype(jnp.float32),
    )


@functools.cache
def bag():
    """A cheap model, and what it starts with."""
    model = BagConfig(embed_dim=8, dropout=0.0, history_length=10).build(Spec(6, 80, 10))
    return model, jax.jit(partial(model.init, method="predict"))(KEY, packed())


@partial(jax.jit, static_argnums=(0, 1))
def train(objective, model, variables, batch):
    """The loss of an objective and its gradient."""

    def loss(params):
        return objective(model.apply, {"params": params}, batch, KEY)[0]

    return jax.value_and_grad(loss)(variables["params"])


def test_views_of_packed_rows_are_those_of_rows_apart():
    model, variables = bag()
    objective = Views(Nothing(), views=(), num_sequences=12)
    together, _ = train(objective, model, variables, packed())
    one_each, _ = train(objective, model, variables, apart(packed()))
    assert together > 2.1
    assert together == pytest.approx(float(one_each), rel=1e-4)


def test_a_view_does_not_depend_on_its_neighbours():
    changed = packed()
    changed = changed.replace(history=changed.history.at[2, 1:4].set(50))
    for change in (Crop(0.6), Mask(0.5), Reorder(0.6)):
        first, second = many(change)[0], many(change, changed)[0]
        np.testing.assert_array_equal(first[:, 2, 4:], second[:, 2, 4:])


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [
        SASRecConfig(embed_dim=8, num_layers=1, history_length=10),
        GRU4RecConfig(embed_dim=8, history_length=10),
        CaserConfig(embed_dim=8, history_length=10),
        BERT4RecConfig(embed_dim=8, num_layers=1, history_length=10),
    ],
    ids=lambda config: type(config).__name__,
)
def test_any_model_of_histories_has_views(config):
    model = config.build(Spec(6, 80, 10))
    batch = packed() if not isinstance(config, BERT4RecConfig) else apart(packed())
    variables = jax.jit(partial(model.init, method="predict"))(KEY, batch)
    _, slope = train(Views(Nothing(), views=tuple(ALL)), model, variables, batch)
    slopes = jax.tree.leaves(slope)
    assert all(jnp.all(jnp.isfinite(x)) for x in slopes)
    assert any(jnp.any(x != 0) for x in slopes)


@pytest.mark.parametrize(("views", "learnt"), [((Mask(0.5),), True), ((Reorder(),), False)])
def test_a_mask_learns_row_0_and_others_do_not(views, learnt):
    _, slope = train(Views(Nothing(), views=views), *bag(), packed())
    rows = slope["read_vector"]["embedding"]
    assert bool(jnp.any(rows[0] != 0)) == learnt
    assert jnp.any(rows[1:] != 0)


def test_wrong_values_are_refused():
    for change in (Crop, Mask, Reorder, Substitute, Insert):
        with pytest.raises(InputError, match=f"fraction of {change.__name__} in objective.views"):
            change(1.5)
    for change, drawn in ((Substitute, InBatch()), (Insert, Mixed())):
        with pytest.raises(InputError, match=f"those of {type(drawn).__name__}, which draws targ"):
            change(drawn=drawn)
    with pytest.raises(InputError, match=r"objective\.views is 'crop'; give a tuple"):
        Views(views="crop")
    with pytest.raises(InputError, match="L2Penalty, which asks for items that the batch shows"):
        SameTarget(L2Penalty(MaskedItems()))
    with pytest.raises(InputError, match="show no history"):
        last_events(BATCH.replace(history=jnp.zeros((6, 0), jnp.int32)), 6, KEY)
    assert Views(MaskedItems()).hides_items
    assert not Views(Bpr()).hides_items


def test_a_config_keeps_its_views():
    config = load_config("beauty_cl4srec")
    assert from_json(to_json(config)) == config
    assert isinstance(config.objective, Views)
    changed = override(config, ["--objective.share", "0.3", "--objective.temperature", "0.5"])
    assert changed.objective == dataclasses.replace(config.objective, share=0.3, temperature=0.5)
    with pytest.raises(InputError, match=r"objective\.temperature is 0"):
        override(config, ["--objective.temperature", "0"])
    assert isinstance(load_config("ml1m_duorec").objective, SameTarget)


@pytest.mark.slow
class TestViews(ModelContract):
    config = SASRecConfig(embed_dim=16, num_layers=1, dropout=0.1, history_length=20)
    objective = Views(SameTarget(FullSoftmax(), num_sequences=32), num_sequences=32)
    batches = PackedSequences(batch_size=16, length=20)
    optimizer = Adam(learning_rate=1e-2)
    steps = 40
