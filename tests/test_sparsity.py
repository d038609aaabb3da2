"""The study of sparsity: what is taken away and added, how it runs, and what its page says."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import sparsity, sparsity_page, sparsity_points
from benchmarks.corruption import in_parts, never_met, noisy, thinned
from benchmarks.rows import HERE, ROOT, Bench
from benchmarks.sparsity_points import FULL, METHODS, POINTS, Method, Point
from benchmarks.tables import number
from jaxrec.data.interactions import PARTS, Dataset, Interactions, chronological
from jaxrec.data.sources.synthetic import Synthetic, generate
from jaxrec.data.splits import Given, known
from jaxrec.errors import InputError
from jaxrec.train import train_and_evaluate

TRAIN, VALIDATION, TEST = (PARTS.index(name) for name in ("train", "validation", "test"))
EVENTS = st.lists(  # user, item, time: with many ties, in any order
    st.tuples(st.integers(1, 5), st.integers(1, 30), st.integers(0, 6)), min_size=1, max_size=60
)
WHOLE = [(9, item, 0) for item in range(1, 31)]  # so that every item is there, and a split


def build(events, order="time"):
    users, items, times = (list(column) for column in zip(*events))
    values = np.arange(len(users)) % 5
    return in_parts(Interactions.build(users, items, values, timestamp=times, order=order))


def of_user(events, user, part):
    """The items of a user's events of a part, in their order."""
    return events.item[(events.user == user) & (events.part == part)].tolist()


def is_subsequence(short, long):
    left = iter(long)
    return all(item in left for item in short)


# Events ------------------------------------------------------------------------------------------


def test_the_last_event_is_tested_and_the_one_before_validates():
    events = build([(1, 3, 0), (1, 1, 2), (1, 2, 1), (1, 4, 2), (2, 1, 0), (2, 2, 0)])
    rows = events.items.raw(events.item).tolist()
    assert rows == [3, 2, 1, 4, 1, 2]
    assert events.part.tolist() == [TRAIN, TRAIN, VALIDATION, TEST, TRAIN, TRAIN]
    assert events.value.tolist() == [1] * 6


@settings(max_examples=30, deadline=None)
@given(events=EVENTS, kept=st.sampled_from([0.05, 0.2, 0.5, 1.0]), seed=st.integers(0, 3))
def test_thinning_keeps_the_share_of_each_user_in_order(events, kept, seed):
    before = build(WHOLE + events)
    after = thinned(before, kept, seed)
    for user in range(1, len(before.users) + 1):
        old, new = of_user(before, user, TRAIN), of_user(after, user, TRAIN)
        assert len(new) == max(round(kept * len(old)), 1)
        assert is_subsequence(new, old)
        for part in (VALIDATION, TEST):
            assert of_user(after, user, part) == of_user(before, user, part)
    np.testing.assert_array_equal(after.part, thinned(before, kept, seed).part)
    fewer = thinned(before, kept / 2, seed)
    assert not np.any((fewer.part == TRAIN) & (after.part != TRAIN))
    assert len(after.items) == 30, "the catalogue stays whole"


def test_another_seed_keeps_other_events():
    before = build([(user, item, item) for user in range(9) for item in range(30)])
    assert np.any(thinned(before, 0.5, 0).part != thinned(before, 0.5, 1).part)
    kept = thinned(before, 0.5, 0)
    assert of_user(kept, 1, TRAIN) != of_user(kept, 2, TRAIN)


@settings(max_examples=30, deadline=None)
@given(
    events=EVENTS,
    noise=st.sampled_from([0.0, 0.1, 0.3, 0.5]),
    seed=st.integers(0, 3),
    order=st.sampled_from(["time", "position", "row"]),
)
def test_noise_is_the_share_and_of_items_that_the_user_never_meets(events, noise, seed, order):
    before = build(WHOLE + events, order)
    after = noisy(before, noise, seed)
    assert chronological(after.user, after.timestamp, after.row) is None
    for user in range(1, len(before.users) + 1):
        old, new = of_user(before, user, TRAIN), of_user(after, user, TRAIN)
        met = set(before.item[before.user == user].tolist())
        added = [item for item in new if item not in met]
        assert [item for item in new if item in met] == old
        assert len(added) == min(round(noise / (1 - noise) * len(old)), 30 - len(met))
        assert len(set(added)) == len(added)
        for part in (VALIDATION, TEST):
            assert of_user(after, user, part) == of_user(before, user, part)
    for column in ("item", "part", "timestamp", "value"):
        again = getattr(noisy(before, noise, seed), column)
        np.testing.assert_array_equal(getattr(after, column), again)
    assert set(after.value) == {1}
    split = Given()(after, 0)
    history = known(split, "test")  # joined and sorted anew: train in its order, then validation
    for user in np.unique(split.test.user):
        expected = of_user(after, user, TRAIN) + of_user(after, user, VALIDATION)
        assert history.item[history.user == user].tolist() == expected


def test_noise_falls_on_every_item_and_every_place():
    events = [(user, item, item) for user in range(400) for item in [*range(10), 10 + user % 40]]
    before = build(events)
    after = noisy(before, 0.25, 0)  # 9 training events and 3 of noise a user
    real = after.item <= 10
    train = after.part == TRAIN
    starts = np.searchsorted(after.user, after.user)
    gap = np.array([real[start:here].sum() for start, here in zip(starts, range(len(real)))])
    found = np.bincount(gap[train & ~real], minlength=10)
    assert found.sum() == 1200
    assert len(found) == 10, "in front of the 9 events, and behind the last"
    assert found.min() > 80
    assert found.max() < 160
    items = np.bincount(after.item[train & ~real])[11:]
    assert len(items) == 40
    assert items.min() > 10
    more = noisy(before, 0.5, 0)
    for user in (1, 200):
        assert set(of_user(after, user, TRAIN)) < set(of_user(more, user, TRAIN))


def test_candidates_are_what_a_user_meets_in_no_part():
    events = build([(1, 3, 0), (1, 1, 2), (1, 2, 1), (2, 4, 0), (2, 2, 0)])
    assert never_met(events).tolist() == [[0, 0], [4, 0], [1, 3]]


# Configs and runs ---------------------------------------------------------------------------------


def test_every_config_that_is_there_is_studied_with_the_same_protocol():
    there = [x for x in METHODS.values() if (ROOT / "configs" / f"{x.config}.py").exists()]
    assert len(there) >= 7
    for method in there:
        config = sparsity_points.config_of(method, FULL)
        assert config.protocol.seen == "exclude"
        assert (config.protocol.fit_on, config.protocol.candidates) == ("train", "lists")
        assert (config.objective is None) == (method.epochs is None)
        assert config.data == sparsity_points.DATA


def test_models_get_about_as_many_steps_at_each_point():
    assert {point.name for point in POINTS} >= {"full", "kept_0.05", "noise_0.5"}
    assert len({point.name for point in POINTS}) == len(POINTS) == 9
    method, few = METHODS["mf"], Point(kept=0.05)
    epochs = {x.name: sparsity_points.config_of(method, x).train.epochs for x in POINTS}
    full = epochs["full"]
    assert full == method.epochs
    of_users = dataclasses.replace(method, by_user=True)
    assert sparsity_points.config_of(of_users, few).train.epochs == full
    assert (epochs["kept_0.05"], epochs["noise_0.5"]) == (20 * full, full / 2)


def test_names_are_found_by_how_they_begin():
    names = [point.name for point in POINTS]
    assert sparsity.chosen("noise_0.5,full", names) == ["full", "noise_0.5"]
    assert sparsity.chosen("kept", names) == ["kept_0.5", "kept_0.2", "kept_0.1", "kept_0.05"]
    assert sparsity.chosen(None, names) == names
    with pytest.raises(InputError, match="'nose'"):
        sparsity.chosen("nose", names)


@pytest.fixture
def bench(tmp_path):
    """A folder with the targets and without results."""
    folder = tmp_path / "bench"
    folder.mkdir()
    shutil.copy(HERE / "targets.toml", folder)
    return Bench(folder)


def test_a_study_runs_what_has_no_result_and_skips_what_has_no_config(
    bench, tmp_path, monkeypatch, capsys
):
    events = generate(Synthetic(60, 150, 1200, ratings=False)).interactions
    data = Dataset("synthetic", events)
    monkeypatch.setattr(sparsity_points, "load", lambda config: data)
    monkeypatch.setitem(METHODS, "mult_vae", Method("Missing", "ml1m_of_nobody"))
    measured = []

    def apart(bench, name, point):
        measured.append((name, point.name))
        sparsity.measure(bench, name, point)
        return True

    monkeypatch.setattr(sparsity, "apart", apart)
    points = [Point(kept=0.2), Point(noise=0.5)]
    assert not sparsity.run(bench, ["popularity", "mult_vae"], points[:1])
    assert not sparsity.run(bench, ["popularity", "mult_vae"], points)
    assert measured == [("popularity", point.name) for point in points]
    assert "mult_vae is skipped: there is no config ml1m_of_nobody yet." in capsys.readouterr().out
    found = json.loads(sparsity_points.path_of(bench, "popularity").read_text())
    assert [x["point"] for x in found] == ["kept_0.2", "noise_0.5"]
    shares = [x["events"]["train"] / (len(events) - 120) for x in found]
    assert shares == pytest.approx([0.2, 2], rel=0.15)
    assert len({(x["events"]["validation"], x["events"]["test"]) for x in found}) == 1
    for result, point in zip(found, points):
        config = sparsity_points.config_of(METHODS["popularity"], point)
        every = dataclasses.replace(config.protocol, candidates="all")
        config = dataclasses.replace(config, protocol=every)
        data = sparsity_points.dataset_at(point)
        among_all = train_and_evaluate(config, tmp_path / point.name, data)["test"]
        if point.noise:
            assert among_all == result["test"]
        else:
            assert among_all["ndcg@10"] < result["test"]["ndcg@10"], "what is lost competes"
    for result in found:
        assert 0 < result["test"]["ndcg@10"] < 1
        assert {"commit", "dirty", "machine", "versions", "seed", "sha256"} <= set(result)
    assert not list(bench.runs.glob("*"))
    text = sparsity_page.section(sparsity_page.results(bench))
    cells = ["–", "–", *(number(x["test"]["ndcg@10"]) for x in found[:1])]
    assert f"| Popularity | {' | '.join(cells)} | – |" in text
    assert "| Missing, not run | – |" in text
    monkeypatch.setattr(sparsity_points, "SEED", 1)
    assert not sparsity_points.valid(bench, "popularity"), "what another config gave has not run"


# The page -----------------------------------------------------------------------------------------


def made_up(**values):
    """Results by method, from NDCG@10 by point."""
    found = {}
    for name in METHODS:
        found[name] = {
            point: {
                "test": {"ndcg@10": value},
                "interval": [value - 0.002, value + 0.003],
                "machine": "a machine",
                "commit": "abc",
                "dirty": False,
                "steps": 1000 if point == "full" else 80,
            }
            for point, value in values.get(name, {}).items()
        }
    return found


STUDY = made_up(
    popularity={"full": 0.02, "kept_0.5": 0.02, "kept_0.05": 0.018, "noise_0.5": 0.02},
    ease={"full": 0.05, "kept_0.5": 0.04, "kept_0.05": 0.02, "noise_0.5": 0.03},
    sasrec={"full": 0.15, "kept_0.5": 0.08, "kept_0.05": 0.015, "noise_0.5": 0.1},
)


def test_the_sentences_follow_from_the_numbers():
    assert sparsity_page.sentences(STUDY) == [
        "Best by events kept: SASRec at 100 % and 50 %; EASE at 5 %.",
        "Best by noise: SASRec at 0 % and 50 %.",
        "SASRec is behind popularity at 5 % kept.",
        "With 5 % of the events, Popularity has 90 % of its NDCG@10 at full data, SASRec 10 %.",
        "With 50 % noise, Popularity has 100 % of its NDCG@10 at full data, EASE 60 %.",
        "A 95 % interval (bootstrap over users) reaches .0025 to each side, at most.",
    ]
    assert sparsity_page.sentences(made_up()) == []
    assert len(sparsity_page.sentences(made_up(ease={"full": 0.05}))) == 1


def test_the_table_marks_the_best_of_each_column():
    text = sparsity_page.section(STUDY)
    assert "| EASE | .0500 | .0400 | – | – | **.0200** | – | – | – | .0300 |" in text
    assert "| SASRec | **.1500** | **.0800** | – | – | .0150 | – | – | – | **.1000** |" in text
    assert "Machine: a machine. Commits: abc." in text
    assert f"| {METHODS['sasrec'].epochs} | 80 – 1,000 |" in text
    assert "| `ml1m_ease` | – | fitted | – |" in text


@pytest.mark.parametrize("found", [STUDY, made_up()])
def test_the_picture_has_a_line_a_method_that_has_run(found):
    figure = sparsity_page.draw(found)
    names = [METHODS[name].title for name, own in found.items() if own]
    kept, noise = figure.axes
    assert [line.get_label() for line in kept.lines] == names
    assert len(noise.lines) == len(names)
    if names:
        assert kept.lines[-1].get_ydata().tolist() == [0.15, 0.08, 0.015]
        assert kept.lines[-1].get_xdata().tolist() == [1, 0.5, 0.05]
        colours = {line.get_color() for line in kept.lines}
        assert len(colours) == len(names)
    assert kept.get_xlim()[0] > kept.get_xlim()[1], "from all events to few"
    assert sparsity_page.picture(found).startswith("<?xml")


def test_the_results_in_the_repository_are_of_methods_and_points():
    for path in (HERE / "results" / "sparsity").glob("*.json"):
        for result in json.loads(path.read_text()):
            assert result["method"] == path.stem
            assert path.stem in METHODS
            assert (
                dataclasses.replace(FULL, kept=result["kept"], noise=result["noise"]).name
                == result["point"]
            )
