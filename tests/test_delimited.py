"""Tables of events: what is read, and what is guessed and said."""

import gzip
import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrec.data.interactions import PARTS
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


def write(path, frame):
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        frame.to_parquet(path)
        return path
    if name.endswith(".jsonl"):
        text = frame.to_json(orient="records", lines=True)
    else:
        text = frame.to_csv(index=False, sep="\t" if name.endswith(".tsv") else ",")
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def read(path, format=None, **columns):
    return formats.read(Files(path), Columns(**columns), format)


def rows(events):
    """Each event as the raw values it came from."""
    return list(
        zip(
            events.users.raw(events.user).tolist(),
            events.items.raw(events.item).tolist(),
            events.value.tolist(),
            events.timestamp.tolist(),
            events.row.tolist(),
        )
    )


@pytest.mark.parametrize(
    "name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.csv.gz", "a.tsv.gz", "a.jsonl.gz"]
)
def test_every_table_gives_the_same_events(tmp_path, name):
    dataset = read(write(tmp_path / name, EVENTS))
    assert rows(dataset.interactions) == [
        (1, "a", 4.5, 10.0, 1),
        (2, "a", 1.0, 40.0, 3),
        (3, "c", 3.0, 20.0, 2),
        (3, "b", 5.0, 30.0, 0),
    ]
    assert dataset.interactions.order == "time"
    assert dataset.name == "a"
    assert list(dataset.sha256) == [name]
    assert "user = userId (guessed)" in dataset.notes[0]
    assert "value = rating (guessed)" in dataset.notes[0]


def test_the_digest_is_that_of_the_file(tmp_path):
    path = write(tmp_path / "a.csv", EVENTS)
    assert read(path).sha256 == {"a.csv": hashlib.sha256(path.read_bytes()).hexdigest()}


@pytest.mark.parametrize("delimiter", [";", "|", "\t", ","])
def test_another_delimiter_is_found(tmp_path, delimiter):
    text = EVENTS.to_csv(index=False, sep=delimiter)
    (tmp_path / "a.csv").write_text(text)
    assert len(read(tmp_path / "a.csv").interactions) == 4


def test_named_columns_win_over_guesses(tmp_path):
    frame = EVENTS.rename(columns={"userId": "who", "movieId": "what"}).assign(user=7)
    path = write(tmp_path / "a.csv", frame)
    dataset = read(path, user="who", item="what", value="timestamp", timestamp="rating")
    assert rows(dataset.interactions)[0] == (1, "a", 10.0, 4.5, 1)
    assert "guessed" not in dataset.notes[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("196\t242\t3\t881250949\n186\t302\t4\t891717742\n", (186, 302, 4.0, 891717742.0, 1)),
        ("7\t9\t881250949\n8\t9\t881250940\n", (7, 9, 1.0, 881250949.0, 0)),
        ("0\t0\t5\n1\t3\t2\n", (0, 0, 5.0, 0.0, 0)),
        ("u1\t5\nu2\t6\n", ("u1", 5, 1.0, 0.0, 0)),
    ],
)
def test_a_file_without_names_goes_by_place_and_says_so(tmp_path, text, expected):
    (tmp_path / "u.tsv").write_text(text)
    dataset = read(tmp_path / "u.tsv")
    assert rows(dataset.interactions)[0] == expected
    assert "it names no columns" in dataset.notes[0]


def test_columns_of_a_file_without_names_are_chosen_by_place(tmp_path):
    (tmp_path / "u.csv").write_text("5,1,9,881250949\n4,2,8,881250940\n")
    dataset = read(tmp_path / "u.csv", user="3", item="1", value="2", timestamp="4")
    assert rows(dataset.interactions)[0] == (8, 4, 2.0, 881250940.0, 1)


def test_ids_are_kept_as_they_are_written(tmp_path):
    (tmp_path / "a.csv").write_text('user,item\n007,"x, y"\n7,é ß\n,nan\n'.replace("\n,", "\n8,"))
    events = read(tmp_path / "a.csv").interactions
    assert events.users.ids.tolist() == ["007", "7", "8"]
    assert set(events.items.ids.tolist()) == {"x, y", "é ß", "nan"}


def test_a_byte_order_mark_spaces_blank_lines_and_windows_ends_do_no_harm(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfuser, item\r\n1, 2\r\n\r\n3 ,4\r\n1,5")
    events = read(tmp_path / "a.csv").interactions
    assert rows(events) == [(1, 2, 1, 0, 0), (1, 5, 1, 0, 2), (3, 4, 1, 0, 1)]


def test_quoted_fields_may_hold_newlines_across_blocks(tmp_path):
    (tmp_path / "a.csv").write_text('user,review,item\n1,"two\nlines",2\n2,"""q""",3\n')
    events = read(tmp_path / "a.csv").interactions
    assert events.items.ids.tolist() == [2, 3]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_dates_become_seconds(tmp_path, name):
    frame = EVENTS.assign(
        timestamp=["1970-01-01 00:00:30", "1970-01-02", "1970-01-01T00:00:10", "2000-01-01"]
    )
    events = read(write(tmp_path / name, frame)).interactions
    assert events.timestamp.tolist() == [86400.0, 946684800.0, 10.0, 30.0]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_kinds_of_event_are_coded(tmp_path, name):
    frame = EVENTS.assign(event=["view", "buy", "view", "cart"])
    events = read(write(tmp_path / name, frame)).interactions
    assert events.event_names == ("buy", "cart", "view")
    assert [events.event_names[code] for code in events.event] == ["buy", "cart", "view", "view"]


def test_parquet_keeps_dates_decimals_and_dictionaries(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet

    table = pa.table(
        {
            "user": pa.array(["x", "y"]).dictionary_encode(),
            "item": pa.array([2, 1], pa.int16()),
            "rating": pa.array([True, False]),
            "time": pa.array([1_000, 2_000], pa.timestamp("ms", tz="Europe/Berlin")),
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert rows(read(tmp_path / "a.parquet").interactions) == [
        ("x", 2, 1.0, 1.0, 0),
        ("y", 1, 0.0, 2.0, 1),
    ]


def test_positions_are_no_times(tmp_path):
    events = read(write(tmp_path / "a.csv", EVENTS), order="position").interactions
    assert events.order == "position"


# Data sets that are split ------------------------------------------------------------------------


def test_parts_share_ids_and_are_marked(tmp_path):
    (tmp_path / "train.tsv").write_text("0\t0\t5\n1\t1\t4\n0\t2\t3\n")
    (tmp_path / "test.tsv").write_text("0\t1\t5\t978824351\n1\t3\t2\t978300174\n")
    (tmp_path / "negative.tsv").write_text("(0,1)\t2\t3\t99\n(1,3)\t0\n")
    source = Files(
        train=tmp_path / "train.tsv",
        test=tmp_path / "test.tsv",
        candidates=tmp_path / "negative.tsv",
    )
    dataset = formats.read(source, Columns(), "tsv")
    events = dataset.interactions
    assert [PARTS[part] for part in events.part] == ["train", "train", "test", "train", "test"]
    assert events.row.tolist() == [0, 2, 3, 1, 4]
    assert events.order == "row"
    assert dataset.candidates.tolist() == [[0, 0, 0], [3, 4, 0], [1, 0, 0]]
    assert any("timestamp column is left out" in note for note in dataset.notes)
    assert any("1 candidates are items without events" in note for note in dataset.notes)
    assert list(dataset.sha256) == ["train.tsv", "test.tsv", "negative.tsv"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("(5,1)\t2\n", "a user without events"),
        ("(0,1)\n", "line 1 lists no candidates"),
        ("0 1\n0 2\n", "two lists for one user"),
    ],
)
def test_wrong_candidates_are_refused(tmp_path, text, sentence):
    (tmp_path / "a.csv").write_text("user,item\n0,1\n1,2\n")
    (tmp_path / "c.tsv").write_text(text)
    with pytest.raises(InputError, match=sentence):
        formats.read(Files(tmp_path / "a.csv", candidates=tmp_path / "c.tsv"), Columns(), "csv")


def test_mixed_ids_of_parts_meet(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet

    pyarrow.parquet.write_table(pa.table({"user": [1, 2], "item": [1, 2]}), tmp_path / "a.parquet")
    pyarrow.parquet.write_table(
        pa.table({"user": ["2", "1"], "item": ["1", "3"]}), tmp_path / "b.parquet"
    )
    source = Files(train=tmp_path / "a.parquet", test=tmp_path / "b.parquet")
    events = formats.read(source, Columns(), "parquet").interactions
    assert events.users.ids.tolist() == [1, 2]
    assert events.items.ids.tolist() == [1, 2, 3]


# Properties --------------------------------------------------------------------------------------

ids = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=6).filter(
    lambda text: text.strip() == text
)
PIECES = 'user,item\t;"\n\r0123.e-naninf '
numbers = st.floats(-1e6, 1e6, width=32)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(ids, ids, numbers, numbers), min_size=1, max_size=20))
def test_what_is_written_is_read(tmp_path_factory, events):
    folder = tmp_path_factory.mktemp("events")
    frame = pd.DataFrame(events, columns=["user", "item", "rating", "time"])
    write(folder / "a.csv", frame)
    write(folder / "a.jsonl", frame.map(lambda x: x) if len(frame) else frame)
    records = [json.dumps(dict(zip(frame.columns, event))) for event in events]
    (folder / "a.jsonl").write_text("\n".join(records))
    one = read(folder / "a.csv").interactions
    other = read(folder / "a.jsonl").interactions
    expected = sorted((str(user), str(item), row) for row, (user, item, _, _) in enumerate(events))
    for found in (one, other):
        got = [(str(u), str(i), r) for u, i, _, _, r in rows(found)]
        assert sorted(got) == expected
        order = np.argsort(found.row)
        np.testing.assert_array_equal(found.value[order], np.float32([e[2] for e in events]))
        np.testing.assert_allclose(found.timestamp[order], [e[3] for e in events], rtol=1e-12)


@settings(max_examples=120, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.text(st.sampled_from(PIECES + ":{}[]\0é"), max_size=120).map(str.encode),
        st.text(st.sampled_from(PIECES), max_size=80).map(
            lambda text: ("user,item,rating,time\n1,2,3,4\n" + text).encode()
        ),
    ),
    st.sampled_from(["csv", "tsv", "jsonl", "parquet", None]),
    st.booleans(),
)
def test_no_file_breaks_a_reader(tmp_path_factory, content, format, packed):
    path = tmp_path_factory.mktemp("fuzz") / "events"
    path.write_bytes(gzip.compress(content)[: len(content) + 5] if packed else content)
    try:
        events = read(path, format).interactions
    except InputError:
        return
    assert len(events) > 0
    assert np.isfinite(events.value).all()
    assert np.isfinite(events.timestamp).all()
