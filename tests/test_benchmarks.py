"""The benchmarks' rows: what they are held to, how they are judged, how they run and resume."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmarks import accuracy, page
from benchmarks import rows as benchmark_rows
from benchmarks.rows import HERE, ROOT, Bench, Row, rows_of, run, status
from benchmarks.works import WORKS
from jaxrec import config as configs
from jaxrec import repeat
from jaxrec.errors import InputError
from jaxrec.metrics.protocol import parse_metric

CONFIG = """
from jaxrec.config import Config
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.objectives import Bpr
from jaxrec.train_step import TrainConfig

def get_config():
    return Config(
        data=DataConfig(path={path!r}),
        model=MatrixFactorizationConfig(embed_dim=4),
        objective=Bpr(),
        batches=Pairs(batch_size=64),
        protocol=Protocol(resamples=10),
        train=TrainConfig(epochs={epochs}, patience=None, steps_per_call=8),
    )
"""
POPULARITY = """
from jaxrec.baselines.popularity import PopularityConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol

def get_config():
    data = DataConfig(path={path!r})
    return Config(data=data, model=PopularityConfig(), protocol=Protocol(resamples=10))
"""
TARGETS = """
[[tiny]]
title = "A tiny table"
metrics = ["hit_rate@10", "ndcg@10"]
[tiny.rows.tiny_mf]
config = "{folder}/mf.py"
[tiny.rows.tiny_popularity]
config = "{folder}/popularity.py"
fit_on = "train+validation"
gated = {{ "ndcg@10" = 0.5 }}
tolerance = 0.6
source = "nobody"
[tiny.rows.tiny_missing]
config = "{folder}/missing.py"
gated = {{ "ndcg@10" = 0.5 }}
[throughput]
quality = 0.02
[throughput.goals]
ials = 1
bpr = 1
top_100 = 1
item_knn = 1
ease = 1
svd = 1
knn_ratings = 1
sasrec = 6
sasrec_until = 10
sasrec_position = 10
gru4rec = 5
caser = 10
bert4rec = 5
bert4rec_rectools = 4
mf_bpr = 8
neumf = 8
neumf_ranking = 20
two_towers = 3
bpr_cornac = 1
lightgcn = 3
mult_vae = 3
search = 1.2
csv = 10
[throughput.memory]
csv = 0.2
[scale.table_rows]
spread = 3
"""


@pytest.fixture
def bench(tmp_path):
    """A folder of benchmarks with rows on tiny data."""
    random_numbers = np.random.default_rng(0)
    users = np.repeat(np.arange(60), 10)
    items = (users % 5) * 6 + random_numbers.integers(0, 12, len(users))
    events = {"user": users, "item": items, "timestamp": np.arange(len(users))}
    path = tmp_path / "events.csv"
    pd.DataFrame(events).to_csv(path, index=False)
    (tmp_path / "mf.py").write_text(CONFIG.format(path=str(path), epochs=20))
    (tmp_path / "popularity.py").write_text(POPULARITY.format(path=str(path)))
    folder = tmp_path / "bench"
    folder.mkdir()
    (folder / "targets.toml").write_text(TARGETS.format(folder=tmp_path))
    return Bench(folder)


# Targets and status -------------------------------------------------------------------------------


def test_the_targets_are_rows_of_known_metrics():
    rows = [row for groups in Bench().suites().values() for row in rows_of(groups)]
    assert len(rows) == len(Bench().rows()), "two rows have one name"
    for row in rows:
        assert row.seeds >= 1
        assert row.fit_on in (None, "train", "train+validation")
        assert set(row.published) <= set(row.metrics)
        assert not row.published or row.source != "none", f"{row.name} is from nowhere"
        for metric in row.metrics:
            parse_metric(metric)
        for metric, target in row.gated.items():
            low, high = row.bounds(metric)
            assert low <= target <= high


def test_the_configs_of_rows_know_the_metrics_of_their_table():
    for row in Bench().rows().values():
        if (ROOT / "configs" / f"{row.config}.py").exists():
            config = row.build()
            assert set(row.metrics) <= set(config.protocol.metrics)
            assert row.fit_on in (None, config.protocol.fit_on)


def judged(value, metric="ndcg@10", **fields):
    row = Row("a", "tiny", "a", (metric,), **fields)
    return status(row, {"metrics": {"mean": {metric: value}}})


@pytest.mark.parametrize(
    ("value", "fields", "expected"),
    [
        (0.4505, {"gated": {"ndcg@10": 0.45}, "tolerance": 0.0005}, "pass"),
        (0.4495, {"gated": {"ndcg@10": 0.45}, "tolerance": 0.0005}, "pass"),
        (0.4506, {"gated": {"ndcg@10": 0.45}, "tolerance": 0.0005}, "miss"),
        (0.4493, {"gated": {"ndcg@10": 0.45}, "tolerance": 0.0005}, "miss"),
        (0.206, {"gated": {"ndcg@10": 0.2}, "tolerance": "3 %"}, "pass"),
        (0.2061, {"gated": {"ndcg@10": 0.2}, "tolerance": "3%"}, "miss"),
        (0.9, {"gated": {"ndcg@10": 0.2}, "one_sided": True}, "pass"),
        (0.2, {"gated": {"ndcg@10": 0.2}, "one_sided": True}, "pass"),
        (0.1999, {"gated": {"ndcg@10": 0.2}, "one_sided": True}, "miss"),
        (float("nan"), {"gated": {"ndcg@10": 0.2}, "tolerance": 1.0}, "miss"),
        (0.1, {"shown": {"ndcg@10": 0.2}}, "shown"),
        (0.1, {}, "shown"),
    ],
)
def test_status_is_computed(value, fields, expected):
    assert judged(value, **fields) == expected


def test_a_one_sided_error_may_be_lower():
    fields = {"gated": {"rmse": 0.9}, "one_sided": True}
    assert judged(0.8, "rmse", **fields) == "pass"
    assert judged(0.95, "rmse", **fields) == "miss"


def test_a_row_without_a_result_is_not_run():
    assert status(Row("a", "tiny", "a", ("ndcg@10",), gated={"ndcg@10": 0.2}), None) == "not run"


def test_an_unknown_row_is_told_the_nearest():
    with pytest.raises(InputError, match="nearest is gowalla_popularity"):
        Bench().row("gowala_popularty")


# What is in the repository ------------------------------------------------------------------------


def test_the_results_in_the_repository_are_those_of_rows():
    rows, works = Bench().rows(), {work.name for work in WORKS}
    for suite in Bench().suites():
        for path in (HERE / "results" / suite).glob("*.json"):
            result = json.loads(path.read_text())
            assert (result["row"], result["suite"]) == (path.stem, suite)
            assert rows[path.stem].suite == suite
            assert set(rows[path.stem].metrics) <= set(result["metrics"]["mean"])
            assert set(result) >= {"commit", "dirty", "device", "cores", "versions", "seconds"}
            assert set(result) >= {"seeds", "protocol", "fit_on", "split", "config", "data"}
    speeds = HERE / "results" / "throughput.json"
    if speeds.exists():
        assert {row["work"] for row in json.loads(speeds.read_text())} <= works


def test_the_page_in_the_repository_is_what_the_results_generate(tmp_path):
    shutil.copytree(HERE / "results", tmp_path / "results")
    shutil.copy(HERE / "targets.toml", tmp_path)
    page.write(Bench(tmp_path))
    again = "write it anew: python benchmarks/accuracy.py --table"
    assert (tmp_path / "README.md").read_text() == (HERE / "README.md").read_text(), again
    assert (tmp_path / "baselines.svg").read_text().startswith("<?xml")
    assert (HERE / "baselines.svg").exists(), again


# Runs ---------------------------------------------------------------------------------------------


def test_a_suite_runs_what_has_no_result(bench, capfd, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    arguments = ["accuracy", "--suite", "tiny", "--folder", str(bench.folder)]
    monkeypatch.setattr(sys, "argv", [*arguments, "--rows", "tiny_popularity,tiny_missing"])
    assert accuracy.main() == 1, "a gated row has no config"
    out = capfd.readouterr().out
    assert "tiny_missing did not run: there is no config" in out
    assert "1 of 2 gated rows" in out
    row = bench.row("tiny_popularity")
    result = bench.result(row)
    assert result is not None
    assert status(row, result) == "pass"
    assert result["fit_on"] == "train+validation"
    assert result["metrics"]["mean"].keys() >= {"hit_rate@10", "ndcg@10"}
    assert not (bench.runs / row.name).exists()
    text = (bench.folder / "README.md").read_text()
    assert f"{result['metrics']['mean']['ndcg@10']:.4f}"[1:] in text
    assert "`tiny_missing` | – | – | – | – | .5000 | ± 0 (ndcg@10) | not run" in text

    monkeypatch.setattr(accuracy, "run_missing", lambda bench, rows: {})
    monkeypatch.setattr(sys, "argv", [*arguments, "--rows", "tiny_popularity"])
    assert accuracy.main() == 0
    path = bench.path(row)
    other = json.loads(path.read_text())
    other["config"]["seed"] = 7
    path.write_text(json.dumps(other))
    assert bench.result(row) is None, "the result is of another config"
    other["config"] = configs.to_json(row.build())
    del other["config"]["data"]["order"]
    path.write_text(json.dumps(other))
    assert bench.result(row) is not None, "a field at its default changes nothing"


def test_a_killed_row_goes_on(bench, monkeypatch):
    row = bench.row("tiny_mf")
    workdir = bench.runs / row.name
    script = [sys.executable, str(ROOT / "scripts" / "reproduce.py"), row.name]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    child = subprocess.Popen([*script, "--folder", str(bench.folder)], env=environment)
    try:
        # A checkpoint that is being written has a longer name.
        while not any(path.name.isdigit() for path in workdir.glob("checkpoints/*")):
            assert child.poll() is None, "the row ended before it was killed"
            time.sleep(0.005)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert bench.result(row) is None
    first_line, *_ = (workdir / "metrics.jsonl").read_text().splitlines()
    log = []

    def train(config, folder, **options):
        found = repeat.train(config, folder, **options)
        log.extend((folder / "metrics.jsonl").read_text().splitlines())
        return found

    monkeypatch.setattr(benchmark_rows, "repeat", SimpleNamespace(train=train))
    result = run(bench, row, lambda note: None)
    assert log[0] == first_line, "the first call, its seconds too, is the killed process's"
    assert bench.result(row) == json.loads(bench.path(row).read_text())
    assert result["seeds"] == [0]
    assert not workdir.exists()
    steps, seconds, values = zip(*result["curve"])
    assert len(steps) > 1
    assert sorted(steps) == list(steps)
    assert sorted(seconds) == list(seconds)
    assert all(0 <= value <= 1 for value in values)
    page.write(bench)
    assert "(tiny_curves.svg)" in (bench.folder / "README.md").read_text()
    assert "tiny_mf" in (bench.folder / "tiny_curves.svg").read_text()
