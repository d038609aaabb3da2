"""Trials laid out: as text and CSV, and on a page that stands alone."""

import csv
import re
from html.parser import HTMLParser

import pytest

from jaxrec.space import Choice, Float, Int
from jaxrec.trials import Search, Trial, table, write_csv, write_page

SPACE = {
    "model.embed_dim": Int(8, 64, log=True),
    "model.similarity": Choice(("cosine", "dot")),
    "optimizer.learning_rate": Float(0.0, 1.0),
    "train.epochs": Int(1, 9),
}


def trial(number, value, state="complete", note="", dim=16):
    values = dict(zip(SPACE, (dim, "dot", 1 / 3, 2)))
    return Trial(number, values, value, state, 1.25, note)


TRIALS = [
    trial(0, 0.25, dim=128),
    trial(1, 0.5),
    trial(2, None, "failed", "the loss is <not> finite"),
    trial(3, 0.75, "pruned"),
    trial(4, 0.125),
]


def made(lower):
    return Search("<mine>", "ndcg@10", lower, SPACE, 3, TRIALS)


@pytest.mark.parametrize(("lower", "order"), [(False, [1, 0, 4, 3, 2]), (True, [4, 0, 1, 3, 2])])
def test_the_best_complete_trial_is_first(lower, order):
    assert [trial.number for trial in made(lower).ranked()] == order
    lines = table(made(lower)).splitlines()
    assert [int(line.split()[0]) for line in lines[1:]] == order
    assert lines[0].split() == ["trial", "ndcg@10", *SPACE, "state", "seconds", "note"]


def test_the_trials_are_counted():
    assert made(False).counts() == "5 trials (3 complete, 1 failed, 1 pruned)"


def test_csv_has_every_digit_in_order(tmp_path):
    write_csv(made(False), tmp_path / "trials.csv")
    rows = list(csv.DictReader((tmp_path / "trials.csv").read_text().splitlines()))
    assert [int(row["trial"]) for row in rows] == [0, 1, 2, 3, 4]
    assert float(rows[0]["optimizer.learning_rate"]) == 1 / 3
    assert rows[2]["ndcg@10"] == ""
    assert rows[2]["note"] == TRIALS[2].note


def test_the_page_stands_alone(tmp_path):
    write_page(made(False), tmp_path / "trials.html")
    page = (tmp_path / "trials.html").read_text()
    HTMLParser().feed(page)
    assert page.count("<svg") == 3  # over time, and four fields, three a row
    assert not re.search(r"<(script|link|img)\b|url\((?!#)|https?://(?!www\.w3\.org)", page)
    assert "&lt;mine&gt;" in page
    assert "<mine>" not in page
    assert "is &lt;not&gt; finite" in page
    for name, space in SPACE.items():
        assert f"{name}" in page
        assert f"{space}".replace("'", "&#x27;") in page
