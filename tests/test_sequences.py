"""Lists of items: sequences in both forms, LightGCN folders and sessions."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrec.data.interactions import PARTS
from jaxrec.data.sources import formats, lightgcn, sequences, sessions
from jaxrec.data.sources.events import Columns, Files
from jaxrec.errors import InputError


def histories(events):
    """Each user's raw items in the order of events."""
    found = {user: [] for user in events.users.ids.tolist()}
    for user, item in zip(events.users.raw(events.user), events.items.raw(events.item)):
        found[user.item()].append(item.item())
    return found


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("1 5 6 5\n2 9\n3\n", "user"),
        ("1 5\n1 6\n2 9\n1 5\n", "event"),
        ("1\t5  6\r\n\r\n2 9\r\n1 5", "user"),
    ],
)
def test_both_forms_give_the_same_sequences(tmp_path, text, form):
    (tmp_path / "a.txt").write_text(text)
    dataset = sequences.read(Files(tmp_path / "a.txt"))
    events = dataset.interactions
    assert histories(events) == {1: [5, 6, 5], 2: [9]}
    assert events.order == "position"
    assert events.timestamp.tolist() == [0, 1, 2, 0]
    assert dataset.notes == (f"a.txt: one {form} a line",)


def test_sequences_in_parts_go_on(tmp_path):
    (tmp_path / "train.txt").write_text("1 5 6\n2 9 8\n")
    (tmp_path / "test.txt").write_text("1 7\n2 5\n")
    source = Files(train=tmp_path / "train.txt", test=tmp_path / "test.txt")
    events = sequences.read(source).interactions
    assert histories(events) == {1: [5, 6, 7], 2: [9, 8, 5]}
    assert [PARTS[part] for part in events.part] == ["train", "train", "test"] * 2
    assert events.timestamp.tolist() == [0, 1, 2, 0, 1, 2]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 50), max_size=6), min_size=1, max_size=10))
def test_sequences_are_read_as_written(tmp_path_factory, lists):
    path = tmp_path_factory.mktemp("lists") / "a.txt.gz"
    lines = [" ".join(map(str, [user, *items])) for user, items in enumerate(lists)]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    if not any(lists):
        with pytest.raises(InputError, match="users and no items"):
            sequences.read(Files(path))
        return
    events = sequences.read(Files(path)).interactions
    assert histories(events) == {user: items for user, items in enumerate(lists) if items}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"1\n2\n", "lists users and no items"),
        (b"1 2\n\xff 3\n", "is not UTF-8 in line 2"),
        (bytes(20) + b"1 2", "is a binary file"),
        (b"1 2\n" * 20_000 + b"\0\n", "is a binary file, not text: line 20001"),
        (gzip.compress(b"1 2\n3 4\n" * 99, mtime=0)[:-9], "is a torn or damaged .gz"),
    ],
)
def test_wrong_sequences_are_one_sentence(tmp_path, content, sentence):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        sequences.read(Files(tmp_path / "a.txt"))


# LightGCN ----------------------------------------------------------------------------------------


def test_a_lightgcn_folder_is_a_given_split(tmp_path):
    (tmp_path / "train.txt.gz").write_bytes(gzip.compress(b"0 3 1\n1 2\n2\n", mtime=0))
    (tmp_path / "test.txt").write_text("0 2\n1 \n2 3 4\n")
    for dataset in (
        lightgcn.read(Files(tmp_path)),
        formats.read(Files(tmp_path), Columns()),
        lightgcn.read(Files(train=tmp_path / "train.txt.gz", test=tmp_path / "test.txt")),
    ):
        events = dataset.interactions
        assert histories(events) == {0: [3, 1, 2], 1: [2], 2: [3, 4]}
        assert [PARTS[part] for part in events.part] == ["train"] * 2 + ["test", "train"] + [
            "test"
        ] * 2
        assert events.order == "row"
        assert dataset.name == tmp_path.name


def test_a_lightgcn_folder_may_validate(tmp_path):
    for name in ("train", "valid", "test"):
        (tmp_path / f"{name}.txt").write_text("0 1\n1 2\n")
    events = lightgcn.read(Files(tmp_path)).interactions
    assert [PARTS[part] for part in np.unique(events.part)] == ["train", "validation", "test"]


def test_a_lightgcn_folder_needs_its_files(tmp_path):
    with pytest.raises(InputError, match=r"holds no train\.txt"):
        lightgcn.read(Files(tmp_path))
    (tmp_path / "train.txt").write_text("0 1\n")
    with pytest.raises(InputError, match=r"holds no test\.txt"):
        lightgcn.read(Files(tmp_path))
    with pytest.raises(InputError, match="is a file where a folder is expected"):
        lightgcn.read(Files(tmp_path / "train.txt"))
    with pytest.raises(InputError, match="there is no folder"):
        lightgcn.read(Files(tmp_path / "none"))


# Sessions ----------------------------------------------------------------------------------------


def test_each_session_and_each_question_is_a_user(tmp_path):
    (tmp_path / "train.txt").write_text("1 2 1\n3 4\n")
    (tmp_path / "test.txt").write_text("1 4\t2\n1\t4\n\t3\n")
    source = Files(train=tmp_path / "train.txt", test=tmp_path / "test.txt")
    events = sessions.read(source).interactions
    assert histories(events) == {1: [1, 2, 1], 2: [3, 4], 3: [1, 4, 2], 4: [1, 4], 5: [3]}
    found = [PARTS[part] for part in events.part]
    assert (
        found
        == ["train"] * 5 + ["test_history", "test_history", "test", "test_history"] + ["test"] * 2
    )
    assert events.order == "position"


def test_sessions_without_parts(tmp_path):
    (tmp_path / "a.txt").write_text("7 7 8\n9 8\n")
    dataset = formats.read(Files(tmp_path / "a.txt"), Columns(), "sessions")
    assert histories(dataset.interactions) == {1: [7, 7, 8], 2: [9, 8]}


@pytest.mark.parametrize("text", ["1 2 3\n", "1 2\t\n", "\t\n1\n"])
def test_a_question_needs_its_target(tmp_path, text):
    (tmp_path / "train.txt").write_text("1 2\n")
    (tmp_path / "test.txt").write_text(text)
    with pytest.raises(InputError, match=r"line \d is not a prefix and a target"):
        sessions.read(Files(train=tmp_path / "train.txt", test=tmp_path / "test.txt"))


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(st.binary(max_size=80), st.text("01 \t\n\rab", max_size=60).map(str.encode)),
    st.sampled_from(["sequences", "sessions", "lightgcn", "recbole", "movielens"]),
)
def test_no_file_breaks_a_reader_of_lists(tmp_path_factory, content, format):
    folder = tmp_path_factory.mktemp("fuzz")
    for name in ("train.txt", "test.txt", "a.inter", "u.data", "u.item", "u.user"):
        (folder / name).write_bytes(content)
    in_folders = format in ("lightgcn", "movielens", "recbole")
    sources = [Files(folder if in_folders else folder / "train.txt")]
    if format == "sessions":
        sources.append(Files(train=folder / "train.txt", test=folder / "test.txt"))
    for source in sources:
        try:
            assert len(formats.read(source, Columns(), format).interactions) > 0
        except InputError:
            continue
