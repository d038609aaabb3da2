"""What `jaxrec data` shows and writes."""

import numpy as np
import pandas as pd
import pytest

from jaxrec.data.cleaning import Cleaning
from jaxrec.data.describe import describe, headline, to_frame, write_table
from jaxrec.data.interactions import Dataset, Interactions
from jaxrec.data.prepare import DataConfig, load, prepare
from jaxrec.errors import InputError


def _events(**more):
    frame = pd.DataFrame(
        {
            "user": ["b", "a", "a", "c"],
            "item": [10, 11, 10, 12],
            "rating": [1.0, 2.5, 4.0, 5.0],
            "timestamp": [0, 86_400, 172_800, 3_600],
        }
        | more
    )
    return Interactions.from_frame(frame)


def test_counts_density_time_and_activity_are_said():
    text = describe(Dataset("shop", _events(), licence="ours"))
    assert "shop: 4 events, 3 users, 3 items, density 44.4 %" in text
    assert "licence: ours" in text
    assert "1970-01-01 00:00 to 1970-01-03 00:00" in text
    assert "events of a user: min 1, quartiles 1, 1, 1.5, max 2, mean 1.333" in text


def test_kinds_of_event_and_tables_are_named():
    films = pd.DataFrame({"title": ["x", "y", "z"], "year": [1, 2, 3]})
    events = _events(event=["view", "buy", "view", "view"])
    text = describe(Dataset("shop", events, item_table=films, title="title"))
    assert "buy 1" in text
    assert "view 3" in text
    assert "item columns: title (the title), year" in text


def test_the_first_rows_are_shown_in_raw_ids():
    lines = describe(Dataset("shop", _events()), rows=2).splitlines()
    assert [line.split()[:2] for line in lines[-3:]] == [["user", "item"], ["a", "11"], ["a", "10"]]


def test_data_without_times_says_so():
    frame = pd.DataFrame({"user": [1, 1, 2], "item": [1, 2, 1]})
    events = Interactions.from_frame(frame)
    assert "no times" in describe(Dataset("shop", events))
    assert list(to_frame(events).columns) == ["user", "item", "value"]


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_a_table_is_read_again_as_it_was(tmp_path, ending):
    events = _events()
    path = tmp_path / f"events.{ending}"
    write_table(events, path)
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
    again = load(DataConfig(path=str(path))).interactions
    for name in ("user", "item", "value", "timestamp"):
        np.testing.assert_array_equal(getattr(again, name), getattr(events, name))
    assert again.users.ids.tolist() == ["a", "b", "c"]
    assert again.items.ids.tolist() == [10, 11, 12]


def test_a_missing_folder_is_made(tmp_path):
    write_table(_events(), tmp_path / "new" / "events.csv")
    assert (tmp_path / "new" / "events.csv").exists()


def test_an_unknown_ending_or_a_file_for_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="ending"):
        write_table(_events(), tmp_path / "events.xlsx")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_table(_events(), tmp_path / "file" / "events.csv")


def test_the_headline_says_sizes_parts_and_what_cleaning_removed():
    frame = pd.DataFrame(
        {"user": [1, 1, 1, 2, 2, 2], "item": [1, 2, 3, 1, 2, 3], "rating": [5, 4, 5, 3, 4, 1]}
    )
    dataset = Dataset("shop", Interactions.from_frame(frame))
    line = headline(prepare(dataset, DataConfig(), 0))
    assert line == "data: shop, 2 users, 3 items, events: 2 train, 2 validation, 2 test"
    cleaned = headline(prepare(dataset, DataConfig(cleaning=Cleaning(duplicates="last")), 0))
    assert "duplicates removed 0 events, 0 users, 0 items" in cleaned
