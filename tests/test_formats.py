"""Names of formats, and telling the format by the files."""

import gzip
from typing import get_args, get_type_hints

import pytest

from jaxrec.data.prepare import DataConfig
from jaxrec.data.sources import formats
from jaxrec.data.sources.events import Columns, Files
from jaxrec.errors import InputError


def test_the_config_knows_the_same_names():
    literal, _ = get_args(get_type_hints(DataConfig)["format"])
    assert get_args(literal) == tuple(formats.READERS)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", b"", "csv"),
        ("a.TSV.gz", b"", "tsv"),
        ("a.pq", b"", "parquet"),
        ("a.ndjson", b"", "jsonl"),
        ("a.inter", b"", "recbole"),
        ("a.txt", b"1 2 3\n", "sequences"),
        ("a.txt.gz", gzip.compress(b"1 2 3\n", mtime=0), "sequences"),
        ("a.dat", b"user\titem\n", "tsv"),
        ("a.dat", b"\nuser;item\n", "csv"),
        ("a", b'{"user": 1}\n', "jsonl"),
        ("a", b"PAR1xxxx", "parquet"),
    ],
)
def test_a_file_is_told_by_suffix_or_content(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    assert formats.guess_format(tmp_path / name) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["ratings.dat"], "movielens"),
        (["ratings.csv.gz"], "movielens"),
        (["u.data", "train.txt", "test.txt"], "movielens"),
        (["x.inter", "x.item"], "recbole"),
        (["train.txt.gz", "test.txt"], "lightgcn"),
    ],
)
def test_a_folder_is_told_by_its_files(tmp_path, names, expected):
    for name in names:
        (tmp_path / name).write_text("x")
    assert formats.guess_format(tmp_path) == expected


def test_what_is_not_known_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="looks like none of movielens, recbole and lightgcn"):
        formats.guess_format(tmp_path)
    with pytest.raises(InputError, match="no format is called 'xls'; the formats are csv, tsv"):
        formats.read(Files(tmp_path), Columns(), "xls")
    with pytest.raises(InputError, match="there is no file"):
        formats.guess_format(tmp_path / "none")
    with pytest.raises(InputError, match="there is no file"):
        formats.guess_format(tmp_path / "a\0b.csv")
