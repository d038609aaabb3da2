"""MovieLens folders: every edition gives one schema."""

import gzip

import numpy as np
import pandas as pd
import pytest

from jaxrec.data.sources import formats, movielens
from jaxrec.data.sources.events import Columns, Files
from jaxrec.errors import InputError

TITLES = ["Toy Story (1995)", "Misérables, Les (1998)", "unknown", "Babylon 5"]
FLAGS = "0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0"  # Animation, Children's, Comedy
NONE = "|".join("0" * 19)


def edition_100k(folder):
    (folder / "u.data").write_text("1\t1\t5\t10\n2\t2\t4\t20\n2\t3\t3\t15\n")
    lines = [
        f"1|Toy Story (1995)|01-Jan-1995||http://x|{FLAGS}",
        f"2|Misérables, Les (1998)|||http://y|{NONE}",
        f"3|unknown||||1|{'|'.join('0' * 18)}",
    ]
    (folder / "u.item").write_bytes("\n".join(lines).encode("latin-1"))
    (folder / "u.user").write_text("1|24|M|technician|85711\n2|53|F|other|94043\n")


def edition_recbole(folder):
    (folder / "ml-100k.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        "1\t1\t5\t10\n2\t2\t4\t20\n2\t3\t3\t15\n"
    )
    (folder / "ml-100k.item").write_text(
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "1\tToy Story\t1995\tAnimation Children's Comedy\n2\tMisérables, Les\t1998\t\n"
        "3\tunkonwn\tunkonwn\tunknown\n"
    )
    (folder / "ml-100k.user").write_text(
        "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
        "1\t24\tM\ttechnician\t85711\n2\t53\tF\tother\t94043\n"
    )


def edition_1m(folder):
    (folder / "ratings.dat").write_text("1::1::5::10\n2::2::4::20\n2::3::3::15\n")
    lines = ["1::Toy Story (1995)::Animation|Children's|Comedy", "2::Misérables, Les (1998)::"]
    lines += ["3::unknown::unknown", "4::Never: Seen (2000)::Drama"]
    (folder / "movies.dat").write_bytes("\n".join(lines).encode("latin-1"))
    (folder / "users.dat").write_text("1::M::24::technician::85711\n2::F::53::other::94043\n")


def edition_20m(folder):
    (folder / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,1,5.0,10\n2,2,4,20\n2,3,3,15\n"
    )
    (folder / "movies.csv").write_text(
        "movieId,title,genres\n1,Toy Story (1995),Animation|Children's|Comedy\n"
        '2,"Misérables, Les (1998)",(no genres listed)\n3,unknown,unknown\n'
    )
    (folder / "tags.csv").write_text("userId,movieId,tag,timestamp\n")


def edition_order(folder):
    edition_1m(folder)
    (folder / "ratings.dat").unlink()
    text = "user,movie,rating,position\n1,1,5,0\n2,2,4,1\n2,3,3,0\n"
    (folder / "ratings_order.csv.gz").write_bytes(gzip.compress(text.encode()))


EDITIONS = [edition_100k, edition_recbole, edition_1m, edition_20m, edition_order]


@pytest.mark.parametrize("edition", EDITIONS)
def test_every_edition_has_one_schema(tmp_path, edition):
    edition(tmp_path)
    dataset = movielens.read(Files(tmp_path))
    events = dataset.interactions
    assert events.users.raw(events.user).tolist() == [1, 2, 2]
    assert events.items.raw(events.item).tolist() == [1, 3, 2]
    assert events.value.tolist() == [5, 3, 4]
    assert events.order == ("position" if edition is edition_order else "time")
    if edition is not edition_order:
        assert events.timestamp.tolist() == [10, 15, 20]
    items = dataset.item_table
    assert list(items.columns) == ["title", "year", "genres"]
    assert items["title"].tolist() == TITLES[:3]
    np.testing.assert_array_equal(items["year"], [1995, 1998, np.nan])
    assert items["genres"].tolist() == [["Animation", "Children's", "Comedy"], [], ["unknown"]]
    assert dataset.title == "title"
    if edition is edition_20m:
        assert dataset.user_table is None
    else:
        users = dataset.user_table
        assert list(users.columns) == ["age", "gender", "occupation", "zip"]
        assert users.loc[1].tolist() == [53.0, "F", "other", "94043"]


@pytest.mark.parametrize("edition", EDITIONS[1:2])
def test_the_mirror_equals_the_original(tmp_path, edition):
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    edition_100k(tmp_path / "one")
    edition(tmp_path / "other")
    one, other = (movielens.read(Files(tmp_path / name)) for name in ("one", "other"))
    pd.testing.assert_frame_equal(one.item_table, other.item_table)
    pd.testing.assert_frame_equal(one.user_table, other.user_table)


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Heat (1995)", ("Heat (1995)", 1995.0)),
        ("Land Before Time III: x (1995) (V)", ("Land Before Time III: x (1995)", 1995.0)),
        ("Sabrina (1954) ", ("Sabrina (1954)", 1954.0)),
        ("Fawlty Towers (1975-1979)", ("Fawlty Towers (1975)", 1975.0)),
        ("2001: A Space Odyssey (1968)", ("2001: A Space Odyssey (1968)", 1968.0)),
        ("(500) Days of Summer (2009)", ("(500) Days of Summer (2009)", 2009.0)),
        ("Babylon 5", ("Babylon 5", None)),
    ],
)
def test_the_year_is_taken_from_the_title(title, expected):
    assert movielens.split_title(title) == expected


def test_a_folder_is_known_by_its_ratings(tmp_path):
    with pytest.raises(InputError, match=r"holds none of u\.data"):
        movielens.read(Files(tmp_path))
    edition_100k(tmp_path)
    assert formats.guess_format(tmp_path) == "movielens"
    assert len(formats.read(Files(tmp_path), Columns()).interactions) == 3
    with pytest.raises(InputError, match="is a file where a folder is expected"):
        movielens.read(Files(tmp_path / "u.data"))
    with pytest.raises(InputError, match="is read whole"):
        movielens.read(Files(train=tmp_path, test=tmp_path))


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("u.data", "1\t1\tx\t10\n", "line 1: the value 'x'"),
        ("u.data", "1\t1\t10\n", "line 1: 3 fields where 4 are expected"),
        ("u.data", "", "is empty"),
        ("u.item", "1|Toy Story\n", "line 1 has 2 fields"),
        ("u.user", "1|24|M\n", "line 1: 3 fields where 5 are expected"),
        ("u.user", "1|M|24|x|1\n", "the age 'M' is not a number"),
        ("u.user", "1|24|M|x|1\n1|24|M|x|1\n", "has the id 1 twice"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path, name, text, sentence):
    edition_100k(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=sentence):
        movielens.read(Files(tmp_path))
