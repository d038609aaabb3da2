"""What every model and every baseline must keep; a test class inherits it and names its config.

The data is a checkerboard: users and items are even or odd, and meet only their own kind.
"""

import dataclasses
import functools
import io
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from jaxrec.checkpoint import restore, save_once
from jaxrec.data.batches import Pairs
from jaxrec.data.histories import longest
from jaxrec.data.interactions import Dataset, Interactions
from jaxrec.data.prepare import Prepared
from jaxrec.data.resident import question, resident
from jaxrec.data.splits import Split
from jaxrec.optimizer import Adam
from jaxrec.retrieval import rebuild
from jaxrec.sharding import make_mesh, replicate
from jaxrec.train_state import create
from jaxrec.train_step import make_train_steps
from jaxrec.typing import CSR, Batch, Catalogue, FeatureSpec, Items, Spec

USERS, ITEMS = 64, 20


@functools.cache
def checkerboard() -> Prepared:
    """Events of even users with even items and of odd with odd, of which a third stay unmet."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(1, USERS + 1), 12)
    items = 2 * rng.integers(1, ITEMS // 2 + 1, len(users)) - users % 2
    time = np.arange(len(users))
    train = Interactions.build(users, items, 1 + (items > ITEMS // 2), time, order="time")
    assert len(train.users) == USERS
    assert len(train.items) == ITEMS
    nothing = train.take(np.arange(0))
    kind = FeatureSpec("kind", "categorical", 4)
    tags = FeatureSpec("tags", "multi_categorical", 4)
    title = FeatureSpec("title", "tokens", 8)
    age = FeatureSpec("age", "numeric", 2)
    of_users = np.arange(USERS + 1, dtype=np.int32)
    of_items = np.arange(ITEMS + 1, dtype=np.int32)
    return Prepared(
        Dataset("checkerboard", train),
        Split(train, nothing, nothing),
        (kind, age),
        (kind, tags, title),
        {
            "kind": np.where(of_users > 0, 2 + of_users % 2, 0).astype(np.int32),
            "age": np.stack([of_users / USERS, of_users > 0], 1).astype(np.float32),
        },
        {
            "kind": np.where(of_items > 0, 2 + of_items % 2, 0).astype(np.int32),
            "tags": np.stack([of_items % 4, np.zeros_like(of_items)], 1).astype(np.int32),
            "title": np.where(
                of_items[:, None] > 0, 2 + (of_items[:, None] // [1, 4, 16]) % 6, 0
            ).astype(np.int32),
        },
        [],
    )


def spec_of(prepared: Prepared) -> Spec:
    """Describe the data to a model."""
    known = resident(prepared, prepared.split.train)
    return Spec(
        num_users=len(prepared.split.train.users),
        num_items=len(prepared.split.train.items),
        max_length=ITEMS,
        user_features=prepared.user_specs,
        item_features=prepared.item_specs,
        item_counts=np.asarray(known.catalogue.counts),
        positives=known.catalogue.positives,
    )


def random_batch(size: int = 8, length: int = 6, num_items: int = 20, seed: int = 0) -> Batch:
    """A batch without features, with an answer asked after each event of the histories."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, length + 1, size)
    where = np.arange(length)[None, :] >= length - lengths[:, None]
    item = np.where(where, rng.integers(1, num_items + 1, where.shape), 0).astype(np.int32)
    target = np.where(where, rng.integers(1, num_items + 1, where.shape), 0).astype(np.int32)
    owned = [np.sort(rng.permutation(num_items)[:5] + 1) for _ in range(size)]
    indptr = np.concatenate([[0, 0], np.cumsum([len(own) for own in owned])]).astype(np.int32)
    positives = CSR(jnp.asarray(indptr), jnp.asarray(np.concatenate(owned), jnp.int32))
    counts = np.bincount(np.concatenate(owned), minlength=num_items + 1).astype(np.float32)
    items = Items(jnp.arange(num_items + 1, dtype=jnp.int32), {})
    return Batch(
        user=jnp.arange(1, size + 1, dtype=jnp.int32),
        history=jnp.asarray(item),
        where=jnp.asarray(where),
        segment_ids=jnp.asarray(where, jnp.int32),
        queries=jnp.broadcast_to(jnp.arange(length, dtype=jnp.int32)[None, :], (size, length)),
        target=jnp.asarray(target),
        value=jnp.asarray(where, jnp.float32),
        weights=jnp.asarray(where, jnp.float32),
        user_features={},
        context={},
        catalogue=Catalogue(items, jnp.asarray(counts), positives),
    )


def kinds_told_apart(scores: np.ndarray, prepared: Prepared) -> float:
    """How often, on average, an unmet item of the user's kind is above one of the other."""
    users = np.arange(1, USERS + 1)
    met = np.zeros((USERS + 1, ITEMS + 1), bool)
    met[prepared.split.train.user, prepared.split.train.item] = True
    right = []
    for user in users:
        own = (np.arange(ITEMS + 1) % 2 == user % 2) & ~met[user]
        own[0] = False
        other = np.arange(ITEMS + 1) % 2 != user % 2
        other[0] = False
        if own.any():
            right.append((scores[user - 1][own][:, None] > scores[user - 1][other][None, :]).mean())
    return float(np.mean(right))


# One program each, where eager operations would be compiled one at a time. Models are told apart by
# their spec.
@functools.partial(jax.jit, static_argnums=0)
def init(model, key, batch):
    """Variables of a model, drawn."""
    return model.init(key, batch, method="predict")


@functools.partial(jax.jit, static_argnums=0)
def scores_of_model(model, variables, batch, ids=None):
    """The scores of the whole catalogue, or of each query's candidates."""

    def ask(model, batch):
        items = batch.catalogue.items
        user = model.encode_user(batch)
        return model.score(user, model.encode_item(items if ids is None else items.take(ids)))

    return model.apply(variables, batch, method=ask)


@functools.partial(jax.jit, static_argnums=(0, 1))
def loss_of(objective, model, variables, batch, key):
    return objective(model.apply, variables, batch, key)[0]


@jax.jit
def scores_of(state, batch, ids=None):
    """The scores of a baseline."""
    return state.scores(batch) if ids is None else state.scores(batch, ids)


def some_ids():
    """Three items to score for each user, and for one who is unknown."""
    return jnp.asarray(np.random.default_rng(1).integers(1, ITEMS + 1, (USERS + 1, 3)), jnp.int32)


def _round_trip(tree: Any) -> Any:
    """Write arrays into a file as NumPy does, and read them back."""
    flat = traverse_util.flatten_dict(tree, sep="/")
    file = io.BytesIO()
    np.savez(file, **flat)
    file.seek(0)
    with np.load(file) as saved:
        return traverse_util.unflatten_dict(dict(saved), sep="/")


class ModelContract:
    """Inherit as `class TestX(ModelContract)` and set the class variables."""

    config: ClassVar[Any]
    objective: ClassVar[Any]
    batches: ClassVar[Any] = Pairs(batch_size=64)
    optimizer: ClassVar[Any] = Adam(learning_rate=1e-2)
    steps: ClassVar[int] = 100

    @classmethod
    def start(cls, mesh, steps):
        """A state and the function that trains it, as train.py makes them."""
        prepared = checkerboard()
        model = cls.config.build(spec_of(prepared))
        events = prepared.split.train
        batches = cls.batches.build(events, resident(prepared, events), 0)
        batches = dataclasses.replace(batches, data=replicate(batches.data, mesh))
        tx = cls.optimizer.build(steps)
        init_key, key = jax.random.split(jax.random.key(0))
        state = create(model, tx, batches, init_key, mesh, ema=False)
        train = make_train_steps(model, cls.objective, tx, batches.batch_at, key, mesh)
        return model, batches, state, train

    @classmethod
    def losses(cls, state, batches, train):
        """Take three steps; their losses and the state after them."""
        found = []
        for _ in range(3):
            state, metrics = train(state, batches.data, jnp.int32(1))
            assert metrics["nonfinite_step"] == -1
            found.append(float(metrics["loss"]))
        return found, state

    # One compilation serves the first steps, which eight devices must repeat, and all others.
    @pytest.fixture(scope="class")
    @classmethod
    def alone(cls):
        model, batches, state, train = cls.start(make_mesh(devices=jax.devices()[:1]), cls.steps)
        first, state = cls.losses(state, batches, train)
        state, metrics = train(state, batches.data, jnp.int32(cls.steps - len(first)))
        assert metrics["nonfinite_step"] == -1
        batch = jax.jit(batches.batch_at)(batches.data, jnp.int32(0))
        return model, batch, state.variables(), first

    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls, alone):
        model, batch, variables, _ = alone
        return model, batch, variables

    def asked(self, length=None):
        """The question for every user, and for one who is unknown."""
        prepared = checkerboard()
        known = resident(prepared, prepared.split.train)
        own = self.config.history_length
        own = longest(known.histories) + 4 if own is None else own
        return question(
            known, jnp.arange(USERS + 1, dtype=jnp.int32), own if length is None else length
        )

    def test_shapes_and_finite(self, trained):
        model, batch, variables = trained
        size, queries = batch.target.shape
        scores = scores_of_model(model, variables, batch)
        assert scores.shape == (size, queries, ITEMS + 1)
        assert scores.dtype == jnp.float32
        predicted = jax.jit(functools.partial(model.apply, method="predict"))(variables, batch)
        assert predicted.shape == (size,)
        assert jnp.all(jnp.isfinite(scores[:, :, 1:]))
        own = jnp.take_along_axis(scores[:, -1], batch.target[:, -1:], -1)[:, 0]
        np.testing.assert_allclose(predicted, own, rtol=1e-4, atol=1e-5)

    def test_candidates_score_as_in_the_catalogue(self, trained):
        model, _, variables = trained
        batch = self.asked()
        ids = some_ids()
        found = scores_of_model(model, variables, batch, ids)[:, 0]
        whole = scores_of_model(model, variables, batch)[:, 0]
        np.testing.assert_allclose(found, jnp.take_along_axis(whole, ids, 1), rtol=1e-4, atol=1e-5)

    def test_a_checkerboard_is_learnt(self, trained):
        model, _, variables = trained
        scores = scores_of_model(model, variables, self.asked())[1:, 0]
        assert kinds_told_apart(np.asarray(scores), checkerboard()) > 0.95

    def test_an_unknown_user_gets_finite_scores(self, trained):
        model, _, variables = trained
        assert jnp.all(jnp.isfinite(scores_of_model(model, variables, self.asked())[0]))

    def test_padding_is_ignored(self, trained):
        model, _, variables = trained
        batch = self.asked()
        garbage = batch.replace(history=jnp.where(batch.where, batch.history, 3))
        expected = scores_of_model(model, variables, batch)
        np.testing.assert_allclose(
            scores_of_model(model, variables, garbage)[1:], expected[1:], rtol=1e-4, atol=1e-5
        )
        if self.config.history_length != 0:
            shorter = longest(resident_histories())
            np.testing.assert_allclose(
                scores_of_model(model, variables, self.asked(shorter))[1:],
                expected[1:],
                rtol=1e-4,
                atol=1e-5,
            )

    def test_examples_of_weight_0_do_not_count(self, trained):
        model, batch, variables = trained
        off = batch.replace(weights=batch.weights.at[1:].set(0.0))
        changed = off.replace(
            target=off.target.at[1:].set(1),
            user=off.user.at[1:].set(2),
            value=off.value.at[1:].set(9.0),
        )
        key = jax.random.key(0)
        first, second = (
            loss_of(self.objective, model, variables, asked, key) for asked in (off, changed)
        )
        np.testing.assert_allclose(first, second, rtol=1e-5)

    def test_a_saved_model_gives_the_same_answers(self, trained):
        model, _, variables = trained
        batch = self.asked()
        placed = jax.tree.map(lambda x: x.sharding, variables)
        restored = jax.device_put(_round_trip(variables), placed)
        np.testing.assert_array_equal(
            scores_of_model(model, restored, batch), scores_of_model(model, variables, batch)
        )

    def test_eight_devices_give_the_loss_of_one(self, alone):
        _, batches, state, train = self.start(make_mesh(model=2), self.steps)
        together, state = self.losses(state, batches, train)
        np.testing.assert_allclose(together, alone[-1], rtol=1e-5)
        flat = traverse_util.flatten_dict(state.params, sep="/")
        tables = [x for path, x in flat.items() if path.endswith("embedding")]
        assert tables
        for table in tables:
            assert table.addressable_shards[0].data.shape[0] == table.shape[0] // 2


@pytest.mark.slow
def eight_devices_later(self, alone):
    """That test, for a model whose tables and layers are those of others that have it quick."""
    ModelContract.test_eight_devices_give_the_loss_of_one(self, alone)


class BaselineContract:
    """Inherit as `class TestX(BaselineContract)` and set the class variables."""

    config: ClassVar[Any]
    personal: ClassVar[bool] = True

    @pytest.fixture(scope="class")
    @classmethod
    def state(cls):
        return cls.config.fit(checkerboard().split.train)

    def asked(self, extra=0):
        prepared = checkerboard()
        known = resident(prepared, prepared.split.train)
        length = self.config.history_length
        length = longest(known.histories) if length is None else length
        return question(known, jnp.arange(USERS + 1, dtype=jnp.int32), length + extra)

    def test_shapes_and_finite(self, state):
        scores = scores_of(state, self.asked())
        assert scores.shape == (USERS + 1, ITEMS + 1)
        assert scores.dtype == jnp.float32
        assert jnp.all(jnp.isfinite(scores))

    def test_candidates_score_as_in_the_catalogue(self, state):
        batch = self.asked()
        ids = some_ids()
        expected = jnp.take_along_axis(scores_of(state, batch), ids, 1)
        np.testing.assert_allclose(scores_of(state, batch, ids), expected, rtol=1e-5, atol=1e-6)

    def test_a_checkerboard_is_learnt(self, state):
        if not self.personal:
            pytest.skip("the same list for everyone cannot tell users apart")
        scores = np.asarray(scores_of(state, self.asked())[1:])
        assert kinds_told_apart(scores, checkerboard()) > 0.95

    def test_predictions_are_the_scores_of_pairs_and_follow_the_ratings(self, state):
        if not hasattr(state, "predict"):
            pytest.skip("it predicts no ratings")
        batch = self.asked()
        scores = np.asarray(scores_of(state, batch))
        predict = jax.jit(lambda state, batch: state.predict(batch))
        for item in (1, ITEMS // 2, ITEMS):
            target = jnp.full((USERS + 1, 1), item, jnp.int32)
            found = predict(state, batch.replace(target=target))
            np.testing.assert_allclose(found, scores[:, item], rtol=1e-5, atol=1e-6)
        # Items of the second half were rated 2, others 1.
        low, high = scores[1:, 1 : ITEMS // 2 + 1], scores[1:, ITEMS // 2 + 1 :]
        assert high.mean() - low.mean() > 0.3

    def test_padding_is_ignored(self, state):
        batch, longer = self.asked(), self.asked(extra=5)
        np.testing.assert_allclose(
            scores_of(state, longer), scores_of(state, batch), rtol=1e-5, atol=1e-6
        )

    def test_a_saved_state_gives_the_same_answers(self, state, tmp_path):
        save_once(tmp_path, state)
        restored = rebuild(self.config.state, restore(tmp_path, 0, print))
        batch = self.asked()
        np.testing.assert_array_equal(scores_of(restored, batch), scores_of(state, batch))


def resident_histories() -> CSR:
    """The checkerboard's histories."""
    prepared = checkerboard()
    return resident(prepared, prepared.split.train).histories
