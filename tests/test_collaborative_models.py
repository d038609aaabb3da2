"""Models without order, of learned similarities and towers: the contracts, and more."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec import retrieval
from jaxrec.data.batches import PackedSequences, Pairs, Sequences
from jaxrec.encoders.id import Ids
from jaxrec.errors import InputError
from jaxrec.learned_similarity import MixtureOfLogits, Weighted
from jaxrec.models.deep_rec import DeepRecConfig
from jaxrec.models.mol import MoLConfig
from jaxrec.models.neumf import NeuMFConfig
from jaxrec.models.two_tower import TwoTowerConfig
from jaxrec.models.youtube_dnn import YouTubeDNNConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import BinaryCrossEntropy, FullSoftmax, InBatchSoftmax, SampledSoftmax
from jaxrec.retrieval import model_scorer
from jaxrec.typing import Spec
from tests.contracts import ModelContract, eight_devices_later, random_batch


@pytest.mark.slow
class TestDeepRecWeighted(ModelContract):
    config = DeepRecConfig(embed_dim=8, feature_dim=4, hidden_dims=(16,), similarity=Weighted())
    objective = BinaryCrossEntropy(Uniform(3))


class TestNeuMF(ModelContract):
    config = NeuMFConfig(factors=4, embed_dim=8, hidden_dims=(16, 8), dropout=0.1)
    objective = BinaryCrossEntropy(Uniform(3))
    test_eight_devices_give_the_loss_of_one = eight_devices_later


TOWERS = {"embed_dim": 8, "feature_dim": 4, "hidden_dims": (16,), "history_length": 16}


class TestTwoTower(ModelContract):
    config = TwoTowerConfig(**TOWERS, ids=Ids(unknown=0.5))
    objective = InBatchSoftmax()
    batches = Pairs(batch_size=64, history_length=16, around=True)


@pytest.mark.slow
class TestTwoTowerHashed(ModelContract):
    config = TwoTowerConfig(**TOWERS, ids=Ids(rows=40, weighted=True), user_ids=False)
    objective = SampledSoftmax(Uniform(8))
    batches = Sequences(batch_size=16, length=16)


@pytest.mark.slow
class TestTwoTowerPacked(ModelContract):
    config = TwoTowerConfig(**{**TOWERS, "history_length": 30})
    objective = FullSoftmax(chunk=50)
    batches = PackedSequences(batch_size=8, length=30)


class TestYouTubeDNN(ModelContract):
    config = YouTubeDNNConfig(**TOWERS)
    objective = SampledSoftmax(Uniform(8))
    batches = Pairs(batch_size=64, history_length=16)
    test_eight_devices_give_the_loss_of_one = eight_devices_later


@pytest.mark.slow
class TestYouTubeDNNPacked(ModelContract):
    config = YouTubeDNNConfig(**{**TOWERS, "history_length": 30}, tied=True)
    objective = FullSoftmax(chunk=50)
    batches = PackedSequences(batch_size=8, length=30)


class TestMoL(ModelContract):
    config = MoLConfig(
        **{**TOWERS, "history_length": 0},
        similarity=MixtureOfLogits(2, 2, part_dim=4, gate_dim=8, temperature=0.1),
    )
    objective = SampledSoftmax(Uniform(8))
    test_eight_devices_give_the_loss_of_one = eight_devices_later


@pytest.mark.parametrize(
    "config", [TwoTowerConfig(**TOWERS, user_ids=False), YouTubeDNNConfig(**TOWERS)], ids=str
)
def test_pairs_ask_what_packed_and_padded_sequences_ask(config):
    """The same histories, two in a row, and each alone: the answers are the same."""
    model = config.build(Spec(8, 20, 16))
    encode = jax.jit(functools.partial(model.apply, method="encode_user"))
    batch = random_batch(size=2, length=6)
    there = jnp.ones((2, 6), bool)
    history = jax.random.randint(jax.random.key(1), (2, 6), 1, 21)
    alone = batch.replace(history=history, where=there, segment_ids=there.astype(jnp.int32))
    variables = jax.jit(functools.partial(model.init, method="predict"))(jax.random.key(0), alone)
    packed = jax.tree.map(lambda x: x[:1], batch.replace(catalogue=None)).replace(
        catalogue=batch.catalogue,
        history=history.reshape(1, 12),
        where=there.reshape(1, 12),
        segment_ids=jnp.repeat(jnp.array([[1, 2]], jnp.int32), 6, axis=1),
        queries=jnp.arange(12, dtype=jnp.int32)[None],
    )
    every = encode(variables, alone)
    found = encode(variables, packed)
    np.testing.assert_allclose(found.reshape(every.shape), every, rtol=1e-5, atol=1e-6)
    last = alone.replace(queries=jnp.full((2, 1), 5, jnp.int32))
    pair = encode(variables, last)
    np.testing.assert_allclose(pair[:, 0], every[:, 5], rtol=1e-5, atol=1e-6)
    assert jnp.abs(every[:, 5] - every[:, 0]).max() > 0.001


@pytest.mark.parametrize("config", [TestNeuMF.config, TestMoL.config], ids=["neumf", "mol"])
def test_a_full_ranking_in_blocks_gives_what_pairs_do(config, monkeypatch):
    monkeypatch.setattr(retrieval, "BLOCK_BYTES", 8 * 8 * 4 * 7)  # of some seven items
    model, batch = config.build(Spec(8, 20, 0)), random_batch(size=8, length=1)
    variables = jax.jit(functools.partial(model.init, method="predict"))(jax.random.key(0), batch)

    def moved(x):
        return x + 0.1 * jnp.cos(jnp.arange(x.size, dtype=jnp.float32)).reshape(x.shape)

    variables = jax.tree.map(moved, variables)
    scorer = model_scorer(model)
    ranking = jax.jit(scorer.scores).lower(variables, batch)
    assert "while" in ranking.as_text(), "the items stand in several blocks"
    scores = ranking.compile()(variables, batch)
    predict = jax.jit(scorer.predict)
    for item in (1, 7, 8, 20):
        asked = batch.replace(target=jnp.full_like(batch.target, item))
        np.testing.assert_allclose(predict(variables, asked), scores[:, item], rtol=1e-4, atol=1e-5)
    assert scores[:, 1:].std(axis=1).min() > 1e-3


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (NeuMFConfig(factors=0), "factors is 0, .*; give each a width from 1 on"),
        (YouTubeDNNConfig(history_length=0), "history_length is 0; give a whole number from 1 on"),
        (TwoTowerConfig(user_ids=False, history_length=0), "user_ids is off, .*; turn it on"),
    ],
)
def test_bad_sizes_are_refused(config, message):
    with pytest.raises(InputError, match=message):
        config.build(Spec(3, 20, 6))
