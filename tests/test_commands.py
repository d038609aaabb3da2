"""What the commands show, and what `jaxrec recommend` takes and writes."""

import csv
import json

import pandas as pd
import pytest

from jaxrec.baselines.popularity import PopularityConfig
from jaxrec.cli import main
from jaxrec.commands import metrics_table
from jaxrec.config import Config
from jaxrec.data.interactions import Interactions
from jaxrec.data.prepare import DataConfig
from jaxrec.train import train_and_evaluate


@pytest.fixture(scope="module")
def popularity(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "popularity"
    rows = [(f"u{user}", 100 + (user + step) % 9) for user in range(9) for step in range(5)]
    events = Interactions.from_frame(pd.DataFrame(rows, columns=["user", "item"]))
    train_and_evaluate(
        Config(DataConfig(), PopularityConfig()), workdir, events, say=lambda _: None
    )
    return workdir


def _asked(workdir, *more):
    return main(["recommend", str(workdir), *more])


def test_a_user_asked_for_twice_is_answered_once(popularity, capsys):
    users = ["--user", "u2", "u1", "--user", "u2"]
    assert _asked(popularity, *users, "-k", "1", "--format", "csv") == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["user"] for row in rows] == ["u2", "u1"]


@pytest.mark.parametrize(
    ("name", "more", "start"),
    [
        ("a.JSON", [], "{"),
        ("a.csv", [], "user,rank"),
        ("a.txt", [], "u1\n  rank"),
        ("a", [], "u1\n  rank"),
        ("a.tsv", ["--format", "json"], "{"),
    ],
)
def test_the_ending_tells_the_format(popularity, tmp_path, name, more, start):
    out = tmp_path / name
    assert _asked(popularity, "--user", "u1", "--out", str(out), *more) == 0
    assert out.read_text().startswith(start)


def test_recommend_reads_lists_of_items_from_files(popularity, tmp_path, capsys):
    allow = tmp_path / "allow.txt"
    allow.write_text("100\n101\n102\n")
    argv = ["--user", "u1", "--format", "json", "--include-seen"]
    assert _asked(popularity, *argv, "--allow", str(allow), "--deny", "101") == 0
    found = json.loads(capsys.readouterr().out)["u1"]
    assert {entry["item"] for entry in found} == {100, 102}


def test_a_list_of_items_that_is_no_file_is_one_sentence(popularity, capsys):
    for option in ("--allow", "--deny"):
        assert _asked(popularity, "--user", "u1", option, "no/file.txt") == 2
        assert capsys.readouterr().err.startswith("There is no file no/file.txt")


def test_no_item_left_is_said(popularity, capsys):
    assert _asked(popularity, "--user", "u1", "--allow", "100", "--deny", "100") == 0
    shown = capsys.readouterr()
    assert "No item is left" in shown.err
    assert shown.out == "u1\n  no item is left\n"


def test_a_missing_folder_is_made_and_the_file_is_named(popularity, tmp_path, capsys):
    out = tmp_path / "new" / "best.json"
    assert _asked(popularity, "--user", "u1", "--out", str(out)) == 0
    assert capsys.readouterr().out == f"written to {out}\n"
    assert [path.name for path in out.parent.iterdir()] == ["best.json"]


def test_a_file_for_a_folder_is_one_sentence(popularity, tmp_path, capsys):
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "best.json"
    assert _asked(popularity, "--user", "u1", "--out", str(out)) == 2
    assert capsys.readouterr().err.startswith(f"{out} cannot be written")


def test_the_table_shows_intervals_or_sd():
    result = {
        "test": {"ndcg@10": 0.5},
        "validation": {},
        "intervals": {"test": {"ndcg@10": [0.4, 0.6]}},
    }
    assert "0.5000 [0.4000, 0.6000]" in metrics_table(result)
    assert "0.5000 ± 0.0100" in metrics_table(result | {"sd": {"test": {"ndcg@10": 0.01}}})
