"""A finished run answers in the user's own ids, and only its folder is read."""

import csv
import dataclasses
import io
import json

import numpy as np
import pandas as pd
import pytest

from jaxrec import recommend
from jaxrec.baselines.popularity import PopularityConfig
from jaxrec.baselines.svd import SVDConfig
from jaxrec.config import Config
from jaxrec.data.batches import Pairs, Sequences
from jaxrec.data.interactions import Dataset, Interactions
from jaxrec.data.prepare import DataConfig
from jaxrec.errors import InputError
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.models.sasrec import SASRecConfig
from jaxrec.objectives import Bpr, FullSoftmax
from jaxrec.recommend import Recommendation, Recommender
from jaxrec.train import train_and_evaluate
from jaxrec.train_step import TrainConfig

USERS, ITEMS = 40, 25


def _frame():
    draw = np.random.default_rng(0)
    likes = 1 / np.arange(1, ITEMS + 1)
    rows = [
        (7 * user, f"i{item:02d}", step)
        for user in range(1, USERS + 1)
        for step, item in enumerate(draw.choice(ITEMS, 6, replace=False, p=likes / likes.sum()))
    ]
    return pd.DataFrame(rows, columns=["user", "item", "timestamp"])


FRAME = _frame()
SEEN = FRAME.groupby("user")["item"].agg(set)


def _dataset():
    events = Interactions.from_frame(FRAME)
    titles = [None if raw == "i03" else f"Film, {raw}" for raw in events.items.ids]
    return Dataset("films", events, item_table=pd.DataFrame({"name": titles}), title="name")


def _train(config, folder):
    said = []
    train_and_evaluate(config, folder, _dataset(), say=said.append)
    return Recommender.load(folder, said.append)


@pytest.fixture(scope="module")
def popularity(tmp_path_factory):
    config = Config(DataConfig(), PopularityConfig())
    return _train(config, tmp_path_factory.mktemp("popularity") / "run")


@pytest.fixture(scope="module")
def mf(tmp_path_factory):
    model = MatrixFactorizationConfig(embed_dim=8)
    config = Config(DataConfig(), model, Bpr(), Pairs(64), train=TrainConfig(epochs=1))
    return _train(config, tmp_path_factory.mktemp("mf") / "run")


@pytest.fixture(scope="module")
def sasrec(tmp_path_factory):
    model = SASRecConfig(embed_dim=8, num_layers=1, num_heads=1, history_length=8)
    config = Config(
        DataConfig(), model, FullSoftmax(), Sequences(16, 8), train=TrainConfig(epochs=1)
    )
    return _train(config, tmp_path_factory.mktemp("sasrec") / "run")


def _items(found):
    return [entry.item for entry in found]


def _popular(leave_out=()):
    """Items by their training events, ties in the order of their ids."""
    train = FRAME[FRAME["timestamp"] < 4]
    counts = train["item"].value_counts().reindex(sorted(FRAME["item"].unique()), fill_value=0)
    ranked = counts.sort_values(ascending=False, kind="stable").index
    return [item for item in ranked if item not in leave_out]


def test_what_a_user_has_met_in_any_part_is_left_out(popularity):
    for user, found in zip([7, 14], popularity.recommend([7, 14], k=5), strict=True):
        assert _items(found) == _popular(SEEN[user])[:5]


def test_what_was_seen_may_be_asked_for(popularity):
    [found] = popularity.recommend([7], k=5, exclude_seen=False)
    assert _items(found) == _popular()[:5]
    assert [entry.score for entry in found] == sorted((e.score for e in found), reverse=True)


def test_k_beyond_the_catalogue_gives_what_there_is(mf):
    [found] = mf.recommend([7], k=1000)
    assert set(_items(found)) == set(FRAME["item"]) - SEEN[7]


def test_an_allow_and_a_deny_list_are_kept(mf):
    [found] = mf.recommend([7], exclude_seen=False, allow=["i01", "i02", "i03"], deny=["i02"])
    assert set(_items(found)) == {"i01", "i03"}
    [found] = mf.recommend([7], k=100, exclude_seen=False, deny=["i02"])
    assert set(_items(found)) == set(FRAME["item"]) - {"i02"}


def test_ids_may_be_given_as_text(mf):
    assert mf.recommend(["7"], k=3) == mf.recommend([7], k=3)


def test_ids_and_scores_are_plain_python(mf):
    [found] = mf.recommend([7], k=1)
    assert type(found[0].item) is str
    assert type(found[0].score) is float


def test_titles_are_given_where_there_are_any(mf):
    [found] = mf.recommend([7], k=100, exclude_seen=False)
    titles = {entry.item: entry.title for entry in found}
    assert titles["i01"] == "Film, i01"
    assert titles["i03"] is None


def test_a_history_answers_like_the_user_who_has_it(sasrec):
    for user in (7, 70, 140):
        history = FRAME[FRAME["user"] == user].sort_values("timestamp")["item"].tolist()
        [by_history], [by_id] = sasrec.recommend(history=history), sasrec.recommend([user])
        assert _items(by_history) == _items(by_id)
        assert not set(_items(by_history)) & set(history)
        scores = [[entry.score for entry in found] for found in (by_history, by_id)]
        np.testing.assert_allclose(*scores, rtol=1e-5)


def test_the_order_of_a_history_matters_to_a_sequence_model(sasrec):
    one, other = (sasrec.recommend(history=h, k=50)[0] for h in (["i00", "i09"], ["i09", "i00"]))
    assert {e.item: e.score for e in one} != {e.item: e.score for e in other}


def test_a_model_that_reads_times_is_told_those_of_users_and_none_of_bare_histories(tmp_path):
    model = SASRecConfig(embed_dim=8, num_layers=1, num_heads=1, history_length=8, positions="time")
    config = Config(
        DataConfig(), model, FullSoftmax(), Sequences(16, 8), train=TrainConfig(epochs=1)
    )
    daily = FRAME.assign(timestamp=86_400 * FRAME["timestamp"])
    histories = FRAME.sort_values(["user", "timestamp"]).groupby("user")["item"].agg(list)
    train_and_evaluate(config, tmp_path / "run", Interactions.from_frame(daily), say=print)
    asked = Recommender.load(tmp_path / "run", print)
    scores = [
        {e.item: e.score for e in found}
        for found in (asked.recommend([7], k=50)[0], asked.recommend(history=histories[7], k=50)[0])
    ]
    assert scores[0].keys() == scores[1].keys() == set(FRAME["item"]) - SEEN[7]
    assert max(abs(scores[0][item] - scores[1][item]) for item in scores[0]) > 1e-4
    untimed = Interactions.from_frame(FRAME.drop(columns="timestamp"))
    with pytest.raises(InputError, match=r"this data has only the order of each user's events"):
        train_and_evaluate(config, tmp_path / "other", untimed, say=print)


def test_a_history_longer_than_the_model_reads_counts_by_its_end(sasrec):
    items = sorted(set(FRAME["item"]))
    long, short = (
        sasrec.recommend(history=h, k=50, exclude_seen=False)[0] for h in (items, items[-8:])
    )
    assert _items(long) == _items(short)


def test_a_baseline_answers_a_history(popularity):
    [found] = popularity.recommend(history=["i00", "i02"], k=5)
    assert _items(found) == _popular({"i00", "i02"})[:5]


def test_unknown_items_of_a_history_are_named(sasrec):
    notices = []
    asked = dataclasses.replace(sasrec, say=notices.append)
    assert asked.recommend(history=["i00", "x9", "i05"]) == sasrec.recommend(history=["i00", "i05"])
    assert "x9" in notices[0]
    with pytest.raises(InputError, match="x9, x8"):
        asked.recommend(history=["x9", "x8"])
    with pytest.raises(InputError, match="nothing"):
        asked.recommend(history=[])


def test_a_model_that_knows_users_by_id_refuses_a_history(mf):
    with pytest.raises(InputError, match="sequence model or a baseline"):
        mf.recommend(history=["i00"])
    [found] = mf.recommend(history=["i00"], k=4, fallback="popularity")
    assert _items(found) == _popular({"i00"})[:4]


def test_a_baseline_that_knows_users_by_id_refuses_a_history_too(tmp_path):
    svd = _train(Config(DataConfig(), SVDConfig(4, 1)), tmp_path / "run")
    assert len(svd.recommend([7], k=3)[0]) == 3
    with pytest.raises(InputError, match=r"SVDConfig.*a baseline such as item_knn"):
        svd.recommend(history=["i00"])


def test_an_unknown_user_is_refused_or_falls_back(mf):
    with pytest.raises(InputError, match="9999"):
        mf.recommend([7, 9999])
    known, unknown = mf.recommend([7, 9999], k=4, fallback="popularity")
    assert _items(known) == _items(mf.recommend([7], k=4)[0])
    assert _items(unknown) == _popular()[:4]


def test_users_or_a_history_must_be_given(mf):
    for asked in ({}, {"users": [7], "history": ["i00"]}):
        with pytest.raises(InputError, match="either"):
            mf.recommend(**asked)


def test_all_users_are_answered_and_chunks_do_not_matter(mf, monkeypatch):
    whole = dict(mf.stream(k=3))
    assert sorted(whole) == sorted(SEEN.index)
    monkeypatch.setattr(recommend, "MEMORY_BUDGET", 4 * 4 * 6)  # six known items of four users
    assert recommend._chunk(USERS, 4 * 6) == 4
    chunked = dict(mf.stream(k=3))
    assert {user: _items(found) for user, found in chunked.items()} == {
        user: _items(found) for user, found in whole.items()
    }


def test_a_folder_without_a_finished_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no run"):
        Recommender.load(tmp_path / "none")


ANSWERS = [
    (7, [Recommendation(3, 0.5, 'A "quoted", title'), Recommendation(4, 0.25, None)]),
    ("ü,", [Recommendation("x", -1.0, "é")]),
    (9, []),
]


def test_json_is_an_object_of_lists():
    text = "".join(recommend.render(ANSWERS, "json"))
    assert json.loads(text) == {
        "7": [{"item": 3, "score": 0.5, "title": 'A "quoted", title'}, {"item": 4, "score": 0.25}],
        "ü,": [{"item": "x", "score": -1.0, "title": "é"}],
        "9": [],
    }
    text = "".join(recommend.render([], "json"))
    assert json.loads(text) == {}


def test_csv_has_a_row_an_item():
    text = "".join(recommend.render(ANSWERS, "csv"))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["user"], row["rank"], row["item"]) for row in rows] == [
        ("7", "1", "3"),
        ("7", "2", "4"),
        ("ü,", "1", "x"),
    ]
    assert rows[0]["title"] == 'A "quoted", title'
    assert rows[1]["title"] == ""


def test_a_table_is_aligned():
    text = "".join(recommend.render(ANSWERS, "table"))
    lines = text.splitlines()
    assert lines[0] == "7"
    assert lines[2].index("3") == lines[1].index("item")
    assert lines[2].endswith('A "quoted", title')
    assert lines[-2:] == ["9", "  no item is left"]
