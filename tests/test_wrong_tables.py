"""Tables that cannot be read: one sentence each, which names the file, the line and the fix."""

import gzip

import numpy as np
import pandas as pd
import pytest

from jaxrec.data.sources import formats
from jaxrec.data.sources.events import Columns, Files
from jaxrec.errors import InputError

EVENTS = pd.DataFrame(
    {
        "userId": [3, 1, 3, 2],
        "movieId": ["b", "a", "c", "a"],
        "rating": [5.0, 4.5, 3.0, 1.0],
        "timestamp": [30, 10, 20, 40],
    }
)


def read(path, format=None, **columns):
    return formats.read(Files(path), Columns(**columns), format)


HEADER = "user,item,rating,time\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"user,item,rating\n", "holds a header and no events"),
        (b"user,rating\n1,2\n", "no column looks like the item.* the columns are user, rating"),
        (b"user,item,user\n1,2,3\n", "names the column 'user' twice"),
        (b"user\n1\n2\n", "has the one column 'user'"),
        (HEADER.encode() + b"1,2,3,4\n1,2,good,4\n", "line 3: the value 'good'.* is not a number"),
        (HEADER.encode() + b"1,2,3,4\n1,2,3,nan\n", "line 3: the timestamp 'nan'.* is not finite"),
        (HEADER.encode() + b"1,2,3,inf\n", "line 2: the timestamp 'inf'.* is not finite"),
        (HEADER.encode() + b"1,2,3,-1e999\n", "line 2: the timestamp '-1e999'.* is not finite"),
        (HEADER.encode() + b"1,2,3,4\n\n,2,3,4\n", r"line 4: the user \(column user\) is empty"),
        (HEADER.encode() + b"1,  ,3,4\n", r"line 2: the item \(column item\) is empty"),
        (HEADER.encode() + b"1,2,,4\n", r"line 2: the value \(column rating\) is empty"),
        (HEADER.encode() + b"1,2,3,4\n1,2,3\n", "line 3: 3 fields where 4 are expected"),
        (
            HEADER.encode() + b"1,2,3,2020-01-01\n1,2,3,soon\n",
            "line 3: the timestamp 'soon'.* is not a date",
        ),
        (
            HEADER.encode() + b"1,2,3,02/03/2024\n1,2,3,05/03/2024\n",
            "the timestamp '02/03/2024' may have its month or its day first",
        ),
        (
            HEADER.encode() + b"1,2,3,02/03/2024\n1,2,3,soon\n",
            "line 3: the timestamp 'soon'.* is not a date",
        ),
        (HEADER.encode() + b"1,2,3,4\n1,\xff\xfe,3,4\n", "is not UTF-8 in line 3"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "is a picture"),
        (b"MZ\x90\x00\x03" + bytes(range(200)), "is a binary file"),
        (b"PAR1" + bytes(50), "is a Parquet file; give --data.format parquet"),
        (b"PK\x03\x04" + bytes(50), "is a zip archive"),
        ("user,item\n1,2\n".encode("utf-16"), "is text in UTF-16"),
        (
            gzip.compress(HEADER.encode() + b"1,2,3,4\n" * 9999, mtime=0)[:-60],
            "is a torn or damaged .gz",
        ),
        (gzip.compress(b"", mtime=0)[:9], "is a torn or damaged .gz"),
    ],
)
def test_a_wrong_csv_is_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=sentence) as caught:
        read(path, "csv")
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"[1]\n", "line 1 is not a JSON object"),
        (b'{"user": 1, "item": 2}\n{"user": 1,\n', "line 2 is not JSON"),
        (
            b'{"user": 1, "rating": 2}\n',
            "no column looks like the item.* the columns are user, rating",
        ),
        (b'{"user": 1, "item": 2}\n{"user": 1}\n', r"line 2: the item \(field item\) is missing"),
        (b'{"user": 1.5, "item": 2}\n', "line 1: the user .* neither text nor a whole number"),
        (b'{"user": 1, "item": 2, "rating": "x"}\n', "line 1: the value .*'x' is not a number"),
        (b'{"user": 1, "item": 2, "time": NaN}\n', "line 1: the timestamp .* is not finite"),
        (b'{"user": 1, "item": 2, "time": Infinity}\n', "line 1: the timestamp .* is not finite"),
        (b'{"user": 1, "item": 2}\n{"user": "\xff"}\n', "is not UTF-8 in line 2"),
        (b'{"user": 1, "item": ' + b"[" * 9999 + b"\n", "line 1 is not JSON"),
    ],
)
def test_a_wrong_jsonl_is_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=sentence) as caught:
        read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (EVENTS[:0], "has columns and no events"),
        (EVENTS[["userId", "rating"]], "no column looks like the item"),
        (EVENTS.assign(rating=[1, 2, np.inf, 3]), r"the value .* is inf in row 3"),
        (EVENTS.assign(timestamp=[1, None, 2, 3]), r"the timestamp .* is missing in row 2"),
        (EVENTS.assign(rating=["a", "b", "c", "d"]), "the value .* cannot be read as numbers"),
        (EVENTS.assign(userId=[1.5, 2, 3, 4]), "the user .* ids are whole numbers or text"),
    ],
)
def test_a_wrong_parquet_is_one_sentence(tmp_path, frame, sentence):
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=sentence):
        read(tmp_path / "a.parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all"])
def test_a_torn_parquet_is_one_sentence(tmp_path, content):
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(InputError, match=r"is empty|torn or no Parquet file"):
        read(tmp_path / "a.parquet")


def test_every_cut_of_a_parquet_file_is_refused(tmp_path):
    EVENTS.to_parquet(tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    for length in range(1, len(whole), 97):
        (tmp_path / "b.parquet").write_bytes(whole[:length])
        with pytest.raises(InputError, match="torn or no Parquet file"):
            read(tmp_path / "b.parquet")


def test_a_missing_file_and_a_folder_are_one_sentence(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        read(tmp_path / "none.csv", "csv")
    with pytest.raises(InputError, match="is a folder where a file is expected"):
        read(tmp_path, "csv")
    EVENTS.to_csv(tmp_path / "a.csv")
    with pytest.raises(InputError, match="there is no column 'who' for the user; the columns are"):
        read(tmp_path / "a.csv", user="who")
    with pytest.raises(InputError, match=r"needs --data\.train"):
        formats.read(Files(test=tmp_path / "a.csv"), Columns(), "csv")


def test_an_error_late_in_a_long_file_names_its_line(tmp_path):
    lines = [f"{i % 50},{i % 70},{i % 5}" for i in range(20_000)]
    lines[15_000] = "1,2,three"
    (tmp_path / "a.csv").write_text("user,item,rating\n" + "\n".join(lines) + "\n")
    with pytest.raises(InputError, match="line 15002: the value 'three'"):
        read(tmp_path / "a.csv")
