"""Models and baselines keep the contracts (one variant each in `make test`), and more."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.alignment import DirectAU
from jaxrec.baselines.item_knn import ItemKNNConfig
from jaxrec.baselines.popularity import PopularityConfig
from jaxrec.constraints import GraphConstraints
from jaxrec.data.batches import PackedSequences, Pairs, Sequences
from jaxrec.errors import InputError
from jaxrec.margins import CosineContrastive, Warp
from jaxrec.models.bag import BagConfig
from jaxrec.models.bert4rec import BERT4RecConfig
from jaxrec.models.caser import CaserConfig
from jaxrec.models.comirec import ComiRecConfig
from jaxrec.models.deep_rec import DeepRecConfig
from jaxrec.models.directau import DirectAUConfig
from jaxrec.models.gru4rec import GRU4RecConfig
from jaxrec.models.hstu import HSTUConfig
from jaxrec.models.lstm import LSTMConfig
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.models.narm import NARMConfig
from jaxrec.models.nextitnet import NextItNetConfig
from jaxrec.models.sasrec import SASRecConfig
from jaxrec.models.simplex import SimpleXConfig
from jaxrec.models.ultragcn import UltraGCNConfig
from jaxrec.negatives import Popularity, Uniform
from jaxrec.objectives import (
    BinaryCrossEntropy,
    Bpr,
    FullSoftmax,
    MaskedItems,
    SampledSoftmax,
    SquaredError,
)
from jaxrec.similarity import Cosine, Dot, Mlp
from jaxrec.typing import Spec
from tests.contracts import (
    ITEMS,
    BaselineContract,
    ModelContract,
    checkerboard,
    eight_devices_later,
    init,
    random_batch,
    scores_of_model,
    spec_of,
)


class TestMatrixFactorizationBpr(ModelContract):
    config = MatrixFactorizationConfig(embed_dim=8)
    objective = Bpr()


@pytest.mark.slow
class TestMatrixFactorizationPointwise(ModelContract):
    config = MatrixFactorizationConfig(embed_dim=8)
    objective = BinaryCrossEntropy(Popularity(3))


@pytest.mark.slow
class TestMatrixFactorizationWarp(ModelContract):
    config = MatrixFactorizationConfig(embed_dim=8)
    objective = Warp(Uniform(8))


class TestMatrixFactorizationCosine(ModelContract):
    config = MatrixFactorizationConfig(embed_dim=8, biases=False, similarity=Cosine(1.0))
    objective = CosineContrastive(Uniform(8), margin=0.2, negative_weight=4.0)


class TestUltraGCN(ModelContract):
    config = UltraGCNConfig(embed_dim=8, scale=0.1, num_neighbours=3)
    objective = GraphConstraints(Uniform(8), negative_weight=2.0, neighbour_weight=0.1)


class TestDirectAU(ModelContract):
    config = DirectAUConfig(embed_dim=8)
    objective = DirectAU(uniformity_weight=0.3)


class TestSimpleX(ModelContract):
    config = SimpleXConfig(embed_dim=8, history_length=16)
    objective = CosineContrastive(Uniform(8), margin=0.2, negative_weight=4.0)
    batches = Pairs(batch_size=64, history_length=16, around=True)
    test_eight_devices_give_the_loss_of_one = eight_devices_later


@pytest.mark.slow
class TestSimpleXAttention(ModelContract):
    config = SimpleXConfig(embed_dim=8, aggregation="user_attention", history_length=16)
    objective = CosineContrastive(Uniform(8), margin=0.2, negative_weight=4.0, shared=False)
    batches = Pairs(batch_size=64, history_length=16, around=True)


@pytest.mark.slow
class TestSimpleXPacked(ModelContract):
    config = SimpleXConfig(embed_dim=8, aggregation="self_attention", history_length=30)
    objective = CosineContrastive(Uniform(8), margin=0.2, negative_weight=4.0)
    batches = PackedSequences(batch_size=8, length=30)
    steps = 250


class TestHSTU(ModelContract):
    config = HSTUConfig(embed_dim=16, num_layers=1, dropout=0.1, history_length=16)
    objective = FullSoftmax(chunk=50)
    batches = Sequences(batch_size=16, length=16)
    test_eight_devices_give_the_loss_of_one = eight_devices_later


class TestSASRec(ModelContract):
    config = SASRecConfig(embed_dim=16, num_layers=1, dropout=0.1, history_length=16)
    objective = FullSoftmax(chunk=50)
    batches = Sequences(batch_size=16, length=16)


@pytest.mark.slow
class TestSASRecPacked(ModelContract):
    config = SASRecConfig(embed_dim=16, num_layers=1, dropout=0.1, history_length=30)
    objective = FullSoftmax(chunk=50)
    batches = PackedSequences(batch_size=8, length=30)


@pytest.mark.slow
class TestSASRecSampled(ModelContract):
    config = SASRecConfig(embed_dim=16, num_layers=1, dropout=0.1, history_length=16)
    objective = SampledSoftmax(Uniform(8))
    batches = Sequences(batch_size=16, length=16, random_crop=True)


@pytest.mark.slow
class TestSASRecBinary(ModelContract):
    config = SASRecConfig(embed_dim=16, num_layers=1, dropout=0.1, history_length=16)
    objective = BinaryCrossEntropy()
    batches = Sequences(batch_size=16, length=16)


CASER = CaserConfig(embed_dim=16, num_horizontal=4, num_vertical=2, dropout=0.1, history_length=5)


class TestCaser(ModelContract):
    config = CASER
    objective = FullSoftmax(chunk=50)
    batches = Sequences(batch_size=16, length=16)


@pytest.mark.slow
class TestCaserPacked(ModelContract):
    config = CASER
    objective = FullSoftmax(chunk=50)
    batches = PackedSequences(batch_size=8, length=30)


@pytest.mark.slow
class TestCaserPairs(ModelContract):
    config = CASER
    objective = BinaryCrossEntropy(Uniform(3))
    batches = Pairs(batch_size=64, history_length=5)
    steps = 150


class TestNextItNet(ModelContract):
    config = NextItNetConfig(embed_dim=16, num_repeats=1, history_length=16)
    objective = FullSoftmax(chunk=50)
    batches = Sequences(batch_size=16, length=16)
    test_eight_devices_give_the_loss_of_one = eight_devices_later


@pytest.mark.slow
class TestNextItNetPacked(ModelContract):
    config = NextItNetConfig(embed_dim=16, num_repeats=1, history_length=30)
    objective = FullSoftmax(chunk=50)
    batches = PackedSequences(batch_size=8, length=30)


class TestBERT4Rec(ModelContract):
    config = BERT4RecConfig(embed_dim=16, num_layers=1, dropout=0.1, history_length=16)
    objective = MaskedItems(chunk=50)
    batches = Sequences(batch_size=16, length=16, whole=True)
    test_eight_devices_give_the_loss_of_one = eight_devices_later


@pytest.mark.slow
class TestBERT4RecPacked(ModelContract):
    config = BERT4RecConfig(embed_dim=16, num_layers=1, dropout=0.1, history_length=30)
    objective = MaskedItems(0.4, chunk=50)
    batches = PackedSequences(batch_size=8, length=30, whole=True)


@pytest.mark.slow
class TestDeepRecDot(ModelContract):
    config = DeepRecConfig(embed_dim=8, feature_dim=4, hidden_dims=(16,), similarity=Dot())
    objective = BinaryCrossEntropy(Uniform(3))


@pytest.mark.slow
class TestDeepRecCosine(ModelContract):
    config = DeepRecConfig(embed_dim=8, feature_dim=4, hidden_dims=(16,), similarity=Cosine())
    objective = SampledSoftmax(Uniform(4), shared=False)


class TestDeepRecMlp(ModelContract):
    config = DeepRecConfig(
        embed_dim=8, feature_dim=4, hidden_dims=(16,), similarity=Mlp((16,)), text="cnn"
    )
    objective = SquaredError(Uniform(3))
    steps = 150


@pytest.mark.slow
class TestDeepRecFeaturesOnly(ModelContract):
    config = DeepRecConfig(ids=False, embed_dim=8, feature_dim=4, hidden_dims=(16,))
    objective = BinaryCrossEntropy(Uniform(3))


class TestGRU4Rec(ModelContract):
    config = GRU4RecConfig(embed_dim=16, hidden_dim=20, hidden_dropout=0.1, history_length=16)
    objective = FullSoftmax(chunk=50)
    batches = Sequences(batch_size=16, length=16)


@pytest.mark.slow
class TestGRU4RecPacked(ModelContract):
    config = GRU4RecConfig(embed_dim=16, num_layers=2, history_length=30)
    objective = SampledSoftmax(Uniform(8))
    batches = PackedSequences(batch_size=8, length=30)


class TestLSTM(ModelContract):
    config = LSTMConfig(embed_dim=16, history_length=16)
    objective = FullSoftmax(chunk=50)
    batches = Sequences(batch_size=16, length=16)
    test_eight_devices_give_the_loss_of_one = eight_devices_later


class TestNARM(ModelContract):
    config = NARMConfig(embed_dim=16, context_dropout=0.1, history_length=16)
    objective = FullSoftmax(chunk=50)
    batches = Sequences(batch_size=16, length=16)
    test_eight_devices_give_the_loss_of_one = eight_devices_later


@pytest.mark.slow
class TestNARMPacked(ModelContract):
    config = NARMConfig(embed_dim=16, hidden_dim=20, context_dropout=0.1, history_length=30)
    objective = FullSoftmax(chunk=50)
    batches = PackedSequences(batch_size=8, length=30)


class TestComiRec(ModelContract):
    config = ComiRecConfig(embed_dim=16, hidden_dim=32, dropout=0.1, history_length=16)
    objective = FullSoftmax(chunk=50)
    batches = Sequences(batch_size=16, length=16)
    test_eight_devices_give_the_loss_of_one = eight_devices_later


@pytest.mark.slow
class TestMindPacked(ModelContract):
    config = ComiRecConfig(
        embed_dim=16, routing="dynamic", adaptive=True, power=2.0, dropout=0.1, history_length=30
    )
    objective = SampledSoftmax(Uniform(8))
    batches = PackedSequences(batch_size=8, length=30)


@pytest.mark.slow
class TestComiRecPairs(ModelContract):
    config = ComiRecConfig(embed_dim=16, hidden_dim=32, dropout=0.1, history_length=8)
    objective = BinaryCrossEntropy(Uniform(3))
    batches = Pairs(batch_size=64, history_length=8)
    steps = 150


class TestBag(ModelContract):
    config = BagConfig(embed_dim=16, dropout=0.1, history_length=16)
    objective = FullSoftmax(chunk=50)
    batches = Sequences(batch_size=16, length=16)
    test_eight_devices_give_the_loss_of_one = eight_devices_later


@pytest.mark.slow
class TestBagPacked(ModelContract):
    config = BagConfig(embed_dim=16, dropout=0.1, history_length=30)
    objective = FullSoftmax(chunk=50)
    batches = PackedSequences(batch_size=8, length=30)


class TestPopularity(BaselineContract):
    config = PopularityConfig()
    personal = False


class TestItemKNN(BaselineContract):
    config = ItemKNNConfig()


def test_an_unknown_user_gets_the_item_biases():
    prepared = checkerboard()
    model = MatrixFactorizationConfig(embed_dim=4, mean=3.0).build(spec_of(prepared))
    batch = random_batch(size=2, length=0)
    batch = batch.replace(
        user=jnp.array([0, 1], jnp.int32), target=jnp.array([[5], [5]], jnp.int32)
    )
    variables = init(model, jax.random.key(0), batch)
    table = variables["params"]["item_bias"]["embedding"]
    biases = jax.random.normal(jax.random.key(1), table.shape)
    variables["params"]["item_bias"]["embedding"] = biases
    predicted = model.apply(variables, batch, method="predict")
    assert predicted[0] == pytest.approx(float(biases[5, 0]) + 3.0, rel=1e-6)
    assert predicted[1] != predicted[0]


@pytest.mark.parametrize(
    "config",
    [
        SASRecConfig(embed_dim=16, history_length=6),
        GRU4RecConfig(embed_dim=16, history_length=6),
        LSTMConfig(embed_dim=16, history_length=6),
        NARMConfig(embed_dim=16, history_length=6),
        SimpleXConfig(embed_dim=16, history_length=6),
        SimpleXConfig(embed_dim=16, aggregation="self_attention", history_length=6),
    ],
    ids=lambda config: type(config).__name__,
)
def test_a_future_event_changes_no_earlier_answer(config):
    model = config.build(Spec(8, 20, 6))
    batch = random_batch(length=6)
    variables = init(model, jax.random.key(0), batch)
    changed = batch.replace(history=batch.history.at[:, 4:].set(7))
    encode = jax.jit(partial(model.apply, method="encode_user"))
    before, after = encode(variables, batch), encode(variables, changed)
    np.testing.assert_allclose(after[:, :4], before[:, :4], rtol=1e-5, atol=1e-6)
    assert jnp.abs(after[:, 4:] - before[:, 4:]).max() > 0.01


def test_caser_answers_unknown_users_and_those_never_trained_alike():
    model = CASER.build(Spec(8, 20, 6))
    batch = random_batch(length=6)
    variables = init(model, jax.random.key(0), batch)
    nobody = batch.replace(user=jnp.zeros_like(batch.user))

    def answers(batch):
        return scores_of_model(model, variables, batch)

    np.testing.assert_array_equal(answers(batch), answers(nobody))
    before = answers(nobody)
    table = variables["params"]["user_vector"]["embedding"]
    known = jax.random.normal(jax.random.key(1), table.shape).at[0].set(0)
    variables["params"]["user_vector"]["embedding"] = known
    np.testing.assert_array_equal(answers(nobody), before)
    assert jnp.abs(answers(batch) - before).max() > 0.01


def test_ratings_are_learnt_by_squared_error():
    class Ratings(ModelContract):
        config = MatrixFactorizationConfig(embed_dim=4, mean=1.5)
        objective = SquaredError()
        batches = Pairs(batch_size=64)

    from jaxrec.sharding import make_mesh

    model, batches, state, train = Ratings().start(make_mesh(devices=jax.devices()[:1]), 200)
    state, _ = train(state, batches.data, jnp.int32(200))
    batch = jax.jit(batches.batch_at)(batches.data, jnp.int32(0))
    predicted = jax.jit(partial(model.apply, method="predict"))(state.variables(), batch)
    assert jnp.abs(predicted - batch.value[:, 0]).mean() < 0.1


def test_bad_sizes_are_refused():
    spec = Spec(3, ITEMS, 6)
    with pytest.raises(InputError, match=r"num_heads is 3; give a divisor of model.embed_dim, 64"):
        SASRecConfig(num_heads=3).build(spec)
    with pytest.raises(InputError, match="the users have no features"):
        DeepRecConfig(ids=False).build(spec)
    model = SASRecConfig(history_length=4).build(spec)
    with pytest.raises(InputError, match=r"show 6 events, but model.history_length is 4"):
        model.init(jax.random.key(0), random_batch(length=6), method="predict")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (CaserConfig(history_length=0), "history_length is 0; give a whole number from 1 on"),
        (CaserConfig(num_vertical=-1), "num_vertical is -1; give a whole number from 0 on"),
        (CaserConfig(num_horizontal=0, num_vertical=0), "are both 0; give one of them filters"),
        (NextItNetConfig(dilations=(1, 2, 4)), r"dilations is \(1, 2, 4\); give an even number"),
        (NextItNetConfig(dilations=(0, 2)), r"dilations is \(0, 2\); give .*, each at least 1"),
        (NextItNetConfig(kernel_size=1), "kernel_size is 1; give a whole number from 2 on"),
        (NextItNetConfig(num_repeats=0), "num_repeats is 0; give a whole number from 1 on"),
    ],
)
def test_bad_sizes_of_convolutions_are_refused(config, message):
    with pytest.raises(InputError, match=message):
        config.build(Spec(3, ITEMS, 6))
