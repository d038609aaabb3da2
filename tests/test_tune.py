"""Tuning: resumed to the same trials, judged on validation alone, the best left as a config."""

import contextlib
import csv
import dataclasses
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jaxrec import tune
from jaxrec.baselines.item_knn import ItemKNNConfig
from jaxrec.baselines.popularity import PopularityConfig
from jaxrec.cli import main
from jaxrec.config import Config, load_config
from jaxrec.data.batches import Pairs
from jaxrec.data.interactions import Dataset, Interactions
from jaxrec.data.prepare import DataConfig, prepare
from jaxrec.data.splits import KFold, Ratio
from jaxrec.errors import InputError
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.objectives import Bpr
from jaxrec.optimizer import Adam
from jaxrec.space import Choice, Float, Int
from jaxrec.train import train_and_evaluate
from jaxrec.train_step import TrainConfig
from jaxrec.tune import search

DAY = 86400
HALF_LIFE = {"model.half_life_days": Float(0.5, 100.0, log=True)}
NEIGHBOURS = {"model.neighbours": Int(1, 12), "model.shrinkage": Float(0.0, 10.0)}


def frame(users=30, items=20, length=8):
    """Each user walks the ring of items, a step a day, so that what comes next is known."""
    draw = np.random.default_rng(0)
    start = draw.integers(0, items, users)
    user, step = np.divmod(np.arange(users * length), length)
    return pd.DataFrame(
        {
            "user": [f"u{n}" for n in user],
            "item": (start[user] + step + (draw.random(len(user)) < 0.2)) % items,
            "timestamp": (step + draw.integers(0, 3, len(user))) * DAY,
        }
    )


@pytest.fixture(scope="module")
def dataset():
    return Dataset("ring", Interactions.from_frame(frame()))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "ring.csv"
    frame().to_csv(path, index=False)
    return path


def quiet(line):
    pass


POPULARITY = Config(data=DataConfig(path=None), model=PopularityConfig())
KNN = Config(data=DataConfig(path=None), model=ItemKNNConfig(neighbours=3, shrinkage=1.0))
MF = Config(
    data=DataConfig(path=None),
    model=MatrixFactorizationConfig(embed_dim=8),
    objective=Bpr(),
    batches=Pairs(batch_size=64),
    optimizer=Adam(learning_rate=0.05),
    protocol=Protocol(resamples=0),
    train=TrainConfig(epochs=3, patience=None),
)


def drawn(found):
    """What does not depend on the clock."""
    return [(t.number, t.values, t.value, t.state, t.note) for t in found.trials]


@pytest.fixture(scope="module")
def whole(dataset, tmp_path_factory):
    """A search that nothing cut off, past the ten trials that are drawn blindly."""
    folder = tmp_path_factory.mktemp("whole")
    return search(POPULARITY, HALF_LIFE, folder, dataset=dataset, trials=14, say=quiet)


# What a search is --------------------------------------------------------------------------------


def test_the_first_trial_is_the_config_itself(whole, dataset, tmp_path):
    assert whole.trials[0].values == {"model.half_life_days": None}
    own = train_and_evaluate(POPULARITY, tmp_path / "run", dataset, say=quiet)
    assert whole.trials[0].value == own["validation"]["ndcg@10"]
    found = search(KNN, NEIGHBOURS, tmp_path / "knn", dataset=dataset, trials=2, say=quiet)
    assert found.trials[0].values == {"model.neighbours": 3, "model.shrinkage": 1.0}
    assert found.trials[1].values != found.trials[0].values


def test_a_search_goes_on_to_the_trials_it_would_have_had(whole, dataset, tmp_path):
    for trials in (1, 4, 14, 14):
        found = search(POPULARITY, HALF_LIFE, tmp_path, dataset=dataset, trials=trials, say=quiet)
        assert len(found.trials) == trials
    assert drawn(found) == drawn(whole)
    assert len({trial.values["model.half_life_days"] for trial in whole.trials}) == 14


def test_an_interrupted_trial_is_repeated(whole, dataset, tmp_path, monkeypatch):
    measure, calls = tune._measure, []

    def interrupted(*args):
        calls.append(args)
        if len(calls) in (1, 4, 5):
            raise KeyboardInterrupt
        return measure(*args)

    monkeypatch.setattr(tune, "_measure", interrupted)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            search(POPULARITY, HALF_LIFE, tmp_path, dataset=dataset, trials=6, say=quiet)
    found = search(POPULARITY, HALF_LIFE, tmp_path, dataset=dataset, trials=6, say=quiet)
    assert drawn(found) == drawn(whole)[:6]


def _complete(path):
    """Count the complete trials in a storage that another process writes."""
    if not path.exists():
        return 0
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as storage:
        try:
            rows = storage.execute("SELECT count(*) FROM trials WHERE state = 'COMPLETE'")
        except sqlite3.OperationalError:  # its tables are yet to be made
            return 0
        return rows.fetchone()[0]


def test_a_kill_loses_at_most_the_trial_at_hand(source, tmp_path, capsys):
    arguments = ["tune", "ml100k_popularity", "--data.path", str(source)]
    arguments += ["--protocol.resamples", "0", "--workdir"]
    command = [sys.executable, "-m", "jaxrec", *arguments, str(tmp_path / "killed")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with open(tmp_path / "log", "w") as log:
        child = subprocess.Popen(
            [*command, "--trials", "400"], stdout=log, stderr=log, env=environment
        )
    while (done := _complete(tmp_path / "killed" / "trials.db")) < 3:
        assert child.poll() is None, (tmp_path / "log").read_text()
        time.sleep(0.01)
    child.kill()
    child.wait()
    ended = (tmp_path / "log").read_text().count(" complete: ")
    total = max(done, ended) + 3
    for folder in ("killed", "whole"):
        assert main([*arguments, str(tmp_path / folder), "--trials", str(total)]) == 0
    killed, unharmed = (
        list(csv.reader((tmp_path / folder / "trials.csv").read_text().splitlines()))
        for folder in ("killed", "whole")
    )
    assert capsys.readouterr().out.count(" complete: ") <= 3 + total
    assert len(killed) == 1 + total
    assert [row[:4] for row in killed] == [row[:4] for row in unharmed]


def test_timeout_begins_no_more_trials(dataset, tmp_path):
    with pytest.raises(InputError, match="--timeout"):
        search(POPULARITY, HALF_LIFE, tmp_path, dataset=dataset, timeout=0, say=quiet)
    search(POPULARITY, HALF_LIFE, tmp_path, dataset=dataset, trials=2, say=quiet)
    found = search(POPULARITY, HALF_LIFE, tmp_path, dataset=dataset, timeout=0, say=quiet)
    assert len(found.trials) == 2


def test_less_is_better_of_some_metrics(dataset, tmp_path):
    protocol = Protocol(metrics=("gini@5",), monitor="gini@5")
    config = dataclasses.replace(KNN, protocol=protocol)
    found = search(config, NEIGHBOURS, tmp_path, dataset=dataset, trials=4, say=quiet)
    values = [trial.value for trial in found.trials]
    assert len(set(values)) > 1
    assert found.ranked()[0].value == min(values)


# Only validation ---------------------------------------------------------------------------------


def test_the_test_part_is_not_looked_at(tmp_path):
    events = frame()
    last = events.groupby("user").cumcount(ascending=False)
    events[last > 1].to_csv(tmp_path / "train.csv", index=False)
    events[last == 1].to_csv(tmp_path / "validation.csv", index=False)
    found = {}
    for name in ("fine", "poisoned"):
        test = events[last == 0].copy()
        if name == "poisoned":
            test["item"] = test["item"].to_numpy()[::-1]
            test["timestamp"] += 1000 * DAY
        test.to_csv(tmp_path / f"{name}.csv", index=False)
        parts = {x: str(tmp_path / f"{x}.csv") for x in ("train", "validation")}
        data = DataConfig(path=None, test=str(tmp_path / f"{name}.csv"), **parts)
        config = dataclasses.replace(POPULARITY, data=data)
        found[name] = search(config, HALF_LIFE, tmp_path / name, trials=3, say=quiet)
    assert drawn(found["fine"]) == drawn(found["poisoned"])


def test_trials_are_given_no_test_part(dataset):
    prepared = prepare(dataset, DataConfig(path=None), 0)
    blind = tune.blinded(prepared)
    assert len(prepared.split.test) == 30
    assert len(blind.split.test) == 0
    assert blind.dataset.interactions is blind.split.train
    assert blind.split.validation is prepared.split.validation


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"protocol": Protocol(select_on="test")}, "--protocol.select-on validation"),
        ({"data": DataConfig(path=None, split=Ratio(0.0, 0.2))}, "--data.split.validation 0.1"),
        ({"data": DataConfig(path=None, split=KFold(5))}, "--data.split.fold 0"),
    ],
)
def test_without_validation_it_is_said_how(change, words, dataset, tmp_path):
    config = dataclasses.replace(POPULARITY, **change)
    with pytest.raises(InputError, match=re.escape(words)):
        search(config, HALF_LIFE, tmp_path, dataset=dataset, say=quiet)


def test_a_fold_with_validation_is_tuned(dataset, tmp_path):
    data = DataConfig(path=None, split=KFold(5, fold=0, validation=0.2))
    config = dataclasses.replace(POPULARITY, data=data)
    found = search(config, HALF_LIFE, tmp_path, dataset=dataset, trials=2, say=quiet)
    assert len(found.trials) == 2


# Trained models ----------------------------------------------------------------------------------


def test_a_trained_trial_has_the_validation_of_its_run(dataset, tmp_path):
    space = {"optimizer.learning_rate": Float(1e-3, 1e-1, log=True)}
    found = search(MF, space, tmp_path / "tune", dataset=dataset, trials=1, say=quiet)
    run = train_and_evaluate(MF, tmp_path / "run", dataset, say=quiet)
    assert found.trials[0].value == run["validation"]["ndcg@10"]
    left = {path.name for path in (tmp_path / "tune").iterdir()}
    assert left == {".lock", "search.json", "trials.db"}


def test_what_falls_behind_is_pruned(dataset, tmp_path, monkeypatch):
    steps = []

    def train_model(config, prepared, events, folder, epochs, start, trackers, say, report):
        rate = config.optimizer.learning_rate
        steps.append(0)
        for step in range(1, 11):
            steps[-1] = step
            report(64 * step, {"ndcg@10": rate * step})

    monkeypatch.setattr(tune, "train_model", train_model)
    space = {"optimizer.learning_rate": Float(0.01, 1.0)}
    found = search(MF, space, tmp_path, dataset=dataset, trials=16, say=quiet)
    states = [trial.state for trial in found.trials]
    assert states[:5] == ["complete"] * 5
    pruned = [n for n, state in enumerate(states) if state == "pruned"]
    assert pruned
    # Five validations are always waited for.
    assert all(steps[n] == 5 for n in pruned)
    assert all(steps[n] == 10 for n, state in enumerate(states) if state == "complete")
    assert found.ranked()[0].value == max(t.value for t in found.trials if t.state == "complete")


# Trials that fail --------------------------------------------------------------------------------


def test_a_trial_that_cannot_be_run_is_noted_and_passed_over(dataset, tmp_path):
    space = {"model.memory_budget": Choice((1, 2**32))}
    found = search(KNN, space, tmp_path, dataset=dataset, trials=6, say=quiet)
    failed = [trial for trial in found.trials if trial.state == "failed"]
    assert failed
    assert all(trial.values == {"model.memory_budget": 1} for trial in failed)
    assert all("budget" in trial.note for trial in failed)
    assert found.ranked()[-1].state == "failed"
    assert len(search(KNN, space, tmp_path, dataset=dataset, trials=6, say=quiet).trials) == 6


def test_a_config_that_cannot_be_run_is_not_tuned(dataset, tmp_path):
    config = dataclasses.replace(KNN, model=ItemKNNConfig(memory_budget=1))
    for _ in range(2):
        with pytest.raises(InputError, match="budget"):
            search(config, NEIGHBOURS, tmp_path, dataset=dataset, say=quiet)


def test_a_value_that_is_no_number_fails(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(tune, "make_validation", lambda *_: lambda state: {"ndcg@10": np.nan})
    with pytest.raises(InputError, match="nan"):
        search(POPULARITY, HALF_LIFE, tmp_path, dataset=dataset, say=quiet)


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({}, "get_space()"),
        ({"model.neighbors": Int(1, 9)}, "did you mean model.neighbours"),
        ({"neighbours": Int(1, 9)}, "no field neighbours"),
        ({"model": Int(1, 9)}, "no field model"),
        ({"seed": Int(1, 9)}, "would not compare"),
        ({"protocol.monitor": Choice(("auc", "map@5"))}, "would not compare"),
        ({"data.split": Choice((1, 2))}, "would not compare"),
        ({"model.neighbours": Float(1.0, 9.5)}, "int | None"),
        ({"model.similarity": Choice(("cosine", "cosinus"))}, "cosinus"),
        ({"train.epochs": Int(0, 9)}, "train.epochs is 0"),
    ],
)
def test_a_bad_space_is_one_sentence(space, words, dataset, tmp_path):
    with pytest.raises(InputError, match=re.escape(words)):
        search(KNN, space, tmp_path, dataset=dataset, say=quiet)


def test_a_folder_holds_one_search(dataset, tmp_path):
    search(KNN, NEIGHBOURS, tmp_path, dataset=dataset, trials=1, say=quiet)
    narrower = NEIGHBOURS | {"model.neighbours": Int(1, 3)}
    with pytest.raises(InputError, match=r"model\.neighbours"):
        search(KNN, narrower, tmp_path, dataset=dataset, say=quiet)
    with pytest.raises(InputError, match="seed"):
        search(dataclasses.replace(KNN, seed=1), NEIGHBOURS, tmp_path, dataset=dataset, say=quiet)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="holds a run"):
        search(KNN, NEIGHBOURS, tmp_path, dataset=dataset, say=quiet)


def test_without_optuna_the_extra_is_named(dataset, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match=re.escape("pip install 'jaxrec[tune]'")):
        search(KNN, NEIGHBOURS, tmp_path, dataset=dataset, say=quiet)


# The command -------------------------------------------------------------------------------------

SPACE = ["--space", "model.neighbours=choice:None,2,5", "--space", "model.shrinkage=float:0:9"]


@pytest.fixture(scope="module")
def tuned(source, tmp_path_factory):
    """What the command leaves, tuned beside a config of the user's own."""
    folder = tmp_path_factory.mktemp("tuned")
    shutil.copy(Path(__file__).parents[1] / "configs" / "ml100k_item_knn.py", folder / "mine.py")
    arguments = ["tune", str(folder / "mine.py"), *SPACE, "--trials", "3"]
    arguments += ["--workdir", str(folder / "tune"), "--data.path", str(source)]
    assert main(arguments) == 0
    return folder


def test_the_command_leaves_a_table_a_page_and_a_config(tuned):
    left = {path.name for path in (tuned / "tune").iterdir()} - {".lock"}
    assert left == {"best.py", "search.json", "trials.csv", "trials.db", "trials.html"}
    page = (tuned / "tune" / "trials.html").read_text()
    for word in ("Choice((None, 2, 5))", "validation ndcg@10", "3 complete"):
        assert word in page


def test_the_best_config_trains_from_any_folder(tuned, tmp_path, monkeypatch):
    rows = list(csv.DictReader((tuned / "tune" / "trials.csv").read_text().splitlines()))
    best = max(rows, key=lambda row: float(row["ndcg@10"]))
    monkeypatch.chdir(tmp_path)
    assert main(["train", str(tuned / "tune" / "best.py"), "--workdir", "run"]) == 0
    text = (tmp_path / "run" / "metrics.json").read_text()
    assert best["ndcg@10"] in text
    config = load_config(str(tuned / "tune" / "best.py"))
    assert str(config.model.neighbours) == best["model.neighbours"]
    doc = (tuned / "tune" / "best.py").read_text()
    for word in ("3 trials (3 complete)", "seed 0", "Choice((None, 2, 5))", best["ndcg@10"][:6]):
        assert word in doc


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["ml100k_item_knn", "--space", "model.neighbours=10"], "NAME=int:LOW:HIGH"),
        (["ml100k_item_knn", "--space", "model.neighbors=int:1:9"], "model.neighbours"),
        (["ml100k_item_knn", "--trials", "0"], "--trials"),
        (["ml100k_item_knn", "--model.neighbors", "3"], "--model.neighbours"),
        (["ml100k_item_knn", "--protocol.select-on", "test"], "select-on"),
        (["ml100k_sasrec"], "get_space()"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, word, tmp_path, capsys):
    data = ["--data.path", str(tmp_path / "nothing.csv")]
    assert main(["tune", *arguments, *data, "--workdir", str(tmp_path / "tune")]) == 2
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1
    assert word in said
