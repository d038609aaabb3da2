"""RecBole's atomic files."""

import numpy as np
import pytest

from jaxrec.data.sources import formats, recbole
from jaxrec.data.sources.events import Columns, Files
from jaxrec.errors import InputError

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\nb\t2\t5\t20\na\t1\t4\t10\n"
ITEM = (
    "item_id:token\ttitle:token_seq\tprice:float\tclass:token_seq\tvector:float_seq\n"
    '2\tThe "Big" One\t1.5\tx y\t1 2\n9\tNever seen\t1\t\t3 4\n1\t\t\tx\t\n'
)


def write(folder, inter=INTER, item=ITEM):
    (folder / "x.inter").write_text(inter)
    (folder / "x.item").write_text(item)
    return folder


@pytest.mark.parametrize("name", ["", "x.inter"])
def test_events_and_typed_tables(tmp_path, name):
    write(tmp_path)
    dataset = formats.read(Files(tmp_path / name), Columns())
    events = dataset.interactions
    assert events.users.ids.tolist() == ["a", "b"]
    assert events.items.raw(events.item).tolist() == [1, 2]
    assert events.value.tolist() == [4, 5]
    table = dataset.item_table
    assert table["title"].tolist() == [[], ["The", '"Big"', "One"]]
    np.testing.assert_array_equal(table["price"], [np.nan, 1.5])
    assert table["class"].tolist() == [["x"], ["x", "y"]]
    assert table["vector"].tolist() == [[], [1.0, 2.0]]
    assert dataset.title == "title"
    assert dataset.user_table is None
    assert list(dataset.sha256) == ["x.inter", "x.item"]


@pytest.mark.parametrize(
    ("inter", "item", "sentence"),
    [
        (INTER.replace(":token", "", 1), ITEM, "column 'user_id' has no type"),
        (INTER.replace("float", "number", 1), ITEM, "column 'rating:number' has no type"),
        (INTER.replace("item_id", "thing"), ITEM, "no column looks like the item"),
        (INTER.replace("rating:float", "user_id:float"), ITEM, "names the column 'user_id' twice"),
        (INTER.split("\n", 1)[1], ITEM, "begins with data"),
        (INTER.split("\n")[0], ITEM, "a header and no events"),
        (INTER + "c\t1\tbad\t3\n", ITEM, "line 4: the value 'bad'"),
        (INTER, ITEM + "1\t2\n", "line 5: 2 fields where 5 are expected"),
        (INTER, ITEM.replace("1.5", "cheap"), "column 'price:float' does not hold numbers"),
        (INTER, ITEM + "2\t\t\t\t\n", "has the id 2 twice"),
    ],
)
def test_wrong_files_are_one_sentence(tmp_path, inter, item, sentence):
    write(tmp_path, inter, item)
    with pytest.raises(InputError, match=sentence):
        recbole.read(Files(tmp_path), Columns())


def test_a_folder_holds_one_data_set(tmp_path):
    with pytest.raises(InputError, match=r"holds no \.inter file"):
        recbole.read(Files(tmp_path), Columns())
    write(tmp_path)
    (tmp_path / "y.inter").write_text(INTER)
    with pytest.raises(InputError, match=r"holds 2 \.inter files"):
        recbole.read(Files(tmp_path), Columns())
