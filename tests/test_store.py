"""What was prepared comes back as it was, without its source."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from jaxrec.data import store
from jaxrec.data.cleaning import Cleaning
from jaxrec.data.interactions import COLUMNS, Dataset, Interactions
from jaxrec.data.normalisation import Normalisation
from jaxrec.data.prepare import DataConfig, prepare
from jaxrec.data.splits import GlobalTime, LeaveOneOut, UserHoldout
from jaxrec.errors import InputError


def dataset(text_ids=False, tables=False, events=False):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "user": random.integers(0, 30, 400),
            "item": random.integers(0, 20, 400),
            "rating": random.integers(1, 6, 400) / 2,
            "time": random.integers(0, 50, 400),
        }
    )
    if text_ids:
        frame["user"] = "ü " + frame["user"].astype(str)
        frame["item"] = frame["item"].astype(str) + "/é"
    if events:
        frame["event"] = np.where(frame["time"] % 2, "view", "buy")
    interactions = Interactions.from_frame(frame)
    num_users, num_items = len(interactions.users), len(interactions.items)
    if not tables:
        return Dataset("plain", interactions)
    item_table = pd.DataFrame(
        {
            "title": [f"Title {i}" for i in range(num_items)],
            "year": [1990.0 + i if i % 3 else np.nan for i in range(num_items)],
            "genres": pd.Series(
                [[f"g{j}" for j in range(i % 4)] if i % 5 else None for i in range(num_items)]
            ),
            "vector": pd.Series([[1.0 * i, 2.0] for i in range(num_items)]),
            "flag": pd.Series([bool(i % 2) for i in range(num_items)], dtype=object),
            "mixed": pd.Series([i if i % 2 else "ü" for i in range(num_items)], dtype=object),
        }
    )
    user_table = pd.DataFrame({"age": np.arange(num_users), "sex": ["f", None] * (num_users // 2)})
    return Dataset(
        "rich",
        interactions,
        user_table,
        item_table,
        candidates=random.integers(0, num_items, (num_users + 1, 7)).astype(np.int32),
        title="title",
        sha256={"a.csv": "00ff"},
        licence="none",
        notes=("one", "two"),
    )


def assert_events_equal(one, other):
    for name in COLUMNS:
        mine, its = getattr(one, name), getattr(other, name)
        if mine is None:
            assert its is None
            continue
        assert mine.dtype == its.dtype
        np.testing.assert_array_equal(mine, its)
    assert (one.event_names, one.order) == (other.event_names, other.order)
    for kind in ("users", "items"):
        mine, its = getattr(one, kind).ids, getattr(other, kind).ids
        assert mine.dtype == its.dtype
        np.testing.assert_array_equal(mine, its)


def assert_equal(one, other):
    assert_events_equal(one.dataset.interactions, other.dataset.interactions)
    for field in dataclasses.fields(one.split):
        mine, its = getattr(one.split, field.name), getattr(other.split, field.name)
        assert (mine is None) == (its is None)
        if mine is not None:
            assert_events_equal(mine, its)
            assert its.users is other.dataset.interactions.users
    for kind in ("user", "item"):
        mine, its = (getattr(x.dataset, f"{kind}_table") for x in (one, other))
        assert (mine is None) == (its is None)
        if mine is not None:
            pd.testing.assert_frame_equal(mine, its)
        mine, its = (getattr(x, f"{kind}_features") for x in (one, other))
        assert list(mine) == list(its)
        for name in mine:
            assert mine[name].dtype == its[name].dtype
            np.testing.assert_array_equal(mine[name], its[name])
    same = ("user_specs", "item_specs", "user_encodings", "item_encodings", "cleaning")
    for name in same:
        assert getattr(one, name) == getattr(other, name)
    for name in ("name", "title", "sha256", "licence", "notes"):
        assert getattr(one.dataset, name) == getattr(other.dataset, name)
    np.testing.assert_array_equal(
        np.asarray(one.dataset.candidates, object), np.asarray(other.dataset.candidates, object)
    )
    assert one.scale.config == other.scale.config
    np.testing.assert_array_equal(one.scale.offset, other.scale.offset)


@pytest.mark.parametrize("text_ids", [False, True])
@pytest.mark.parametrize("tables", [False, True])
@pytest.mark.parametrize(
    "config",
    [
        DataConfig(split=LeaveOneOut()),
        DataConfig(split=GlobalTime(), cleaning=Cleaning(min_value=1.0, duplicates="mean")),
        DataConfig(split=UserHoldout(), normalisation=Normalisation("z_score")),
    ],
    ids=["plain", "cleaned", "scaled"],
)
def test_everything_comes_back(tmp_path, text_ids, tables, config):
    prepared = prepare(dataset(text_ids, tables, events=tables), config, 3)
    store.save(prepared, tmp_path / "data")
    assert_equal(prepared, store.load(tmp_path / "data"))
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_what_stands_there_is_replaced(tmp_path):
    for source in (dataset(tables=True), dataset(text_ids=True)):
        prepared = prepare(source, DataConfig(), 0)
        store.save(prepared, tmp_path / "data")
        assert_equal(prepared, store.load(tmp_path / "data"))
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_save_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def full(*args, **options):
        raise OSError("no space left")

    monkeypatch.setattr(store.np, "savez", full)
    with pytest.raises(OSError, match="no space"):
        store.save(prepare(dataset(), DataConfig(), 0), tmp_path / "data")
    assert not list(tmp_path.iterdir())


def test_damaged_or_missing_data_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="there is no saved data in"):
        store.load(tmp_path / "data")
    store.save(prepare(dataset(tables=True), DataConfig(), 0), tmp_path / "data")
    for path in sorted((tmp_path / "data").iterdir()):
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(InputError, match="is damaged"):
            store.load(tmp_path / "data")
        path.write_bytes(whole)
    store.load(tmp_path / "data")
