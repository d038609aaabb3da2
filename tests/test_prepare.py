"""From a config to data that is ready: loading, tables of one's own, cleaning, splits, features."""

import gzip

import numpy as np
import pandas as pd
import pytest

from jaxrec.data.cleaning import Cleaning
from jaxrec.data.interactions import Dataset, Interactions
from jaxrec.data.normalisation import Normalisation
from jaxrec.data.prepare import DataConfig, load, prepare
from jaxrec.data.splits import Given, LeaveOneOut, Ratio
from jaxrec.errors import InputError


def silent(note):
    """Take a note and say nothing."""


def events_csv(folder, users=6, items=8):
    rows = [
        f"u{user},{item},{1 + (user + item) % 5},{100 * user + item}"
        for user in range(users)
        for item in range(items)
        if (user * 3 + item) % 4
    ]
    path = folder / "events.csv"
    path.write_text("user,item,rating,time\n" + "\n".join(rows) + "\n")
    return path


def test_a_csv_becomes_a_split_without_more_words(tmp_path):
    said = []
    dataset = load(DataConfig(path=str(events_csv(tmp_path))), said.append)
    assert said == list(dataset.notes)
    assert "user = user (guessed)" in said[0]
    prepared = prepare(dataset, DataConfig(), 0)
    split = prepared.split
    assert len(split.test) == len(split.validation) == len(dataset.interactions.users)
    assert len(split.train) + len(split.validation) + len(split.test) == len(dataset.interactions)
    assert prepared.user_specs == prepared.item_specs == ()
    assert prepared.user_features == prepared.item_features == {}


def test_files_in_parts_stay_split_whatever_the_config_says(tmp_path):
    for name, lines in (("train", "1,5\n2,6\n1,6\n"), ("test", "1,7\n2,5\n")):
        (tmp_path / f"{name}.csv").write_text("user,item\n" + lines)
    config = DataConfig(
        train=str(tmp_path / "train.csv"), test=str(tmp_path / "test.csv"), split=LeaveOneOut()
    )
    split = prepare(load(config, silent), config, 0).split
    assert (len(split.train), len(split.test)) == (3, 2)


def test_a_source_in_parts_is_a_given_split(tmp_path):
    for name in ("train", "test"):
        (tmp_path / f"{name}.txt").write_text("1 5 6\n2 6 7\n")
    config = DataConfig(path=str(tmp_path))
    split = prepare(load(config, silent), config, 0).split
    assert len(split.test) == 4
    config = DataConfig(path=str(tmp_path), split=Ratio())
    assert len(prepare(load(config, silent), config, 0).split.test) < 4
    config = DataConfig(path=str(tmp_path), split=Given(validation=0.5))
    assert len(prepare(load(config, silent), config, 0).split.validation) == 2


def test_tables_of_ones_own_reach_the_features(tmp_path):
    (tmp_path / "items.csv").write_text(
        "id,Title,price,genres\n" + "\n".join(f"{i},Item {i},{i}.5,x|y" for i in (7, 3, 99, 0, 1))
    )
    pd.DataFrame({"id": ["u0", "u1", "nobody"], "colour": ["red", "blue", "red"]}).to_parquet(
        tmp_path / "users.parquet"
    )
    config = DataConfig(
        path=str(events_csv(tmp_path)),
        user_table=str(tmp_path / "users.parquet"),
        item_table=str(tmp_path / "items.csv"),
    )
    dataset = load(config, silent)
    assert dataset.title == "Title"
    assert dataset.item_table["Title"].tolist()[:2] == ["Item 0", "Item 1"]
    assert dataset.item_table["price"].isna().tolist() == [False, False, True, False] + [
        True
    ] * 3 + [False]
    assert any("items.csv describes 4 of 8 ids" in note for note in dataset.notes)
    assert set(dataset.sha256) == {"events.csv", "users.parquet", "items.csv"}
    prepared = prepare(dataset, config, 0)
    assert [(spec.name, spec.kind) for spec in prepared.item_specs] == [
        ("price", "numeric"),
        ("genres", "multi_categorical"),
    ]
    assert [spec.name for spec in prepared.user_specs] == ["colour"]
    assert prepared.user_features["colour"].tolist() == [0, 3, 2, 0, 0, 0, 0]
    assert prepared.item_features["genres"].shape == (9, 2)
    chosen = DataConfig(item_features=("Title:tokens",), user_features=())
    prepared = prepare(dataset, chosen, 0)
    assert [spec.kind for spec in prepared.item_specs] == ["tokens"]
    assert prepared.user_specs == ()


def test_features_learn_from_training_only():
    frame = pd.DataFrame({"user": [1, 1, 1, 2, 2, 2], "item": [1, 2, 3, 1, 2, 4], "time": range(6)})
    table = pd.DataFrame({"price": [1.0, 3.0, 500.0, 700.0], "kind": ["a", "b", "c", "d"]})
    dataset = Dataset("x", Interactions.from_frame(frame), item_table=table)
    prepared = prepare(dataset, DataConfig(), 0)
    trained = np.unique(prepared.split.train.item)
    price = prepared.item_features["price"][trained, 0]
    assert set(trained) == {1}
    np.testing.assert_allclose(price.mean(), 0, atol=1e-6)
    assert prepared.item_features["kind"].tolist() == [0, 2, 1, 1, 1]


def test_tables_and_candidates_follow_cleaning(tmp_path):
    (tmp_path / "train.csv").write_text("user,item\n" + "1,5\n1,6\n1,7\n2,6\n2,7\n2,5\n3,9\n")
    (tmp_path / "test.csv").write_text("user,item\n1,8\n2,8\n")
    (tmp_path / "lists.tsv").write_text("1 9 5\n2 7 9\n3 5 6\n")
    (tmp_path / "items.csv").write_text("id,name\n5,five\n6,six\n7,seven\n8,eight\n9,nine\n")
    config = DataConfig(
        train=str(tmp_path / "train.csv"),
        test=str(tmp_path / "test.csv"),
        candidates=str(tmp_path / "lists.tsv"),
        item_table=str(tmp_path / "items.csv"),
        cleaning=Cleaning(min_user_events=2),
    )
    dataset = prepare(load(config, silent), config, 0).dataset
    assert dataset.interactions.items.ids.tolist() == [5, 6, 7, 8]
    assert dataset.interactions.users.ids.tolist() == [1, 2]
    assert dataset.item_table["name"].tolist() == ["five", "six", "seven", "eight"]
    assert dataset.candidates.tolist() == [[0, 0], [0, 1], [3, 0]]


def test_cleaning_is_told_and_values_are_scaled(tmp_path):
    config = DataConfig(
        path=str(events_csv(tmp_path)),
        cleaning=Cleaning(min_value=2.0),
        normalisation=Normalisation("binary", above=3.0),
    )
    prepared = prepare(load(config, silent), config, 0)
    assert [step.name for step in prepared.cleaning] == ["value threshold"]
    assert prepared.cleaning[0].events > 0
    assert set(prepared.split.train.value.tolist()) == {0.0, 1.0}
    assert prepared.dataset.interactions.value.max() == 5.0


# One sentence for what is wrong ------------------------------------------------------------------


def csv(folder, text):
    (folder / "a.csv").write_text(text)
    return {"path": str(folder / "a.csv")}


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (
            {"path": "nowhere"},
            r"'nowhere' is neither a file nor a known data set; .* ml-100k",
        ),
        ({"path": "nowhere.csv", "format": "csv"}, "'nowhere.csv' is neither"),
        ({"path": None}, r"no data is named; give --data\.path"),
        ({"test": "a.csv"}, r"needs --data\.train"),
    ],
)
def test_a_wrong_place_is_one_sentence(config, sentence):
    with pytest.raises(InputError, match=sentence):
        load(DataConfig(**config), silent)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("user,item\n1,1\n1,2\n", "only one user"),
        ("user,item\n1,1\n2,1\n", "only one item"),
        ("user,item\n", "a header and no events"),
    ],
)
def test_too_little_data_is_one_sentence(tmp_path, text, sentence):
    with pytest.raises(InputError, match=sentence):
        load(DataConfig(**csv(tmp_path, text)), silent)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("id,x\n", "describes none of the ids"),
        ("id,x\n77,1\n", "describes none of the ids.*'id', begins with 77, theirs with 1"),
        ("id,x\n1,1\n1,2\n", "has the id 1 twice"),
        ("1,2\n", "has no line of column names"),
        ("id,x\n1,1\n2\n", "cannot be read as a table"),
    ],
)
def test_a_wrong_table_is_one_sentence(tmp_path, text, sentence):
    config = csv(tmp_path, "user,item\n1,1\n2,2\n")
    (tmp_path / "items.csv").write_text(text)
    with pytest.raises(InputError, match=sentence):
        load(DataConfig(**config, item_table=str(tmp_path / "items.csv")), silent)


def test_a_table_may_be_packed_and_holds_what_it_holds(tmp_path):
    config = csv(tmp_path, "user,item\n1,1\n2,2\n")
    text = 'id\twhen\tflag\tname\n2\t2020-01-01\ttrue\t"a\tb"\n1\t\t\t\n'
    (tmp_path / "items.tsv.gz").write_bytes(gzip.compress(text.encode()))
    table = load(DataConfig(**config, item_table=str(tmp_path / "items.tsv.gz")), silent).item_table
    assert table.iloc[1].tolist() == ["2020-01-01", True, "a\tb"]
    assert table.iloc[0].isna().all()


def test_a_torn_table_is_one_sentence(tmp_path):
    config = csv(tmp_path, "user,item\n1,1\n2,2\n")
    (tmp_path / "items.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="torn or no Parquet file"):
        load(DataConfig(**config, item_table=str(tmp_path / "items.parquet")), silent)
    with pytest.raises(InputError, match="there is no file"):
        load(DataConfig(**config, item_table=str(tmp_path / "none.csv")), silent)


def test_a_known_name_wins_over_a_file_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JAXREC_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "gowalla").write_text("user,item\n1,1\n2,2\n")
    with pytest.raises(InputError, match="gowalla is not in"):
        load(DataConfig(path="gowalla"), silent)
    assert len(load(DataConfig(path="./gowalla"), silent).interactions) == 2


def test_ml_100k_whole(data_root, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if not (data_root / "ml-100k").is_dir():
        pytest.skip("ml-100k is not in JAXREC_DATA")
    said = []
    prepared = prepare(load(DataConfig(), said.append), DataConfig(), 0)
    assert said[0].startswith("licence of ml-100k")
    assert len(prepared.split.test) == 943
    assert {spec.name: spec.kind for spec in prepared.user_specs} == {
        "age": "numeric",
        "gender": "categorical",
        "occupation": "categorical",
    }
    assert {spec.name: spec.kind for spec in prepared.item_specs} == {
        "year": "numeric",
        "genres": "multi_categorical",
    }
    assert prepared.dataset.item_table["title"][0] == "Toy Story (1995)"
