"""Data sets by name: found, fetched, licensed; and the shared ones are what they are said to be."""

import hashlib
import io
import subprocess
import urllib.error
import zipfile

import numpy as np
import pytest

from jaxrec.data.interactions import PARTS
from jaxrec.data.sources import fetch, named
from jaxrec.errors import InputError

U_DATA = "1\t1\t5\t10\n2\t2\t4\t20\n"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache, no shared data and no network."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("JAXREC_DATA", raising=False)

    def unreachable(*args, **options):
        raise urllib.error.URLError("no network in tests")

    monkeypatch.setattr(fetch.urllib.request, "urlopen", unreachable)
    monkeypatch.setattr(fetch.subprocess, "run", unreachable)
    return tmp_path


def archive(prefix, contents):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, text in contents.items():
            file.writestr(prefix + name, text)
    return packed.getvalue()


def digests(contents):
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in contents.items()}


# Where it is looked for --------------------------------------------------------------------------


def test_the_shared_folder_wins_over_the_cache(home, monkeypatch):
    shared, cached = home / "shared" / "ml-100k", home / "cache" / "jaxrec" / "ml-100k"
    assert named.find(named.NAMED["ml-100k"]) is None
    cached.mkdir(parents=True)
    (cached / "u.data").write_text(U_DATA)
    assert named.find(named.NAMED["ml-100k"]) == cached
    monkeypatch.setenv("JAXREC_DATA", str(home / "shared"))
    assert named.find(named.NAMED["ml-100k"]) == cached
    shared.mkdir(parents=True)
    (shared / "u.data").write_text(U_DATA)
    assert named.find(named.NAMED["ml-100k"]) == shared


def test_what_is_not_there_and_cannot_be_fetched_says_where_to_get_it(home):
    with pytest.raises(InputError, match=r"gowalla is not in .*LightGCN.*JAXREC_DATA") as caught:
        named.read("gowalla", print)
    assert str(home / "cache" / "jaxrec" / "gowalla") in str(caught.value)


def test_criteo_is_no_interaction_data(home):
    folder = home / "cache" / "jaxrec" / "criteo-10k"
    folder.mkdir(parents=True)
    (folder / "train_examples.txt").write_text("0\t1\n")
    with pytest.raises(InputError, match="no users and items"):
        named.read("criteo", print)


def test_the_licence_is_said_once(home):
    folder = home / "cache" / "jaxrec" / "ml-100k"
    folder.mkdir(parents=True)
    (folder / "u.data").write_text(U_DATA)
    said = []
    first, second = named.read("ml-100k", said.append), named.read("ml-100k", said.append)
    assert [line.split(":")[0] for line in said] == ["licence of ml-100k"]
    assert first.licence == second.licence == named.MOVIELENS
    assert first.name == "ml-100k"


def test_a_cache_that_cannot_be_written_says_the_licence_again(home, monkeypatch):
    monkeypatch.setenv("JAXREC_DATA", str(home / "shared"))
    folder = home / "shared" / "ml-100k"
    folder.mkdir(parents=True)
    (folder / "u.data").write_text(U_DATA)
    (home / "cache").write_text("a file where the cache should be")
    said = []
    for _ in range(2):
        named.read("ml-100k", said.append)
    assert len(said) == 2


# Fetching ----------------------------------------------------------------------------------------

OFFICIAL = {"u.item": f"1|Heat (1995)|||{'|0' * 19}\n", "u.user": "1|9|M|x|1\n", "u.data": U_DATA}
MIRROR = {
    "ml-100k.item": "item_id:token\tt:token\ty:token\tc:token\n1\tHeat\t1995\tCrime\n",
    "ml-100k.user": "user_id:token\ta:token\tg:token\to:token\tz:token\n1\t9\tM\tx\t1\n",
    "ml-100k.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + U_DATA,
}


def test_the_official_address_comes_first(home, monkeypatch):
    asked = []

    def answer(address, timeout):
        asked.append((address, timeout))
        return io.BytesIO(archive("ml-100k/", OFFICIAL))

    monkeypatch.setattr(fetch.urllib.request, "urlopen", answer)
    monkeypatch.setattr(fetch, "OFFICIAL_FILES", digests(OFFICIAL))
    said = []
    assert len(named.read("ml-100k", said.append).interactions) == 2
    assert asked == [("https://files.grouplens.org/datasets/movielens/ml-100k.zip", 5)]
    assert said[0].startswith("fetching MovieLens-100K")
    folder = home / "cache" / "jaxrec" / "ml-100k"
    assert sorted(path.name for path in folder.iterdir()) == sorted(OFFICIAL)
    named.read("ml-100k", said.append)
    assert len(asked) == 1


def pip(contents, commands):
    """Pretend to be pip, which leaves a wheel in the folder after -d."""

    def run(command, **options):
        commands.append(command)
        with open(f"{command[-1]}/recbole-1.2.1-py3-none-any.whl", "wb") as file:
            file.write(archive(fetch.WHEEL_FOLDER, contents))
        return subprocess.CompletedProcess(command, 0, "", "")

    return run


def test_the_wheel_is_the_second_place(home, monkeypatch):
    commands = []
    monkeypatch.setattr(fetch.subprocess, "run", pip(MIRROR, commands))
    monkeypatch.setattr(fetch, "WHEEL_FILES", digests(MIRROR))
    dataset = named.read("ml-100k", lambda note: None)
    assert dataset.item_table["title"][0] == "Heat (1995)"
    assert commands[0][1:5] == ["-m", "pip", "download", "--no-deps"]
    assert "recbole==1.2.1" in commands[0]


def test_files_of_another_content_are_refused(home, monkeypatch):
    monkeypatch.setattr(fetch.subprocess, "run", pip(MIRROR, []))
    with pytest.raises(InputError, match=r"the SHA-256 of ml-100k\.item is not the known one"):
        named.read("ml-100k", lambda note: None)
    assert not (home / "cache" / "jaxrec" / "ml-100k").exists()


def test_without_any_place_one_sentence_says_what_to_do(home):
    with pytest.raises(InputError, match=r"neither from GroupLens .* nor with pip .*JAXREC_DATA"):
        named.read("ml-100k", lambda note: None)


def test_pip_that_fails_is_quoted(home, monkeypatch):
    def run(command, **options):
        return subprocess.CompletedProcess(command, 1, "", "noise\nNo module named pip")

    monkeypatch.setattr(fetch.subprocess, "run", run)
    with pytest.raises(InputError, match="No module named pip"):
        named.read("ml-100k", lambda note: None)


def test_a_cache_that_cannot_be_written_is_one_sentence(home, monkeypatch):
    monkeypatch.setattr(fetch.subprocess, "run", pip(MIRROR, []))
    monkeypatch.setattr(fetch, "WHEEL_FILES", digests(MIRROR))
    (home / "cache").write_text("a file where the cache should be")
    with pytest.raises(InputError, match="cannot be kept in"):
        named.read("ml-100k", lambda note: None)


def test_a_fetch_that_was_cut_off_is_done_again(home, monkeypatch):
    folder = home / "cache" / "jaxrec" / "ml-100k"
    folder.mkdir(parents=True)
    (folder / "ml-100k.item").write_text("half")
    monkeypatch.setattr(fetch.subprocess, "run", pip(MIRROR, []))
    monkeypatch.setattr(fetch, "WHEEL_FILES", digests(MIRROR))
    assert named.read("ml-100k", lambda note: None).title == "title"


# The shared data ---------------------------------------------------------------------------------

SHARED = [
    ("ml-100k", 943, 1_682, {"": 100_000}, "time"),
    ("ml-1m", 6_040, 3_706, {"": 1_000_209}, "position"),
    ("sasrec-ml-1m", 6_040, 3_416, {"": 999_611}, "position"),
    ("ml-1m-ncf", 6_040, 3_706, {"train": 994_169, "test": 6_040}, "row"),
    ("ml-1m-ultragcn", 6_022, 3_043, {"train": 796_244, "test": 99_455}, "row"),
    ("gowalla", 29_858, 40_981, {"train": 810_128, "test": 217_242}, "row"),
    ("beauty", 22_363, 12_101, {"": 198_502}, "position"),
    ("sports", 35_598, 18_357, {"": 296_337}, "position"),
    ("lastfm", 1_892, 17_632, {"": 92_834}, "row"),
    ("citeulike", 7_947, 25_584, {"": 134_860}, "row"),
    ("citeulike-p1", 7_947, 25_584, {"train": 7_947, "test": 126_913}, "row"),
    (
        "diginetica",
        247_528,
        43_097,
        {"train": 906_140, "test_history": 245_546, "test": 60_858},
        "position",
    ),
]


SLOW = ("ml-1m", "sasrec-ml-1m", "sports", "citeulike-p1", "diginetica")


@pytest.mark.parametrize(
    "expected",
    [pytest.param(x, id=x[0], marks=[pytest.mark.slow] * (x[0] in SLOW)) for x in SHARED],
)
def test_the_shared_data_sets_are_whole(data_root, home, monkeypatch, expected):
    name, users, items, parts, order = expected
    monkeypatch.setenv("JAXREC_DATA", str(data_root))
    if named.find(named.NAMED[name]) is None:
        pytest.skip(f"{name} is not in JAXREC_DATA")
    dataset = named.read(name, lambda note: None)
    events = dataset.interactions
    assert (len(events.users), len(events.items), events.order) == (users, items, order)
    if events.part is None:
        assert parts == {"": len(events)}
    else:
        assert parts == {
            PARTS[part]: count for part, count in zip(*np.unique(events.part, return_counts=True))
        }
    for table, size in ((dataset.user_table, users), (dataset.item_table, items)):
        assert table is None or len(table) == size
    if dataset.title is not None:
        assert dataset.item_table[dataset.title].notna().all()
    assert dataset.sha256
    assert dataset.licence


def test_what_ncf_released(data_root, home, monkeypatch):
    monkeypatch.setenv("JAXREC_DATA", str(data_root))
    if named.find(named.NAMED["ml-1m-ncf"]) is None:
        pytest.skip("ml-1m-ncf is not in JAXREC_DATA")
    dataset = named.read("ml-1m-ncf", lambda note: None)
    assert dataset.candidates.shape == (6_041, 99)
    assert (dataset.candidates[1:] > 0).all()
    test = dataset.interactions.take(dataset.interactions.part == PARTS.index("test"))
    assert (dataset.candidates[test.user] == test.item[:, None]).any(axis=1).sum() == 156


def test_ml_100k_is_the_file_row_for_row(data_root, home, monkeypatch):
    monkeypatch.setenv("JAXREC_DATA", str(data_root))
    path = data_root / "ml-100k" / "u.data"
    if not path.exists():
        pytest.skip("ml-100k is not in JAXREC_DATA")
    events = named.read("ml-100k", lambda note: None).interactions
    source = np.loadtxt(path, dtype=np.int64)[events.row]
    np.testing.assert_array_equal(source[:, 0], events.users.raw(events.user))
    np.testing.assert_array_equal(source[:, 1], events.items.raw(events.item))
    np.testing.assert_array_equal(source[:, 2], events.value)
    np.testing.assert_array_equal(source[:, 3], events.timestamp)
