import dataclasses
import functools
import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.augmentation import Crop, Insert, Mask, Reorder, Substitute, augment
from jaxrec.config import from_json, load_config, override, to_json
from jaxrec.data.batches import PackedSequences
from jaxrec.errors import InputError
from jaxrec.models.bag import BagConfig
from jaxrec.models.bert4rec import BERT4RecConfig
from jaxrec.models.caser import CaserConfig
from jaxrec.models.gru4rec import GRU4RecConfig
from jaxrec.models.sasrec import SASRecConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import Bpr, FullSoftmax, MaskedItems
from jaxrec.optimizer import Adam
from jaxrec.regularisation import L2Penalty
from jaxrec.typing import Spec
from jaxrec.views import SameTarget, Views, another, info_nce, last_events
from tests.contracts import ModelContract, random_batch

KEY = jax.random.key(3)
BATCH = random_batch(size=6, length=5)
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


def test_the_same_key_gives_the_same_views_and_another_one_others():
    def choose(batch, key):
        return augment(batch, tuple(ALL), key)

    first, second = many(choose), many(choose)
    np.testing.assert_array_equal(first, second)
    assert len(np.unique(first[0], axis=0)) > 300
    np.testing.assert_array_equal(augment(packed(), (), KEY).history, ITEMS)


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
