"""The report and what stands in it: comparable runs, paired differences, what is recommended."""

import dataclasses
import html.parser
import re
import sys

import numpy as np
import pytest

from jaxrec import repeat
from jaxrec.baselines.popularity import PopularityConfig
from jaxrec.compare import (
    best,
    cell,
    comparable,
    differences,
    holm,
    pairs,
    read_records,
    table,
)
from jaxrec.config import Config
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.data.sources.synthetic import Synthetic, generate
from jaxrec.errors import InputError
from jaxrec.exposure import describe, lorenz, measure, recommended, tiers
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.objectives import Bpr
from jaxrec.report import write_report
from jaxrec.run import load_run
from jaxrec.train import train_and_evaluate
from jaxrec.train_step import TrainConfig

POPULAR = Config(data=DataConfig(), model=PopularityConfig())
FACTORS = Config(
    data=DataConfig(),
    model=MatrixFactorizationConfig(embed_dim=8),
    objective=Bpr(),
    batches=Pairs(batch_size=128),
    train=TrainConfig(epochs=3),
)


def silent(line):
    """Say nothing."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Five finished runs on one small data set."""
    folder = tmp_path_factory.mktemp("runs")
    dataset = generate(Synthetic(num_users=80, num_items=60, num_events=720, seed=3))
    random_ties = dataclasses.replace(POPULAR, protocol=Protocol(ties="random"))
    once = PopularityConfig(count="users")
    configs = {
        "popular": POPULAR,
        "a<b> & co": dataclasses.replace(POPULAR, model=once),
        "random": random_ties,
    }
    for name, config in configs.items():
        train_and_evaluate(config, folder / name, dataset, say=silent)
    repeat.train(FACTORS, folder / "seeds", seeds=2, interactions=dataset, say=silent)
    return folder


class Page(html.parser.HTMLParser):
    """Holds that every element is closed, and collects what pages are made of."""

    VOID = ("meta", "br", "link")

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory):
    """The page of all runs, parsed, and what was said."""
    out, said = tmp_path_factory.mktemp("page") / "new" / "report.html", []
    folders = [runs / name for name in ("popular", "seeds/seed-0", "a<b> & co", "random", "seeds")]
    write_report(folders, out, said.append)
    return Page(out.read_text()), said


def test_the_page_stands_alone_and_describes_its_pictures(page):
    parsed, _ = page
    for tag, name, value in parsed.attributes:
        if name in ("src", "href", "xlink:href"):
            assert value.startswith("#"), f"{tag} fetches {value}"
    assert not {"script", "link", "img", "iframe"} & set(parsed.tags)
    assert "http" not in "".join(parsed.text)
    labels = [
        value for tag, name, value in parsed.attributes if (tag, name) == ("svg", "aria-label")
    ]
    assert len(labels) == parsed.tags.count("svg") >= 6
    assert parsed.tags.count("caption") == parsed.tags.count("table")
    ids = [value for _, name, value in parsed.attributes if name == "id" and value]
    used = {value for _, name, value in parsed.attributes if name == "xlink:href"}
    assert used <= {f"#{x}" for x in ids}


def test_names_are_escaped_and_groups_of_other_protocols_are_told_apart(page):
    parsed, said = page
    text = "".join(parsed.text)
    assert "a<b> & co" in text
    assert "b" not in parsed.tags
    assert "These runs do not all compare." in text
    assert "ties: pessimistic (1), random (2)" in text
    assert said[0].startswith("These runs do not all compare; they differ in ties")
    assert "ndcg@10" in said[1]
    assert len([line for line in said if "examples/s" in line]) == 2
    assert text.count("What it took") == 1, "only a model's run is measured by the step"
    assert re.search(r"\d GB", text)


def test_runs_of_one_protocol_and_split_form_one_group(runs):
    records = read_records([runs / name for name in ("popular", "seeds/seed-0", "seeds", "random")])
    groups = comparable(records)
    assert [[record.name for record in group] for group in groups] == [
        ["popular", "seed-0", "seeds"],
        ["random"],
    ]
    assert differences(groups) == ["ties: pessimistic (1), random (2)"]
    assert differences(groups[:1]) == []


def test_a_pair_differs_by_the_difference_of_its_metrics(runs):
    records = read_records([runs / name for name in ("popular", "seeds/seed-0", "a<b> & co")])
    found = pairs(records, "ndcg@10")
    assert [(pair.first, pair.second) for pair in found] == [
        ("popular", "seed-0"),
        ("popular", "a<b> & co"),
        ("seed-0", "a<b> & co"),
    ]
    by_name = {record.name: record.test["ndcg@10"] for record in records}
    for pair in found:
        expected = by_name[pair.first] - by_name[pair.second]
        assert pair.difference == pytest.approx(expected, abs=1e-6)
        assert pair.low <= pair.difference <= pair.high
        assert 0 < pair.p_value <= 1


def test_a_run_does_not_differ_from_itself(runs):
    records = read_records([runs / "popular", runs / "popular"])
    (pair,) = pairs(records, "recall@10")
    assert (pair.difference, pair.p_value) == (0.0, 1.0)


def test_seeds_are_one_row_with_their_spread_and_the_mean_of_each_user(runs):
    (record,) = read_records([runs / "seeds"])
    assert [member.name for member in record.members] == ["seed-0", "seed-1"]
    assert re.fullmatch(r"0\.\d{4} ± 0\.\d{4}", cell(record, "ndcg@10"))
    assert record.per_user["ndcg@10"].mean() == pytest.approx(record.test["ndcg@10"], abs=1e-6)
    assert len(record.curves) == 2


def test_the_table_names_runs_metrics_and_what_they_were_fitted_on(runs):
    records = read_records([runs / "popular", runs / "seeds/seed-0"])
    head, first, second = table(records).splitlines()
    assert head.split() == [
        "ndcg@10",
        "recall@10",
        "mrr@10",
        "fitted",
        "on",
        "seconds",
        "examples/s",
    ]
    assert first.startswith("popular")
    assert first.split()[-3] == "train"
    assert first.endswith("–")
    assert second.startswith("seed-0")
    assert cell(records[0], "auc") == ""
    assert best(records, "ndcg@10") == max(record.test["ndcg@10"] for record in records)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_what_is_recommended_is_new_to_the_user_and_best_by_the_run(runs):
    run = load_run(runs / "popular", silent)
    split = run.prepared.split
    users = np.unique(split.test.user)
    items = recommended(run, users, 5)
    counts = np.bincount(split.train.item, minlength=len(split.train.items) + 1)
    for user, row in zip(users, items, strict=True):
        known = {
            *split.train.item[split.train.user == user],
            *split.validation.item[split.validation.user == user],
        }
        assert not known & set(row)
        left = sorted(set(range(1, len(counts))) - known, key=lambda item: (-counts[item], item))
        assert list(row) == left[:5]
    found = describe(run, items)
    assert found.means["popularity"] == pytest.approx(counts[items].mean())
    assert found.means["coverage"] == len(np.unique(items)) / len(split.train.items)
    assert found.tiers.sum() == pytest.approx(1)
    assert found.tier_sizes.sum() == len(split.train.items)


def test_a_popular_list_is_less_even_than_its_training(runs):
    found = measure(runs / "popular", 10, silent)
    assert found.users == 80
    assert found.lorenz[-1] == found.trained_on[-1] == 1
    assert np.all(found.lorenz <= found.trained_on + 1e-9)
    assert found.tiers[0] > 0.5


def test_tiers_and_lorenz_by_hand():
    # 12 events. The middle of the second item lies at 3/12, of those with two at 7/12 and 9/12.
    assert list(tiers(np.array([2, 6, 0, 2, 1, 1]))) == [1, 0, 2, 2, 2, 2]
    assert list(tiers(np.zeros(3, int))) == [0, 0, 0]
    assert list(lorenz(np.array([2, 0, 6]))) == [0, 0, 0.25, 1]
    assert list(lorenz(np.zeros(2))) == [0, 0, 0]


def test_a_folder_without_a_finished_run_is_named(tmp_path):
    with pytest.raises(InputError, match=f"{tmp_path} holds no finished run"):
        write_report([tmp_path], tmp_path / "report.html", silent)


def test_a_file_that_cannot_be_written_is_named(runs, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_report([runs / "popular"], tmp_path / "file" / "report.html", silent)


def test_without_matplotlib_the_extra_is_named(runs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=re.escape("jaxrec[plot]")):
        write_report([runs / "popular"], tmp_path / "report.html", silent)
