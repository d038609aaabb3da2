"""The benchmark of speed: its sides, how it is judged, and what its page says."""

import dataclasses
import json
import os
import shutil
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import judge, processes, scale, speed_page, throughput
from benchmarks.ours import models
from benchmarks.ours.__main__ import MAKERS
from benchmarks.peers import worker
from benchmarks.rows import HERE, Bench
from benchmarks.works import WORKS
from jaxrec.data.batches import PackedSequences
from jaxrec.data.resident import question, resident
from jaxrec.errors import InputError
from jaxrec.objectives import MaskedItems
from tests.contracts import checkerboard


@pytest.fixture
def bench(tmp_path):
    """A folder with the targets, and without results."""
    shutil.copy(HERE / "targets.toml", tmp_path)
    return Bench(tmp_path)


def test_every_kind_of_work_has_a_goal_and_a_peer():
    goals = Bench().targets()["throughput"]["goals"]
    assert set(goals) >= {work.kind for work in WORKS}
    assert len({work.name for work in WORKS}) == len(WORKS)
    for work in WORKS:
        assert f'"{work.kind}": ' in (HERE / "peers" / f"{work.peer}_peer.py").read_text()
        pinned = (HERE / "peers" / f"{work.peer}.txt").read_text().splitlines()
        assert all("==" in line for line in pinned if not line.startswith("#"))


def test_lists_are_scored_in_their_order():
    prepared = checkerboard()
    lists = jnp.array([[0, 0], [3, 1], [2, 0]])
    batch = question(resident(prepared, prepared.split.train), jnp.array([1, 2]), 0)
    scores = np.asarray(judge.Listed(lists).scores(batch))
    assert scores[0, [3, 1, 2]].tolist() == [2, 1, 0]
    assert scores[1, 2] == 2
    assert not scores[:, 4:].any()


def test_a_worker_answers_with_seconds_and_writes_at_the_end(tmp_path):
    folder = HERE / "peers"
    (tmp_path / "peer.py").write_text(
        "import sys\n"
        f"sys.path.append({str(folder)!r})\n"
        "import pathlib, numpy, worker\n"
        "def once():\n    print('noise')\n    return 3\n"
        "out = pathlib.Path(sys.argv[1])\n"
        "worker.serve(once, lambda last: {'lists': numpy.full((2, 2), last)}, out, '1.0')\n"
    )
    out = tmp_path / "out.npz"
    with processes.worker([sys.executable, str(tmp_path / "peer.py"), str(out)]) as side:
        assert side.version == "1.0"
        assert 0 <= side.once()["seconds"] < 1
        assert side.once()["seconds"] >= 0
        assert side.profile() is None
    with np.load(out) as arrays:
        assert arrays["lists"].tolist() == [[3, 3], [3, 3]]


def test_a_worker_that_ends_early_is_said(tmp_path):
    with pytest.raises(InputError, match="ended early"):  # noqa: SIM117
        with processes.worker([sys.executable, "-c", ""]):
            pass


def test_a_kept_row_takes_the_place_of_its_former_one(tmp_path):
    bench = Bench(Path(tmp_path))
    (tmp_path / "results").mkdir()
    names = [work.name for work in WORKS]
    for name, ratio in ((names[3], 1), (names[0], 1), (names[3], 2)):
        throughput.keep(bench, {"work": name, "ratio": ratio})
    rows = json.loads((tmp_path / "results" / "throughput.json").read_text())
    assert [(row["work"], row["ratio"]) for row in rows] == [(names[0], 1), (names[3], 2)]


def test_a_side_may_tell_its_figures_itself(monkeypatch, tmp_path):
    told = worker.Told(7, {"seconds": 2.0, "peak_gib": 0.5})
    read, write = os.pipe()
    monkeypatch.setattr(worker.os, "dup", lambda descriptor: write)
    monkeypatch.setattr(worker.os, "dup2", lambda *descriptors: None)
    monkeypatch.setattr(sys, "stdin", ["go\n", "profile\n"])
    out = tmp_path / "out.npz"
    worker.serve(lambda: told, lambda last: {"last": np.array(last)}, out, "1", lambda _: ["dot"])
    with os.fdopen(read) as says:
        _, figures, profile = (json.loads(says.readline()) for _ in range(3))
    assert figures == {"seconds": 2.0, "peak_gib": 0.5}
    assert profile == ["dot"]
    with np.load(out) as arrays:
        assert arrays["last"] == 7


def test_a_curve_tells_the_quality_after_each_epoch():
    target = np.array([3, 0, 5])
    lists = [np.array([[1, 2], [9, 9], [1, 5]]), np.array([[3, 2], [9, 9], [1, 5]])]
    shown = iter(lists)
    found = worker.curve(2, lambda: "state", lambda: next(shown), target).figures
    # One of two targets in the second place; then the other one in the first as well.
    expected = [1 / np.log2(3) / 2, (1 + 1 / np.log2(3)) / 2]
    assert [quality for _, quality in found["curve"]] == pytest.approx(expected)
    assert found["seconds"] == found["curve"][-1][0]


def test_time_is_counted_to_the_quality_that_both_reach():
    ours = {"seconds": 9.0, "curve": [(2.0, 0.1), (4.0, 0.3), (9.0, 0.4)]}
    peer = {"seconds": 60.0, "curve": [(30.0, 0.2), (60.0, 0.3)]}
    found = throughput.to_equal({"ours": [ours], "peer": [peer]})
    assert found["ours"] == [{"seconds": 4.0, "reached": 0.3}]
    assert found["peer"] == [{"seconds": 60.0, "reached": 0.3}]
    plain = {"ours": [{"seconds": 1.0}], "peer": [{"seconds": 2.0}]}
    assert throughput.to_equal(plain) == plain


def test_a_search_is_judged_by_the_exact_lists(tmp_path):
    factors = {"user_factors": np.eye(2), "item_factors": np.array([[3, 0], [2, 1], [0, 2]])}
    np.savez(tmp_path / "arrays.npz", **factors)
    assert judge.exact(np.array([[1, 2], [3, 2]]), tmp_path) == 1
    assert judge.exact(np.array([[1, 3], [3, 2]]), tmp_path) == 0.75


def test_a_faster_row_with_a_worse_quality_misses():
    targets = {"quality": 0.02, "goals": {"ials": 1.5}}
    row = {"kind": "ials", "ratio": 1.5, "quality": "ndcg@10", "quality_peer": 0.1}
    assert speed_page.speed_status({**row, "quality_ours": 0.0981}, targets) == "pass"
    assert speed_page.speed_status({**row, "quality_ours": 0.0979}, targets) == "miss"
    assert speed_page.speed_status({**row, "quality_ours": 0.1, "ratio": 1.49}, targets) == "miss"
    error = {**row, "quality": "rmse", "quality_peer": 1.0}
    assert speed_page.speed_status({**error, "quality_ours": 1.03}, targets) == "miss"
    assert speed_page.speed_status({**error, "quality_ours": 0.5}, targets) == "pass"
    assert speed_page.speed_status(None, targets) == "not run"


def row_of(ratio, **fields):
    row = {"kind": "csv", "ratio": ratio, "quality": None, **fields}
    return speed_page.speed_status(row, Bench().targets()["throughput"])


def test_a_work_is_judged_by_its_ratio_its_quality_and_its_memory():
    assert row_of(0.9) == "slower"
    assert row_of(9.0) == "miss"
    assert row_of(11.0, memory_share=0.1) == "pass"
    assert row_of(11.0, memory_share=0.3) == "miss"
    good = {"quality": "ndcg@10", "quality_peer": 0.1}
    assert row_of(11.0, **good, quality_ours=0.099) == "pass"
    assert row_of(11.0, **good, quality_ours=0.09) == "miss"


def test_the_page_lists_what_is_slower_first_with_its_profile(bench):
    names = [work.name for work in WORKS]
    common = {"quality": None, "peer": "p", "peer_version": "1", "machine": "m", "repeats": 1}
    common |= {"ours_seconds": 1.0, "first_seconds": 1.0, "commit": "c", "dirty": False}
    kinds = {work.name: work.kind for work in WORKS}
    for name, ratio in ((names[0], 99.0), (names[1], 2.0), (names[2], 0.5)):
        profile = [{"part": f"dot of {name}", "share": 0.75}]
        row = {"work": name, "kind": kinds[name], "ratio": ratio, "peer_seconds": ratio}
        (bench.folder / "results").mkdir(exist_ok=True)
        throughput.keep(bench, {**common, **row, "profile": profile})
    text = speed_page.throughput(bench)
    places = [text.index(f"| `{name}`") for name in (names[2], names[1], names[0], names[3])]
    assert places == sorted(places)
    assert f"slower: `{names[2]}`; miss: `{names[1]}`" in text
    assert f"75% dot of {names[1]}" in text
    assert f"dot of {names[0]}" not in text


def test_a_curve_is_judged_by_the_slope_of_its_logarithms(bench):
    sizes = scale.CURVES["table_rows"].sizes
    (bench.folder / "results").mkdir()
    for size in sizes:
        point = {"curve": "table_rows", "size": size, "seconds": 1e-6 * size**0.5}
        point |= {"peak_gib": 2.0, "machine": "m", "commit": "c", "dirty": False}
        scale.keep(bench, point)
    found = speed_page.growth(speed_page.results(bench, "scale"))
    assert found["exponent"] == pytest.approx(0.5)
    assert found["memory_exponent"] == pytest.approx(0, abs=1e-9)
    assert found["spread"] == pytest.approx(10)
    assert speed_page.scale_status(found, {"exponent": 0.6, "spread": 11}) == "pass"
    assert speed_page.scale_status(found, {"spread": 3}) == "miss"
    assert speed_page.scale_status({"share": 0.4}, {"share": 0.5}) == "miss"
    line = next(x for x in speed_page.scale(bench).splitlines() if x.startswith("| `table_rows`"))
    assert "| 0.50 |" in line
    assert "**miss**" in line


def test_works_are_chosen_by_their_beginnings():
    names = [work.name for work in WORKS]
    assert throughput.chosen(None, names) == names
    assert set(throughput.chosen("svd,top_100_g", names)) == {"svd_ml100k", "top_100_gowalla"}
    with pytest.raises(InputError, match="nearest is svd_ml100k"):
        throughput.chosen("svdml", names)


@pytest.mark.parametrize(
    "name",
    [
        "mf_bpr_64_ml1m",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("lightgcn_64_ml1m", "mult_vae_200_ml1m", "two_towers_64_ml1m")
        ),
    ],
)
def test_our_models_train_on_small_data(name):
    prepared = checkerboard()
    work = next(work for work in WORKS if work.name == name)
    small = dataclasses.replace(work, params=work.params | {"dim": 4, "batch": 64})
    side = models.epochs(small, prepared)
    assert side.answers(side.once())["lists"].shape == (len(prepared.split.train.users), 10)


SMALL = {"dim": 4, "hidden": 6, "layers": 1, "horizontal": 2, "length": 8, "row": 8, "batch": 64}


@pytest.mark.parametrize(
    "kind",
    ["gru4rec", pytest.param("caser", marks=pytest.mark.slow), "bert4rec", "bert4rec_rectools"],
)
def test_our_sequence_models_train_on_small_data(kind):
    prepared = checkerboard()
    work = next(work for work in WORKS if work.kind == kind)
    work = dataclasses.replace(work, params=work.params | SMALL)
    side = MAKERS[kind](work, prepared)
    found = side.once()
    shown = np.minimum(np.bincount(prepared.split.train.user), 8).sum()
    if kind == "bert4rec_rectools":
        assert side.answers(found)["lists"].shape == (len(prepared.split.train.users), 10)
    elif kind == "bert4rec":
        # At least one item of each user is hidden, and far from all of them.
        assert len(prepared.split.train.users) <= found.figures["positions"] < shown / 2
    else:
        known = np.bincount(prepared.split.train.user)
        assert found.figures["positions"] == np.clip(known - 1, 0, 8).sum()


def test_hidden_items_are_counted_as_the_objective_asks_for_them():
    data = resident(checkerboard(), checkerboard().split.train)
    batches = PackedSequences(3, 8, whole=True).build(checkerboard().split.train, data, 0)
    users = batches.examples_per_epoch
    assert models.targets_of(MaskedItems(last_fraction=1.0), batches) == users
