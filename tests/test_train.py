"""The loop: resumes, stops early, refits, warm-starts, averages, and says what is wrong."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from flax.traverse_util import flatten_dict

from jaxrec.baselines.popularity import PopularityConfig
from jaxrec.config import Config
from jaxrec.data.batches import Pairs, Sequences
from jaxrec.data.interactions import Dataset, Interactions
from jaxrec.data.normalisation import Normalisation
from jaxrec.data.prepare import DataConfig, prepare
from jaxrec.data.splits import KFold, LeaveOneOut
from jaxrec.errors import InputError
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.deep_rec import DeepRecConfig
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.models.sasrec import SASRecConfig
from jaxrec.objectives import Bpr, FullSoftmax, SquaredError
from jaxrec.optimizer import Adam
from jaxrec.repeat import train
from jaxrec.run import load_run
from jaxrec.tracking import jsonl
from jaxrec.tracking.log import Log
from jaxrec.train import train_and_evaluate, train_model
from jaxrec.train_state import grow
from jaxrec.train_step import TrainConfig
from jaxrec.workdir import locked


def events(users=40, items=30, each=8, seed=0):
    draw = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), each)
    item = (user % 5) * (items // 5) + draw.integers(0, items // 3, len(user)) % items
    frame = pd.DataFrame({"user": user, "item": item, "timestamp": np.arange(len(user))})
    return Interactions.from_frame(frame)


MF = Config(
    data=DataConfig(path=None),
    model=MatrixFactorizationConfig(embed_dim=8),
    objective=Bpr(),
    batches=Pairs(batch_size=64),
    optimizer=Adam(learning_rate=0.05),
    protocol=Protocol(metrics=("ndcg@10",), resamples=20),
    train=TrainConfig(epochs=4, patience=None),
)


def with_train(config=MF, **changes):
    return dataclasses.replace(config, train=dataclasses.replace(config.train, **changes))


def quiet(_):
    pass


def test_a_run_leaves_what_its_page_says(tmp_path):
    result = train_and_evaluate(MF, tmp_path / "run", events(), say=quiet)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names >= {"config.json", "dataset", "checkpoints", "metrics.jsonl", "metrics.json"}
    assert names >= {"per_user_test.npz", "per_user_validation.npz"}
    low, high = result["intervals"]["test"]["ndcg@10"]
    assert low <= result["test"]["ndcg@10"] <= high
    with np.load(tmp_path / "run" / "per_user_test.npz") as saved:
        assert saved["ndcg@10"].mean() == pytest.approx(result["test"]["ndcg@10"], abs=1e-6)
    calls = [x for x in jsonl.read(tmp_path / "run" / "metrics.jsonl") if "loss" in x]
    assert calls[-1]["loss"] < calls[0]["loss"]


def test_a_run_says_how_near_it_came_to_its_machine(tmp_path):
    said = []
    result = train_and_evaluate(with_train(epochs=2), tmp_path, events(), say=said.append)
    assert sum("GFLOP/s in float32, measured now" in line for line in said) == 1
    found, lines = result["performance"], jsonl.read(tmp_path / "metrics.jsonl")
    calls = [line for line in lines if "loss" in line]
    # Vectors of 8 and a bias for 64 rows of users and of items, with Adam's two moments of each.
    assert found["table_bytes"] == calls[0]["table_bytes"] == 3 * 2 * 64 * (8 + 1) * 4
    assert all(line["matmul_share"] > 0 and line["input_seconds"] >= 0 for line in calls)
    assert found["peak_bytes"] == max(line["peak_bytes"] for line in calls)
    assert calls[0]["seconds"] < found["first_step_seconds"] < result["seconds"]


def test_a_finished_run_is_given_again(tmp_path):
    said = []
    first = train_and_evaluate(MF, tmp_path, events(), say=quiet)
    assert train_and_evaluate(MF, tmp_path, say=said.append) == first
    assert "is finished" in said[-1]


def test_another_config_is_refused_by_the_field(tmp_path):
    train_and_evaluate(MF, tmp_path, events(), say=quiet)
    with pytest.raises(InputError, match=r"train\.epochs is 4 there and 5 here"):
        train_and_evaluate(with_train(epochs=5), tmp_path, events(), say=quiet)


def test_a_second_process_is_refused(tmp_path):
    with locked(tmp_path), pytest.raises(InputError, match="Another process is at work"):
        train_and_evaluate(MF, tmp_path, events(), say=quiet)


def test_training_stops_when_validation_gets_no_better(tmp_path):
    config = with_train(epochs=200, patience=2)
    result = train_and_evaluate(config, tmp_path, events(), say=quiet)
    lines = [x for x in jsonl.read(tmp_path / "metrics.jsonl") if "validation/ndcg@10" in x]
    values = [line["validation/ndcg@10"] for line in lines]
    assert len(values) < 200
    assert int(np.argmax(values)) == len(values) - 3, "two more validations than the best"
    assert result["checkpoint"]["step"] == lines[-3]["step"]
    assert result["validation"]["ndcg@10"] == pytest.approx(max(values), abs=1e-6)


def test_a_report_hears_each_validation_and_may_end_training(tmp_path):
    prepared = prepare(Dataset("some", events()), MF.data, 0)
    heard = []

    def report(step, values):
        heard.append((step, values["ndcg@10"]))
        if len(heard) == 3:
            raise StopIteration

    options = (None, None, (), quiet, report)
    with pytest.raises(StopIteration):
        train_model(with_train(epochs=9), prepared, prepared.split.train, tmp_path, *options)
    lines = jsonl.read(tmp_path / "metrics.jsonl")
    assert heard == [
        (x["step"], x["validation/ndcg@10"]) for x in lines if "validation/ndcg@10" in x
    ]
    assert heard[2][0] == 3 * heard[0][0]


def test_a_loss_that_is_not_finite_stops_with_the_step(tmp_path):
    data = events()
    data.value[:] = 1e38
    config = dataclasses.replace(MF, objective=SquaredError())
    with pytest.raises(InputError, match=r"not finite at step 0; .*learning-rate"):
        train_and_evaluate(config, tmp_path, data, say=quiet)
    assert not list(tmp_path.glob("checkpoints/[0-9]*")), "nothing is saved after it"


def test_steps_per_call_a_profile_and_a_stream_change_nothing_but_the_log(tmp_path):
    one = train_and_evaluate(
        with_train(steps_per_call=1), tmp_path / "a", events(), say=quiet, profile=True
    )
    assert "no operation runs" in (tmp_path / "a" / "profile.md").read_text()
    assert list((tmp_path / "a" / "profile").rglob("*.trace.json.gz"))
    config = with_train(steps_per_call=50, data_budget=0)
    many = train_and_evaluate(config, tmp_path / "b", events(), say=quiet)
    calls = [x for x in jsonl.read(tmp_path / "b" / "metrics.jsonl") if "loss" in x]
    assert sum(x["input_seconds"] for x in calls) > 1e-4, "the batches came from the host"
    assert one["test"] == many["test"]
    a, b = (load_run(tmp_path / name, quiet).variables for name in "ab")
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_a_call_is_fetched_while_the_next_one_runs(tmp_path, monkeypatch):
    fetched = []

    class Spy(dict):
        pass

    original = jax.device_get
    monkeypatch.setattr(jax, "device_get", lambda x: fetched.append(type(x)) or original(x))
    log = Log(tmp_path, 0, 3, 1.0, ())
    metrics = [Spy(loss=jnp.float32(i), nonfinite_step=jnp.int32(-1)) for i in range(3)]
    counts = []
    for i in range(3):
        log.calls(i + 1, 1, metrics[i])
        counts.append(len(fetched))
    log.flush()
    log.close()
    assert counts == [0, 1, 2], "each call's numbers are fetched after the next is dispatched"
    assert [x["loss"] for x in jsonl.read(tmp_path / "metrics.jsonl")] == [0, 1, 2]


def test_refit_trains_on_validation_too(tmp_path):
    protocol = dataclasses.replace(MF.protocol, fit_on="train+validation")
    config = dataclasses.replace(with_train(patience=2, epochs=20), protocol=protocol)
    result = train_and_evaluate(config, tmp_path, events(), say=quiet)
    assert result["checkpoint"]["directory"] == "refit/checkpoints"
    run = load_run(tmp_path, quiet)
    assert len(run.fitted_on) == len(run.prepared.split.train) + len(run.prepared.split.validation)


def test_refit_moves_a_baseline(tmp_path):
    base = Config(data=DataConfig(path=None), model=PopularityConfig(), protocol=MF.protocol)
    both = dataclasses.replace(
        base, protocol=dataclasses.replace(base.protocol, fit_on="train+validation")
    )
    train_and_evaluate(base, tmp_path / "a", events(), say=quiet)
    train_and_evaluate(both, tmp_path / "b", events(), say=quiet)
    a, b = (load_run(tmp_path / name, quiet).variables for name in "ab")
    assert float(sum(map(jnp.sum, jax.tree.leaves(b)))) > float(
        sum(map(jnp.sum, jax.tree.leaves(a)))
    )


def test_seeds_average(tmp_path):
    result = train(MF, tmp_path, seeds=2, interactions=events(), say=quiet)
    each = [
        json.loads((tmp_path / f"seed-{n}" / "metrics.json").read_text())["test"]["ndcg@10"]
        for n in range(2)
    ]
    assert each[0] != each[1]
    assert result["test"]["ndcg@10"] == pytest.approx(np.mean(each))
    assert result["sd"]["test"]["ndcg@10"] == pytest.approx(np.std(each, ddof=1))
    with pytest.raises(InputError, match="holds several runs"):
        load_run(tmp_path, quiet)


def test_every_fold_is_tested(tmp_path):
    data = dataclasses.replace(MF.data, split=KFold(k=3, fold=None))
    config = Config(data=data, model=PopularityConfig(), protocol=MF.protocol)
    result = train(config, tmp_path, interactions=events(), say=quiet)
    assert result["runs"] == ["fold-0", "fold-1", "fold-2"]
    tested = [
        json.loads((tmp_path / name / "metrics.json").read_text())["data"]["events"]["test"]
        for name in result["runs"]
    ]
    assert sum(tested) == len(events())


def test_init_from_keeps_what_the_old_run_knew(tmp_path):
    train_and_evaluate(MF, tmp_path / "old", events(), say=quiet)
    old = load_run(tmp_path / "old", quiet)
    grown = events(users=90, items=60, seed=1)
    config = dataclasses.replace(
        with_train(epochs=1), optimizer=Adam(learning_rate=1e-8), data=MF.data
    )
    train_and_evaluate(config, tmp_path / "new", grown, init_from=tmp_path / "old", say=quiet)
    new = load_run(tmp_path / "new", quiet)
    before, after = (
        np.asarray(run.variables["params"]["item_vector"]["embedding"]) for run in (old, new)
    )
    ids = old.prepared.split.train.items.ids
    assert len(ids) > 10
    rows = [run.prepared.split.train.items.rows(ids) for run in (old, new)]
    np.testing.assert_allclose(after[rows[1]], before[rows[0]], atol=1e-5)
    assert after.shape[0] > len(grown.items.ids)


def test_grow_leaves_new_rows_as_they_were_initialised():
    new = {"item_vector": {"embedding": jnp.zeros((5, 2))}, "out": {"kernel": jnp.zeros((2, 2))}}
    old = {"item_vector": {"embedding": jnp.ones((3, 2))}, "out": {"kernel": jnp.ones((2, 2))}}
    grown = grow(new, old, {"(^|/)item_": np.array([0, 2, 0, 1]), "user": np.array([0])})
    expected = [[0, 0], [1, 1], [0, 0], [1, 1], [0, 0]]
    np.testing.assert_array_equal(grown["item_vector"]["embedding"], expected)
    np.testing.assert_array_equal(grown["out"]["kernel"], np.ones((2, 2)))


@pytest.mark.parametrize("model_parallel", [2, 8])
def test_eight_devices_measure_what_one_does(tmp_path, model_parallel, eight_devices):
    sasrec = dataclasses.replace(
        with_train(epochs=2),
        model=SASRecConfig(embed_dim=8, num_layers=1, num_heads=1, dropout=0.0, history_length=8),
        objective=FullSoftmax(),
        batches=Sequences(batch_size=16, length=8),
    )
    for name, parallel in (("one", 1), ("many", model_parallel)):
        config = with_train(sasrec, model_parallel=parallel)
        train_and_evaluate(config, tmp_path / name, events(), say=quiet)
    one, many = (
        [x["loss"] for x in jsonl.read(tmp_path / name / "metrics.jsonl") if "loss" in x]
        for name in ("one", "many")
    )
    np.testing.assert_allclose(many, one, rtol=1e-5)


def test_data_too_small_to_split_is_one_sentence(tmp_path):
    data = dataclasses.replace(MF.data, split=LeaveOneOut())
    config = dataclasses.replace(MF, data=data)
    with pytest.raises(InputError, match="leave-one-out needs users of at least 3 events"):
        train_and_evaluate(config, tmp_path, events(each=2), say=quiet)


def test_ratings_are_judged_in_the_units_of_the_source(tmp_path):
    data = events()
    data.value[:] = 100 + 20 * (data.item % 2)
    config = dataclasses.replace(
        with_train(epochs=1),
        data=dataclasses.replace(MF.data, normalisation=Normalisation("z_score")),
        objective=SquaredError(),
        optimizer=Adam(learning_rate=1e-9),
        protocol=Protocol(metrics=("rmse",), monitor="rmse", resamples=0),
    )
    result = train_and_evaluate(config, tmp_path, data, say=quiet)
    assert result["test"]["rmse"] == pytest.approx(10, abs=1), "that of the mean, which is 110"


def test_init_from_finds_categories_by_value(tmp_path):
    def dataset(kinds):
        data = events()
        table = pd.DataFrame({"kind": [kinds[i % len(kinds)] for i in range(len(data.items))]})
        return Dataset("kinds", data, item_table=table)

    config = dataclasses.replace(
        with_train(epochs=1),
        model=DeepRecConfig(embed_dim=4, feature_dim=4, hidden_dims=(4,)),
        optimizer=Adam(learning_rate=1e-8),
    )
    train_and_evaluate(config, tmp_path / "old", dataset(["b", "c"]), say=quiet)
    more, other = dataset(["a", "b", "c"]), dataclasses.replace(config, seed=1)
    train_and_evaluate(other, tmp_path / "new", more, init_from=tmp_path / "old", say=quiet)
    params = [load_run(tmp_path / name, quiet).variables["params"] for name in ("old", "new")]
    before, after = (
        next(x for path, x in flatten_dict(tree, sep="/").items() if "kind" in path)
        for tree in params
    )
    np.testing.assert_allclose(after[3:5], before[2:4], atol=1e-5)
    assert abs(np.asarray(after[2]) - np.asarray(before[2])).max() > 1e-3


def test_a_finished_run_without_its_checkpoint_is_trained_again(tmp_path):
    first = train_and_evaluate(MF, tmp_path, events(), say=quiet)
    shutil.rmtree(tmp_path / "checkpoints")
    assert train_and_evaluate(MF, tmp_path, events(), say=quiet)["test"] == first["test"]
    assert load_run(tmp_path, quiet).metrics["test"] == first["test"]


def test_one_folder_holds_one_run_or_several(tmp_path):
    train_and_evaluate(MF, tmp_path / "one", events(), say=quiet)
    with pytest.raises(InputError, match="holds a single run"):
        train(MF, tmp_path / "one", seeds=2, interactions=events(), say=quiet)
    (tmp_path / "many" / "seed-0").mkdir(parents=True)
    with pytest.raises(InputError, match="holds several runs"):
        train_and_evaluate(MF, tmp_path / "many", events(), say=quiet)


def test_a_state_beyond_the_memory_is_refused_with_its_size(tmp_path):
    config = dataclasses.replace(MF, model=MatrixFactorizationConfig(embed_dim=10**10))
    with pytest.raises(InputError, match=r"take [\d,.]+ GiB"):
        train_and_evaluate(config, tmp_path, events(), say=quiet)
