"""Every file of configs/, shrunk: it learns what is planted, restores the same, and shards."""

import dataclasses
import functools
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxrec.baselines.popularity import PopularityConfig
from jaxrec.config import Config, load_config
from jaxrec.data.batches import PackedSequences, Sequences, Users
from jaxrec.data.prepare import DataConfig, prepare
from jaxrec.data.resident import resident
from jaxrec.data.sources.synthetic import Synthetic, generate
from jaxrec.data.splits import LeaveOneOut
from jaxrec.evaluate import make_evaluator
from jaxrec.objectives import SampledSoftmax
from jaxrec.retrieval import baseline_scorer, reads_times
from jaxrec.run import load_run, make_spec
from jaxrec.sharding import make_mesh, replicate
from jaxrec.tracking import jsonl
from jaxrec.train import train_and_evaluate
from jaxrec.train_state import create
from jaxrec.train_step import TrainConfig, make_train_steps

NAMES = sorted(path.stem for path in (Path(__file__).parents[1] / "configs").glob("*.py"))
SMALL = {"embed_dim": 32, "hidden_dim": 32, "num_layers": 1, "num_heads": 1, "dropout": 0.0}
LENGTH = 16


TRAINED = "ml100k_mf"
"""Of the configs that train the one that is not slow: contracts.py has each model learn, keep what
it learnt and shard."""


def _names():
    """All configs, only the trained one and the baselines of MovieLens-100K not slow."""
    for name in NAMES:
        baseline = name.startswith("ml100k") and load_config(name).objective is None
        yield pytest.param(name, marks=[] if name == TRAINED or baseline else [pytest.mark.slow])


def _with(part, **values):
    """Replace the fields that this dataclass has."""
    known = {item.name for item in dataclasses.fields(part)}
    return dataclasses.replace(part, **{k: v for k, v in values.items() if k in known})


def shrink(config: Config) -> Config:
    """Make a config small and quick, on data that is handed over."""
    config = dataclasses.replace(
        config,
        data=DataConfig(split=LeaveOneOut()),
        protocol=dataclasses.replace(config.protocol, candidates="all"),
    )
    if config.objective is None:
        # As many factors as are planted: more of them fit the noise of so few users. And nobody
        # meets an item again.
        return dataclasses.replace(
            config,
            model=_with(config.model, factors=4, embed_dim=4),
            protocol=dataclasses.replace(config.protocol, seen="exclude"),
        )
    model = _with(config.model, **SMALL)
    if getattr(model, "history_length", 0):
        model = dataclasses.replace(model, history_length=min(LENGTH, model.history_length))
    by_user = isinstance(config.batches, Sequences | PackedSequences | Users)
    hides = _hides(config)
    negatives = getattr(config.objective, "negatives", None)
    if negatives is not None:
        # Among many of them a binary cross-entropy learns little at first, and a softmax more.
        most = 64 if isinstance(config.objective, SampledSoftmax) else 4
        negatives = _with(negatives, num=min(negatives.num, most))
    return dataclasses.replace(
        config,
        model=model,
        # What suits thousands of items and hundreds of negatives would hold so few of them apart.
        objective=_with(
            config.objective,
            negatives=negatives,
            negative_weight=4.0,
            margin=0.2,
            uniformity_weight=0.3,
        ),
        batches=_with(config.batches, batch_size=16 if by_user else 256, length=LENGTH),
        # Where items are hidden a model ranks by popularity at first, longer with larger steps.
        optimizer=dataclasses.replace(config.optimizer, learning_rate=3e-3 if hides else 1e-2),
        train=TrainConfig(
            epochs=30 if hides else 20 if by_user else 8,
            patience=None,
            steps_per_call=2,
            eval_every=80,
        ),
    )


def _hides(config):
    return getattr(config.objective, "hides_items", False)


def _dataset_for(config):
    """Give a model of hidden items clearer successions: see `shrink`."""
    return _dataset(0.6 if _hides(config) else 0.2)


@functools.cache
def _dataset(transition_share):
    """Plant clear tastes and little popularity, so that a model that learns anything beats it."""
    planted = Synthetic(
        num_users=500,
        num_items=150,
        num_events=12_500,
        num_factors=4,
        popularity_share=0.05,
        transition_share=transition_share,
        zipf_power=0.4,
        concentration=0.1,
    )
    return generate(planted)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train a shrunk config once for all tests of this file."""

    @functools.cache
    def train(name):
        workdir = tmp_path_factory.mktemp("runs") / name
        config = shrink(load_config(name))
        result = train_and_evaluate(config, workdir, _dataset_for(config), say=lambda line: None)
        return config, workdir, result

    return train


@functools.cache
def _popularity(dataset, metrics, monitor):
    protocol = dataclasses.replace(
        Config(DataConfig(), None).protocol, metrics=metrics, monitor=monitor
    )
    prepared = prepare(dataset, DataConfig(split=LeaveOneOut()), 0)
    state = PopularityConfig().fit(prepared.split.train)
    evaluator = make_evaluator(baseline_scorer(PopularityConfig()), prepared, "test", protocol, 0)
    return evaluator(state).metrics


@pytest.mark.parametrize("name", [*_names()])
def test_the_loss_falls_and_popularity_is_beaten(name, trained):
    config, workdir, result = trained(name)
    metric = config.protocol.monitor
    if metric == "rmse":
        split = prepare(_dataset_for(config), config.data, 0).split
        apart = split.test.value - split.train.value.mean()
        assert result["test"][metric] < 0.95 * np.sqrt(np.mean(apart**2))
        return
    floor = _popularity(_dataset_for(config), config.protocol.metrics, metric)[metric]
    if isinstance(config.model, PopularityConfig):
        assert result["test"][metric] == pytest.approx(floor)
        return
    assert result["test"][metric] > 1.2 * floor
    if config.objective is not None:
        losses = [line["loss"] for line in jsonl.read(workdir / "metrics.jsonl") if "loss" in line]
        assert np.mean(losses[-3:]) < 0.95 * losses[0]


@pytest.mark.parametrize("name", [*_names()])
def test_a_restored_run_gives_the_same_answers(name, trained):
    config, workdir, result = trained(name)
    run = load_run(workdir, lambda line: None)
    assert run.config == config
    evaluator = make_evaluator(run.scorer, run.prepared, "test", config.protocol, config.seed)
    assert evaluator(run.variables).metrics == result["test"]


def _losses(config, prepared, mesh, steps=4):
    """Train a few steps on a mesh as train.py does; return the losses and the last state."""
    events = prepared.split.train
    data = resident(prepared, events, reads_times(config.model))
    model = config.model.build(make_spec(config, prepared, data))
    batches = config.batches.build(events, data, config.seed)
    batches = dataclasses.replace(batches, data=replicate(batches.data, mesh))
    tx = config.optimizer.build(steps)
    init_key, step_key = jax.random.split(jax.random.key(config.seed))
    state = create(model, tx, batches, init_key, mesh, ema=False)
    run = make_train_steps(model, config.objective, tx, batches.batch_at, step_key, mesh)
    losses = []
    for _ in range(steps):
        state, metrics = run(state, batches.data, jax.device_put(np.int32(1)))
        losses.append(float(metrics["loss"]))
    return losses, state


@pytest.mark.parametrize("name", [*_names()])
def test_eight_devices_give_the_loss_of_one_with_sharded_tables(name):
    config = shrink(load_config(name))
    if config.objective is None:
        pytest.skip("a baseline is fitted in closed form, on one device")
    prepared = prepare(_dataset_for(config), config.data, config.seed)
    alone, _ = _losses(config, prepared, make_mesh(1, jax.devices()[:1]))
    together, state = _losses(config, prepared, make_mesh(4, jax.devices()[:8]))
    np.testing.assert_allclose(alone, together, rtol=2e-4)
    tables = {
        jax.tree_util.keystr(path): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path((state.params, state.opt_state))
        if jax.tree_util.keystr(path).endswith("['embedding']")
    }
    assert tables
    for path, table in tables.items():
        shapes = {shard.data.shape for shard in table.addressable_shards}
        assert shapes == {(table.shape[0] // 4, table.shape[1])}, path
        assert len(table.sharding.device_set) == 8, path
